"""Profiles made up of one rule, on graphs made up of a few operators."""

import platform
from dataclasses import replace

import numpy as np
import pytest
from onnx import helper

from edge_deeplab.checker.judging import OBSERVED, gather_facts, judge
from edge_deeplab.checker.observing import Observation
from edge_deeplab.checker.rules import load_profile, parse_profile
from edge_deeplab.formats.graph import FileGraph, Operator, TensorSpec
from edge_deeplab.formats.onnx import read_onnx

RULE = {
    "id": "p.argmax",
    "operators": ["ARG_MAX"],
    "verdict": "fallback",
    "reason": "because",
    "source": "somewhere",
    "date": "2026-11",
    "confidence": "source",
}
PROFILE = {"format": "tflite", "title": "a profile", "ok_reason": "fine"}


def profile(*rules, **changes):
    return parse_profile("p", {**PROFILE, **changes, "rules": list(rules or [RULE])})


@pytest.fixture
def graph(tmp_path):
    """A product, an argmax of it, and a product of that."""
    shape = (1, 4)

    def op(index, kind, read, written):
        spec = TensorSpec("x", "float32", shape)
        return Operator(
            index,
            kind,
            f"op{index}",
            1,
            (spec, spec),
            (spec,),
            {},
            reads=(read,),
            writes=(written,),
        )

    kinds = ("FULLY_CONNECTED", "ARG_MAX", "FULLY_CONNECTED", "RELU")
    operators = tuple(op(i, kind, f"v{i}", f"v{i + 1}") for i, kind in enumerate(kinds))
    return FileGraph(tmp_path / "a.tflite", "tflite", {}, operators)


def test_judge_tells_partitions_share_and_what_is_left_out(graph):
    report = judge(graph, profile())
    assert report.partitions == 2
    assert report.accelerator_share == 1.0
    assert [left.name for left in report.left_out] == ["op1"]
    assert report.stopped_at is None


def test_judge_accelerator_that_stops_leaves_all_that_comes_after(graph):
    report = judge(graph, profile(stops_at_first_unsupported=True))
    assert [v.verdict for v in report.verdicts] == ["ok", "fallback", "fallback", "fallback"]
    assert report.partitions == 1
    assert report.accelerator_share == 0.5
    assert report.stopped_at.at.name == "op1"
    assert (report.stopped_at.operators_after, report.stopped_at.share_after) == (2, 0.5)
    after = report.verdicts[2]
    assert "comes after ARG_MAX op1" in after.reason
    assert after.rule == "p.argmax"


def test_judge_accelerator_that_knows_all_operators_does_not_stop(graph):
    report = judge(graph, profile({**RULE, "operators": ["TILE"]}, stops_at_first_unsupported=True))
    assert report.stopped_at is None
    assert report.partitions == 1


def test_judge_edge_tpu_takes_nothing_of_a_float_file(graph):
    report = judge(graph, load_profile("tflite-edgetpu"))
    assert (report.stopped_at.at.name, report.stopped_at.operators_after) == ("op0", 3)
    assert (report.partitions, report.accelerator_share) == (0, 0.0)


def test_judge_file_that_does_not_load_has_no_partition(graph):
    report = judge(graph, profile({**RULE, "verdict": "rejected"}))
    assert (report.partitions, report.accelerator_share, report.left_out) == (0, None, ())


def test_judge_processor_alone_has_no_partitions(graph):
    assert judge(graph, profile(accelerator=False)).partitions is None


def test_judge_operator_that_feeds_a_left_out_one_is_judged_again(graph):
    """Only the first reader of a left-out operator's input: not those further up."""
    feeding = {**RULE, "id": "p.feeds", "operators": [], "when": [{"feeds_left_out": True}]}
    verdicts = judge(graph, profile(RULE, feeding)).verdicts
    assert [v.rule for v in verdicts] == ["p.feeds", "p.argmax", None, None]


def test_judge_operators_that_read_a_left_out_one_are_judged_again_all_the_way(graph):
    reading = {**RULE, "id": "p.reads", "operators": [], "when": [{"reads_left_out": True}]}
    report = judge(graph, profile(RULE, reading))
    assert [v.rule for v in report.verdicts] == [None, "p.argmax", "p.reads", "p.reads"]
    assert [place.name for place in report.left_out] == ["op1", "op2", "op3"]


def test_judge_accelerator_of_one_part_leaves_all_but_the_largest(graph):
    """One operator before the argmax, two behind it: they are taken, and the first is not."""
    part = {**RULE, "id": "p.one-part", "operators": [], "when": [{"outside_largest_part": True}]}
    report = judge(graph, profile(RULE, part))
    assert [v.rule for v in report.verdicts] == ["p.one-part", "p.argmax", None, None]
    assert (report.partitions, len(report.left_out)) == (1, 2)
    whole = judge(graph, profile({**RULE, "operators": ["CAST"]}, part))
    assert (whole.partitions, whole.left_out) == (1, ())


def test_judge_operator_that_only_unpacks_a_constant_makes_no_partition_where_it_is_pruned(graph):
    constant = TensorSpec("w", "float16", (4,), constant=True)
    unpack = replace(graph.operators[0], type="DEQUANTIZE", inputs=(constant,), reads=("w",))
    argmax = replace(graph.operators[1], reads=("image",))
    file = replace(graph, operators=(unpack, argmax, *graph.operators[2:]))
    last = {**RULE, "operators": ["ARG_MAX", "FULLY_CONNECTED"]}
    assert judge(file, profile(last)).partitions == 2
    pruned = judge(file, profile(last, prunes_unpacking=True))
    assert pruned.partitions == 1
    assert [place.name for place in pruned.left_out] == ["op1", "op2"]


