"""What is expected of a file before it is written, held against the file: every profile says the same of both."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from edge_deeplab.checker.facts import facts_of
from edge_deeplab.checker.rules import load_profile, profile_names
from edge_deeplab.converters.capture import CanonicalGraph, capture
from edge_deeplab.converters.devices.expected import expect_operators
from edge_deeplab.converters.to_onnx import write_onnx
from edge_deeplab.description import Head
from edge_deeplab.formats.graph import FileGraph
from edge_deeplab.formats.read import read_graph
from edge_deeplab.targets import STABLE
from tests.converters.conftest import NORMALISATION, describe


def compare(expected: FileGraph, file: FileGraph) -> int:
    """Hold every profile's rule about an expected operator against the one about the file's; return how many."""
    profiles = [p for name in profile_names() if (p := load_profile(name)).format == file.format]
    written = {(operator.type, operator.module): operator for operator in file.operators}
    for operator in expected.operators:
        own = facts_of(written[operator.type, operator.module])
        for profile in profiles:
            foreseen, found = profile.worst_rule(facts_of(operator)), profile.worst_rule(own)
            assert foreseen == found, f"{profile.name} of {operator.module}"
    return len(expected.operators)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("target", STABLE)  # no rule about ExecuTorch asks for a rewrite
def test_float_convolutions_are_those_expected(
    canonical: Callable[[Head], CanonicalGraph],
    exported: Callable[[str, str, Head], Path],
    target: str,
    precision: str,
) -> None:
    description = describe(target, precision, "classes")
    expected = expect_operators(canonical("classes").program, description)
    convolutions = [o for o in expected.operators if o.convolution]
    file = read_graph(exported(target, precision, "classes"))
    assert compare(FileGraph(Path(), file.format, {}, tuple(convolutions)), file) == 3


def test_maps_of_a_float_tflite_file_are_those_expected(
    canonical: Callable[[Head], CanonicalGraph], exported: Callable[[str, str, Head], Path]
) -> None:
    description = describe("tflite", "fp32", "classes")
    maps = tuple(
        operator
        for operator in expect_operators(canonical("classes").program, description).operators
        if not operator.convolution
    )
    kinds = [operator.type for operator in maps]
    assert kinds == [
        "CONCATENATION",
        "RESIZE_BILINEAR",
        "CONCATENATION",
        "RESIZE_BILINEAR",
        "ARG_MAX",
    ]
    compare(
        FileGraph(Path(), "tflite", {}, maps), read_graph(exported("tflite", "fp32", "classes"))
    )


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_cast_of_the_picture_in_an_onnx_file_is_the_one_expected(
    canonical: Callable[[Head], CanonicalGraph],
    exported: Callable[[str, str, Head], Path],
    precision: str,
) -> None:
    description = describe("onnx", precision, "classes")
    expected = expect_operators(canonical("classes").program, description).operators
    casts = tuple(operator for operator in expected if operator.type == "Cast")
    file = read_graph(exported("onnx", precision, "classes"))
    first = next(operator for operator in file.operators if operator.type == "Cast")
    beginning = FileGraph(Path(), "onnx", {}, (first,))
    assert compare(FileGraph(Path(), "onnx", {}, casts), beginning) == 1


class Activations(nn.Module):
    """One of each activation that ONNX has an operator for."""

    def __init__(self) -> None:
        super().__init__()
        self.swish, self.sigmoid = nn.Hardswish(), nn.Hardsigmoid()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.sigmoid(self.swish(image))


def test_hard_activations_of_an_onnx_file_are_those_expected(tmp_path: Path) -> None:
    graph = capture(Activations().eval(), NORMALISATION, (16, 16), "logits")
    description = describe("onnx", "fp32", "logits")
    write_onnx(graph, description, tmp_path / "a.onnx")
    expected = expect_operators(graph.program, description)
    assert [o.type for o in expected.operators] == ["Cast", "HardSwish", "HardSigmoid"]
    assert compare(expected, read_graph(tmp_path / "a.onnx")) == 3


def test_nothing_is_expected_for_a_target_that_is_not_known(
    canonical: Callable[[Head], CanonicalGraph],
) -> None:
    description = describe("toy", "fp32", "classes")
    assert expect_operators(canonical("classes").program, description).operators == ()
