"""What counts as equal between two statements of a tensor: rounding to the coarser format, and nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_deeplab.formats.stored.comparison import compare_files, compare_tensor
from edge_deeplab.formats.stored.file import StoredFile
from edge_deeplab.formats.stored.names import FreeNames
from edge_deeplab.formats.stored.tensor import (
    Parameters,
    Reading,
    StoredTensor,
    parameters_of,
    product_of,
)

ABOVE_HALF = np.float32(1 + 2**-12)
"""The half nearest to it is 1."""


def parameters(scale: Any, zero_point: Any = 0, element: str = "int8", axis: int = 0) -> Parameters:
    return parameters_of(np.asarray(scale), np.asarray(zero_point), element, axis, (0,))


def activation(*stated: Parameters) -> StoredTensor:
    return StoredTensor("activation", tuple(Reading(f"place {i}", p) for i, p in enumerate(stated)))


def bias(values: Any, scale: Any = None) -> StoredTensor:
    readings = () if scale is None else (Reading("tensor", parameters(scale, element="int32")),)
    return StoredTensor("bias", readings, np.asarray(values))


def test_scales_in_half_precision_are_equal_once_rounded_and_counted() -> None:
    single, half = np.array([1, ABOVE_HALF], np.float32), np.ones(2, np.float16)
    found = compare_tensor(
        "x", {"a": activation(parameters(half)), "b": activation(parameters(single))}
    )
    assert found.differences == ()
    assert found.rounded_scales == 1


def test_scales_in_single_precision_are_never_rounded() -> None:
    sides = {
        "half": activation(parameters(np.float16(1))),
        "one": activation(parameters(np.float32(1))),
        "two": activation(parameters(ABOVE_HALF)),
    }
    (difference,) = compare_tensor("x", sides).differences
    assert difference == "x: scale is 1 in one, 1.00024414 in two"


def test_next_half_is_a_difference() -> None:
    half = np.nextafter(np.float16(1), np.float16(2))
    sides = {"a": activation(parameters(ABOVE_HALF)), "b": activation(parameters(half))}
    assert compare_tensor("x", sides).differences


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (parameters(np.float32(2)), "scale is 2 in place 0, 1 in place 1"),
        (parameters(np.float32(1), 9), "zero point is 9 in place 0, 0 in place 1"),
        (
            parameters(np.float32(1), element="int16"),
            "number of bits is 16 in place 0, 8 in place 1",
        ),
        (parameters(np.ones(3, np.float32)), "number of scales is 3 in place 0, 1 in place 1"),
    ],
)
def test_places_of_one_file_that_differ_are_a_difference(other: Parameters, what: str) -> None:
    sides = {
        "a": activation(other, parameters(np.float32(1))),
        "b": activation(parameters(np.float32(1))),
    }
    assert compare_tensor("x", sides).differences == (f"x contradicts itself in a: {what}",)


def test_axis_matters_beside_several_scales_and_is_noted_beside_one() -> None:
    many = [activation(parameters(np.ones(2, np.float32), axis=axis)) for axis in (0, 1)]
    assert compare_tensor("x", {"a": many[0], "b": many[1]}).differences == (
        "x: axis is 0 in a, 1 in b",
    )
    one = [activation(parameters(np.float32(1), axis=axis)) for axis in (0, 1)]
    found = compare_tensor("x", {"a": one[0], "b": one[1]})
    assert found.differences == ()
    assert found.notes == (
        "x in b: place 0 states axis 1 beside one scale, where it has no effect",
    )


def test_unsigned_tensor_is_its_signed_twin() -> None:
    sides = {
        "a": activation(parameters(np.float32(1), np.int8(-3))),
        "b": activation(parameters(np.float32(1), np.uint8(125), "uint8")),
    }
    assert compare_tensor("x", sides).differences == ()


def test_tensor_that_one_file_lacks_is_a_difference() -> None:
    found = compare_tensor("x", {"a": None, "b": activation(parameters(np.float32(1)))})
    assert found.differences == ("x: a does not store it, b does",)


def test_float_bias_must_be_what_the_integers_mean_in_every_bit() -> None:
    stored = bias(np.array([3, -5], np.int32), np.float32(0.1))
    same = (np.array([3, -5]) * np.float64(np.float32(0.1))).astype(np.float32)
    assert compare_tensor("x", {"a": bias(same), "b": stored}).differences == ()
    beside = np.nextafter(same, np.float32(9))
    assert compare_tensor("x", {"a": bias(beside), "b": stored}).differences
    halves = compare_tensor("x", {"a": bias(same.astype(np.float16)), "b": stored})
    assert halves.differences == ()
    assert halves.rounded_biases == 1, "the half nearest to -0.5 is exact"


def test_integer_biases_are_compared_as_integers() -> None:
    one, other = (bias(np.array([count], np.int32), np.float32(0.1)) for count in (3, 4))
    assert compare_tensor("x", {"a": one, "b": other}).differences == ("x: bias is 3 in a, 4 in b",)


@pytest.mark.parametrize(("values", "equal"), [([0.0, 0.0], True), ([0.0, 1.0], False)])
def test_absent_bias_means_zeros(values: list[float], equal: bool) -> None:
    sides = {"a": StoredTensor("bias", ()), "b": bias(np.array(values, np.float32))}
    assert (compare_tensor("x", sides).differences == ()) is equal


def test_name_that_is_taken_is_numbered_once() -> None:
    free = FreeNames()
    assert [free.next(name) for name in ("x", "x (2)", "x", "x", "x (3)")] == [
        "x",
        "x (2)",
        "x (3)",
        "x (4)",
        "x (3) (2)",
    ]


def test_weight_and_activation_of_one_name_differ() -> None:
    weight = StoredTensor(
        "weight", activation(parameters(np.float32(1))).readings, np.zeros(1, np.int8)
    )
    sides = {"a": activation(parameters(np.float32(1))), "b": weight}
    assert compare_tensor("x", sides).differences == ("x: activation in a, weight in b",)


def test_bias_scale_may_be_rounded_the_other_way_only_where_the_product_is_not_exact() -> None:
    exact = parameters(np.float32(0.5)), parameters(np.float32(0.25))
    above = parameters(np.nextafter(np.float32(0.125), np.float32(1)), element="int32")
    assert product_of(*exact, above).parameters.scale[0] == np.float32(0.125)
    inexact = parameters(np.float32(0.1)), parameters(np.float32(0.3))
    product = np.float32(0.1) * np.float32(0.3)
    for stored in (np.nextafter(product, np.float32(0)), np.nextafter(product, np.float32(1))):
        chosen = product_of(*inexact, parameters(stored, element="int32")).parameters.scale
        assert chosen[0] == stored
    far = parameters(product * np.float32(1.001), element="int32")
    assert product_of(*inexact, far).parameters.scale[0] == product


@pytest.mark.parametrize(
    ("other", "scale", "differences"),
    [
        ("upsample_bilinear2d", 0.5, 0),
        ("upsample_bilinear2d", 0.25, 1),
        ("aspp__concat", 0.5, 2),
        ("logits", 0.25, 1),
    ],
)
def test_scores_are_one_tensor_whether_a_file_gives_them_or_the_class_map(
    other: str, scale: float, differences: int
) -> None:
    """The scale is that of the other file's; an activation of a layer is never taken for the scores."""
    image, scores = activation(parameters(0.1)), activation(parameters(0.5))
    files = [
        StoredFile(Path("a.onnx"), {"image": image, "logits": scores}),
        StoredFile(Path("b.tflite"), {"image": image, other: activation(parameters(scale))}),
    ]
    assert len(compare_files(files).differences) == differences