def test_judge_file_that_the_runtime_refused_is_rejected_by_a_rule(graph):
    refused = {**RULE, "id": "p.refused", "operators": [], "when": [{"loads": False}]}
    refused |= {"verdict": "rejected", "reason": "{runtime}: {refusal}"}
    seen = Observation("ORT", "ort 1", "arm64", formed={}, refusal="a cycle")
    report = judge(graph, profile(refused), seen)
    assert {v.reason for v in report.verdicts} == {"ort 1 on arm64: a cycle"}
    assert report.count()["rejected"] == 4
    loaded = judge(graph, profile(refused), replace(seen, formed={"Relu": 1}, refusal=None))
    assert loaded.count()["ok"] == 4


@pytest.mark.parametrize("machine", ["x86_64", "arm64"])
def test_gather_facts_are_those_of_arm_on_every_machine(tiny, tmp_path, monkeypatch, machine):
    """An int8 convolution whose input two operators read: x86-64 computes it in float, ARM in integers."""
    scales = {"s": np.float32(0.1), "z": np.int8(0), "w": np.ones((8, 8, 1, 1), np.int8)}
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["image", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["dq"]),
        node("Abs", ["dq"], ["other"]),
        node("DequantizeLinear", ["w", "s", "z"], ["weight"]),
        node("Conv", ["dq", "weight"], ["conv"]),
        node("QuantizeLinear", ["conv", "s", "z"], ["last"]),
    ]
    path = tiny.save_onnx(tmp_path / "signed.onnx", nodes, scales)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    facts = gather_facts(read_onnx(path))
    assert [f["type"] for f in facts if f["stays_float"]] == ["Abs"]


def test_gather_facts_tell_the_file_s_borders_and_its_opset(tiny, tmp_path):
    scales = {"s": np.float32(0.1), "z": np.int8(0)}
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["last"]),
    ]
    facts = gather_facts(read_onnx(tiny.save_onnx(tmp_path / "borders.onnx", nodes, scales)))
    assert [f["reads_file_input"] for f in facts] == [True, False]
    assert [f["result_read"] for f in facts] == [True, False]
    assert [f["follows"] for f in facts] == ["nothing", "QuantizeLinear"]
    assert {f["opset"] for f in facts} == {18}


def test_gather_facts_operator_follows_what_computes_its_input_beside_a_stored_one(tiny, tmp_path):
    nodes = [
        helper.make_node("Relu", ["image"], ["r"]),
        helper.make_node("Sub", ["two", "r"], ["last"]),
    ]
    path = tiny.save_onnx(tmp_path / "beside.onnx", nodes, {"two": np.float32(2)})
    assert [f["follows"] for f in gather_facts(read_onnx(path))] == ["nothing", "Relu"]


def test_judge_measured_fallback_is_told_and_leaves_the_prediction_alone(graph):
    left = {**RULE, "id": "p.left", "operators": [], "when": [{"delegated": False}]}
    taken, rest = {0: "", 2: ""}, {1: "", 3: ""}
    seen = Observation("XNNPACK", "litert", "arm64", taken=taken, left=rest, partitions=1)
    report = judge(graph, profile(RULE, left), seen)
    assert [v.rule for v in report.verdicts] == [None, "p.argmax", None, "p.left"]
    assert [place.name for place in report.left_out] == ["op1"]
    assert "XNNPACK left what no rule foresaw: RELU op3" in report.comparison.differences
    without = judge(graph, profile(RULE, left))
    assert [v.rule for v in without.verdicts] == [None, "p.argmax", None, None]


def test_judge_observation_that_decides_replaces_verdicts_and_placement(graph):
    seen = Observation(
        "Core ML",
        "plan 9",
        "an M2",
        taken={0: "it likes it", 1: "this too"},
        left={2: "it does not"},
        date="2026-11-20",
        decides=True,
    )
    report = judge(graph, profile(RULE), seen)
    words = [(v.verdict, v.rule, v.reason) for v in report.verdicts]
    assert words == [
        ("ok", OBSERVED, "observed on an M2: it likes it"),
        ("ok", OBSERVED, "observed on an M2: this too"),
        ("fallback", OBSERVED, "observed on an M2: it does not"),
        ("ok", None, "fine"),
    ]
    assert (report.verdicts[2].source, report.verdicts[2].date) == ("plan 9", "2026-11-20")
    assert [place.name for place in report.left_out] == ["op2"]
    assert report.decided
    assert report.comparison.differences == (
        "Core ML left what no rule foresaw: FULLY_CONNECTED op2",
        "Core ML took what the rules say it leaves: ARG_MAX op1",
    )


def test_judge_observation_of_where_an_operator_runs_keeps_that_it_is_slow_there(graph):
    slow = {**RULE, "verdict": "slow"}
    taken = dict.fromkeys(range(4), "taken")
    seen = Observation("Vela", "vela 5", "compiler", taken=taken, left={}, decides=True)
    report = judge(graph, profile(slow), seen)
    predicted = judge(graph, profile(slow)).verdicts
    assert [v for v in report.verdicts if v.verdict == "slow"] == [
        v for v in predicted if v.verdict == "slow"
    ]
    told = next(v for v in report.verdicts if v.verdict == "ok")
    assert (told.reason, told.date) == ("observed in its own compiler: taken", "at every check")


def test_judge_observation_that_tells_nothing_changes_nothing(graph):
    silent = Observation("Core ML", "plan 9", "an M2", decides=True)
    report = judge(graph, profile(RULE), silent)
    assert report.verdicts == judge(graph, profile(RULE)).verdicts
    assert not report.decided
    assert report.comparison.equal is None
