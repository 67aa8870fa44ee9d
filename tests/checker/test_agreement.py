"""Predictions and what the runtimes did, each made up."""

import pytest

from edge_deeplab.checker.agreement import (
    fusion_to_json,
    fusion_warnings,
    xnnpack_to_json,
    xnnpack_warnings,
)
from edge_deeplab.checker.onnx_fusion import Fusion
from edge_deeplab.checker.partitions import Partitioning
from edge_deeplab.formats.graph import FileGraph, Operator
from edge_deeplab.runtimes.observers.optimized_onnx import Optimized
from edge_deeplab.runtimes.observers.xnnpack import Measurement


@pytest.fixture
def graph(tmp_path):
    """Three operators."""
    kinds = ("CONV_2D", "ARG_MAX", "RELU")
    operators = tuple(
        Operator(i, kind, kind.lower(), 1, (), (), {}) for i, kind in enumerate(kinds)
    )
    return FileGraph(tmp_path / "a.tflite", "tflite", {}, operators)


PREDICTED = Partitioning(partitions=((0,), (2,)), left_out=(1,), share=1.0)


def measured(*partitions):
    return Measurement("litert", total=3, partitions=partitions)


def test_xnnpack_that_did_as_predicted_agrees(graph):
    document = xnnpack_to_json(graph, PREDICTED, measured((0,), (2,)))
    assert document["agrees"]
    assert document["left_out"] == document["predicted"]["left_out"]
    assert document["predicted"]["delegated"] == 2


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (measured((0,)), "left what no rule foresaw: RELU relu"),
        (measured((0, 1, 2)), "took what the rules say it leaves: ARG_MAX arg_max"),
        (measured((0, 2)), "2 partitions were predicted and XNNPACK made 1"),
        (
            Measurement("litert", refusal="odd op"),
            "no rule foresaw that litert does not load it: odd",
        ),
    ],
)
def test_xnnpack_that_did_otherwise_is_told(graph, seen, sentence):
    warnings = xnnpack_warnings(graph, PREDICTED, seen)
    assert any(sentence in warning for warning in warnings)
    assert not xnnpack_to_json(graph, PREDICTED, seen)["agrees"]


def test_xnnpack_that_loads_what_was_rejected_is_told(graph):
    assert "litert loaded it" in xnnpack_warnings(graph, None, measured((0,)))[0]
    assert xnnpack_warnings(graph, None, Measurement("litert", refusal="odd op")) == []


FUSION = Fusion({0: "QLinearConv"}, frozenset(), float_convolutions=1)


def test_fusion_that_came_out_as_predicted_agrees():
    seen = Optimized("ort", {"QLinearConv": 1, "FusedConv": 1, "Resize": 4})
    document = fusion_to_json(FUSION, seen)
    assert document["agrees"]
    assert document["observed"] == document["predicted"] == {"QLinearConv": 1, "Conv": 1}


def test_fusion_that_came_out_otherwise_is_told_by_type():
    seen = Optimized("ort", {"Conv": 2})
    assert fusion_warnings(FUSION, seen) == [
        "1 Conv were predicted and ort has 2",
        "1 QLinearConv were predicted and ort has 0",
    ]


def test_fusion_of_a_file_that_does_not_load_is_told():
    seen = Optimized("ort", {}, refusal="no such operator")
    assert fusion_warnings(FUSION, seen) == ["ort does not load it: no such operator"]
    assert fusion_to_json(FUSION, seen)["observed"] is None
