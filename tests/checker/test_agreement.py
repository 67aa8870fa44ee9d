"""Predictions and what tools did, each made up."""

import pytest

from edge_deeplab.checker.agreement import compare, fusion_to_json, xnnpack_to_json
from edge_deeplab.checker.observing import Observation, RunCost
from edge_deeplab.checker.onnx_fusion import Fusion
from edge_deeplab.checker.partitions import Partitioning
from edge_deeplab.formats.graph import FileGraph, Operator


@pytest.fixture
def graph(tmp_path):
    """Three operators."""
    kinds = ("CONV_2D", "ARG_MAX", "RELU")
    operators = tuple(
        Operator(i, kind, kind.lower(), 1, (), (), {}) for i, kind in enumerate(kinds)
    )
    return FileGraph(tmp_path / "a.tflite", "tflite", {}, operators)


PREDICTED = Partitioning(partitions=((0,), (2,)), left_out=(1,), share=1.0)


def measured(*subgraphs, **changes):
    taken = [place for subgraph in subgraphs for place in subgraph]
    return Observation(
        "XNNPACK",
        "litert",
        "arm64",
        taken=dict.fromkeys(taken, ""),
        left={place: "" for place in range(3) if place not in taken},
        subgraphs=subgraphs,
        partitions=len(subgraphs),
        **changes,
    )


REFUSED = Observation("XNNPACK", "litert", "arm64", taken={}, left={}, refusal="odd op")


def test_xnnpack_that_did_as_predicted_agrees(graph):
    document = xnnpack_to_json(compare(graph, "xnnpack", measured((0,), (2,)), PREDICTED))
    assert document["agrees"]
    assert document["left_out"] == document["predicted"]["left_out"]
    assert document["predicted"]["delegated"] == 2
    assert (document["delegated"], document["total"], document["partitions"]) == (2, 3, 2)
    assert document["runtime"] == "litert on arm64"


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (measured((0,)), "left what no rule foresaw: RELU relu"),
        (measured((0, 1, 2)), "took what the rules say it leaves: ARG_MAX arg_max"),
        (measured((0, 2)), "2 partitions were predicted and XNNPACK made 1"),
        (REFUSED, "no rule foresaw that litert on arm64 does not load it: odd"),
    ],
)
def test_xnnpack_that_did_otherwise_is_told(graph, seen, sentence):
    comparison = compare(graph, "xnnpack", seen, PREDICTED)
    assert any(sentence in difference for difference in comparison.differences)
    assert comparison.equal is False
    assert not xnnpack_to_json(comparison)["agrees"]


def test_xnnpack_that_loads_what_was_rejected_is_told(graph):
    loaded = compare(graph, "xnnpack", measured((0,)), None)
    assert "litert on arm64 loaded it" in loaded.differences[0]
    assert compare(graph, "xnnpack", REFUSED, None).differences == ()


def test_partitions_are_compared_only_where_the_tool_tells_them(graph):
    silent = Observation("a compiler", "1", "a device", taken={0: "", 2: ""}, left={1: "argmax"})
    assert compare(graph, "compiler", silent, PREDICTED).equal


@pytest.mark.parametrize(
    ("left", "parts", "sentence"),
    [
        (1, 2, None),
        (2, 2, "1 operators were predicted to be left, and a compiler left 2"),
        (1, 3, "2 partitions were predicted and a compiler made 3"),
    ],
)
def test_number_of_operators_that_are_left_is_compared_where_no_more_is_told(
    graph, left, parts, sentence
):
    seen = Observation("a compiler", "1", "a device", left_count=left, partitions=parts)
    comparison = compare(graph, "compiler", seen, PREDICTED)
    assert comparison.differences == ((sentence,) if sentence else ())
    assert comparison.equal is (sentence is None)
    document = comparison.to_json()
    assert (document["taken"], document["left"], document["left_count"]) == (None, None, left)


def test_number_of_operators_that_are_left_of_a_file_said_not_to_load_is_a_difference(graph):
    seen = Observation("a compiler", "1", "a device", left_count=1)
    assert "loaded it" in compare(graph, "compiler", seen, None).differences[0]


def test_observation_in_json_has_numbers_names_and_reasons(graph):
    seen = Observation(
        "Vela",
        "4.2",
        "Ethos-U55",
        taken={0: "", 2: ""},
        left={1: "no kernel"},
        cost=RunCost(cycles=70, note="an estimate"),
    )
    document = compare(graph, "vela", seen, PREDICTED).to_json()
    assert document == {
        "tool": "Vela",
        "version": "4.2",
        "machine": "Ethos-U55",
        "taken": 2,
        "left": [{"operator": "ARG_MAX", "name": "arg_max", "module": None, "reason": "no kernel"}],
        "left_count": 1,
        "partitions": None,
        "equal": True,
        "differences": [],
        "refusal": None,
        "cost": {"milliseconds": None, "cycles": 70, "memory_bytes": None, "note": "an estimate"},
    }


FUSION = Fusion({0: "QLinearConv"}, frozenset(), float_convolutions=1)


@pytest.fixture
def fused(graph, monkeypatch):
    """Return a function that compares what ONNX Runtime formed with FUSION."""
    monkeypatch.setattr("edge_deeplab.checker.agreement.predict_fusion", lambda graph: FUSION)

    def run(formed, refusal=None):
        seen = Observation("ONNX Runtime", "ort", "arm64", formed=formed, refusal=refusal)
        return compare(graph, "onnxruntime", seen, PREDICTED)

    return run


def test_fusion_that_came_out_as_predicted_agrees(fused):
    document = fusion_to_json(fused({"QLinearConv": 1, "FusedConv": 1, "Resize": 4}))
    assert document["agrees"]
    assert document["observed"] == document["predicted"] == {"QLinearConv": 1, "Conv": 1}


def test_fusion_that_came_out_otherwise_is_told_by_type(fused):
    assert fused({"Conv": 2}).differences == (
        "1 Conv were predicted and ort on arm64 has 2",
        "1 QLinearConv were predicted and ort on arm64 has 0",
    )


def test_fusion_of_a_file_that_does_not_load_is_told(fused):
    refused = fused({}, "no such operator")
    assert refused.differences == ("ort on arm64 does not load it: no such operator",)
    assert fusion_to_json(refused)["observed"] is None
    assert refused.to_json()["taken"] is None
