"""Shapes at one of several sizes: what coremltools itself infers of the same operator, or nothing."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from coremltools.converters.mil import Builder as mb  # noqa: N813 (its documented name)

from edge_deeplab.formats import coreml_sizes
from edge_deeplab.formats.coreml_sizes import inferred_shape

IMAGE = (1, 3, 368, 480)


def inferred(build: Callable[..., Any], *shapes: tuple[int, ...]) -> tuple[Any, Any]:
    """Return the shape that is inferred of an operator whose own is open, and the one that coremltools infers."""
    specs = [mb.TensorSpec(shape=shape) for shape in shapes]
    result = mb.program(input_specs=specs)(build).functions["main"].outputs[0]
    open_shape = (None,) * len(result.shape)
    found = inferred_shape(result.op.op_type, open_shape, shapes, _settings(result.op), None)
    return found, tuple(int(side) for side in result.shape)


def _settings(operator: Any) -> Mapping[str, Any]:
    """Return an operator's constants as the reader has them: numbers, and tuples of vectors."""
    single = {key: value for key, value in operator.inputs.items() if hasattr(value, "val")}
    told = {key: value.val for key, value in single.items() if value.val is not None}
    plain = {key: np.asarray(value).tolist() for key, value in told.items()}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()}


def padded(image: Any) -> Any:
    return mb.pad(x=image, pad=[0, 1, 0, 1], mode="constant", constant_val=0.0)


def padded_everywhere(image: Any) -> Any:
    return mb.pad(x=image, pad=[0, 0, 0, 0, 1, 2, 3, 4], mode="constant", constant_val=0.0)


def sliced(image: Any) -> Any:
    return mb.slice_by_index(x=image, begin=[0, 0, 1, 2], end=[1, 3, -1, 400], stride=[1, 1, 2, 3])


def sliced_to_the_ends(image: Any) -> Any:
    return mb.slice_by_index(
        x=image,
        begin=[0, 1, 5, -7],
        end=[0, 0, 0, 9999],
        begin_mask=[True, False, True, False],
        end_mask=[True, False, True, False],
        squeeze_mask=[False, True, False, False],
    )


def reversed_rows(image: Any) -> Any:
    return mb.slice_by_index(
        x=image, begin=[0, 0, -1, 0], end=[1, 3, 0, 480], stride=[1, 1, -1, 1],
        end_mask=[False, False, True, False],
    )  # fmt: skip


@pytest.mark.parametrize(
    "build", [padded, padded_everywhere, sliced, sliced_to_the_ends, reversed_rows]
)
def test_pads_and_slices_have_the_shape_that_coremltools_infers(build: Callable[..., Any]) -> None:
    found, expected = inferred(build, IMAGE)
    assert found == expected


def test_pad_of_a_row_and_a_column_has_one_more_of_each() -> None:
    assert inferred(padded, IMAGE)[0] == (1, 3, 369, 481)


@pytest.mark.parametrize("axis", [2, -1])
def test_concatenation_along_an_open_axis_is_the_sum(axis: int) -> None:
    found, expected = inferred(lambda a, b: mb.concat(values=[a, b], axis=axis), IMAGE, IMAGE)
    assert found == expected


@pytest.mark.parametrize(
    "build",
    [
        lambda image: mb.reduce_mean(x=image, axes=[2, 3], keep_dims=True),
        lambda image: mb.reduce_argmax(x=image, axis=1, keep_dims=False),
        lambda image: mb.expand_dims(x=image, axes=[0, -1]),
        lambda image: mb.squeeze(x=image, axes=[0]),
        lambda image: mb.transpose(x=image, perm=[0, 2, 3, 1]),
        lambda image: mb.relu(x=image),
        lambda image: mb.softmax(x=image, axis=1),
        lambda image: mb.max_pool(x=image, kernel_sizes=[3, 3], strides=[2, 2], pad_type="valid"),
        lambda image: mb.upsample_bilinear(
            x=image, scale_factor_height=1.5, scale_factor_width=2.0, align_corners=False
        ),
    ],
)
def test_what_else_is_inferred_is_what_coremltools_infers(build: Callable[..., Any]) -> None:
    found, expected = inferred(build, IMAGE)
    assert found == expected


@pytest.mark.parametrize("other", [IMAGE, (1, 3, 1, 1), (3, 1, 1), (480,), (1, 1, 368, 1)])
def test_values_are_stretched_to_one_shape(other: tuple[int, ...]) -> None:
    for first, second in ((IMAGE, other), (other, IMAGE)):
        found, expected = inferred(lambda a, b: mb.add(x=a, y=b), first, second)
        assert found == expected


@pytest.mark.parametrize(
    "build",
    [
        lambda image: mb.reshape(x=image, shape=[1, 3, 480, 368]),
        lambda image: mb.tile(x=image, reps=[1, 1, 2, 2]),
        lambda image: mb.space_to_depth(x=image, block_size=2),
        lambda image: mb.max_pool(
            x=image, kernel_sizes=[3, 3], strides=[2, 2], pad_type="valid", ceil_mode=True
        ),
    ],
)
def test_nothing_is_told_of_others(build: Callable[..., Any]) -> None:
    found, expected = inferred(build, IMAGE)
    assert None in found
    assert all(side in (None, own) for side, own in zip(found, expected, strict=True))


def test_side_that_is_open_beside_a_1_stays_open() -> None:
    assert inferred_shape("add", (1, None), [(1, None), (1, 1)], {}, None) == (1, None)
    assert inferred_shape("concat", (1, None), [(1, None), (1, 1)], {"axis": 1}, None) == (1, None)


@pytest.mark.parametrize(
    ("module", "listed"),
    [
        ("elementwise_binary", coreml_sizes._BROADCASTING),
        ("elementwise_unary", coreml_sizes._KEEPING),
        ("activation", coreml_sizes._KEEPING),
        ("normalization", coreml_sizes._KEEPING),
        ("reduction", coreml_sizes._REDUCTIONS),
    ],
)
def test_lists_of_operators_hold_all_that_coremltools_has_of_a_kind(
    module: str, listed: frozenset[str]
) -> None:
    found = import_module(f"coremltools.converters.mil.mil.ops.defs.iOS15.{module}")
    own = [
        each for each in vars(found).values() if getattr(each, "__module__", "") == found.__name__
    ]
    kinds = {each.__name__ for each in own if hasattr(each, "_op_variants")}
    assert kinds
    assert kinds <= listed
