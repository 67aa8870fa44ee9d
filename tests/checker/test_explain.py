import re

import pytest

from edge_deeplab.checker.explain import describe_condition, explain_rule
from edge_deeplab.checker.rules import Rule, family_names, load_family
from edge_deeplab.errors import ConfigError

THREE = "kernel rows 3, kernel columns 3"
EVIDENCE = {"reason": "r", "source": "s", "date": "2026-11", "confidence": "source"}


def words(*, operators=(), when=({},)):
    return describe_condition(Rule("p.rule", "slow", operators=operators, when=when, **EVIDENCE))


def test_explain_rule_of_a_family_names_the_devices_it_can_hold_on():
    explanation = explain_rule("tflite-nnapi.dilated")
    assert explanation.profiles == ("tflite-nnapi-27", "tflite-nnapi-28")
    assert explanation.rule.mend == "zero-insert"


def test_explain_rule_every_rule_holds_in_some_profile():
    rules = [rule for name in family_names() for rule in load_family(name).rules]
    assert [rule.id for rule in rules if not explain_rule(rule.id).profiles] == []


def test_explain_rule_to_json_has_condition_verdict_and_evidence():
    document = explain_rule("tflite-gpu.dilated-depthwise").to_json()
    assert document["verdict"] == "slow"
    assert document["condition"] == "DEPTHWISE_CONV_2D with rate above 1, " + THREE
    assert document["operators"] == ["DEPTHWISE_CONV_2D"]
    assert document["when"] == [{"rate": {"above": 1}, "kernel_h": 3, "kernel_w": 3}]
    assert document["mend"] == "deinterlace"
    assert document["profiles"] == ["tflite-gpu"]
    assert {"rule", "reason", "rewrite", "source", "date", "confidence"} <= set(document)


def test_explain_rule_observed_is_what_a_mac_told():
    document = explain_rule("observed").to_json()
    assert document["verdict"] == "as observed"
    assert "MLComputePlan" in document["source"]
    assert "coreml-ane-a14" in document["profiles"]
    assert not any(name.startswith("onnx") for name in document["profiles"])


@pytest.mark.parametrize("name", ["tflite-gpu", "tflite-nnapi-27", "coreml-ane"])
def test_explain_rule_of_a_profile_lists_its_rules_and_no_others(name):
    with pytest.raises(ConfigError, match=f"'{name}' is a profile") as caught:
        explain_rule(name)
    family = name.removesuffix("-27")
    listed = re.findall(r"[\w-]+\.[\w-]+", str(caught.value))
    assert len(listed) > 5
    assert all(rule.startswith(f"{family}.") for rule in listed)


@pytest.mark.parametrize(
    ("rule_id", "sentence"),
    [
        ("tflite-gpu.dilated-depthwize", "perhaps tflite-gpu.dilated-depthwise"),
        ("onnx-webgpu.xyz", "perhaps onnx-webgpu."),
        ("zzz", "its form is FILE.WHAT"),
    ],
)
def test_explain_rule_unknown_id_names_near_ones_only(rule_id, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        explain_rule(rule_id)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({}, "any operator"),
        ({"operators": ("A", "B", "C")}, "A, B or C"),
        ({"when": ({"type": {"not_in": ["A", "B"]}},)}, "any operator but A and B"),
        ({"when": ({"type": "A", "version": {"above": 2}},)}, "A with version above 2"),
        ({"when": ({"type": {"in": ["A", "B"]}, "rate": 1},)}, "A or B with rate 1"),
        (
            {"operators": ("A",), "when": ({"has_bias": False}, {"rank": {"not": 4}})},
            "A with no bias; or with number of axes other than 4",
        ),
        (
            {"operators": ("A", "B"), "when": ({"type": {"not": "B"}, "api": {"below": 29}},)},
            "any of them but B with API level below 29",
        ),
        (
            {"when": ({"depth": {"not_multiple_of": 4}},)},
            "any operator with depth no multiple of 4",
        ),
        (
            {"when": ({"dtype": {"not_in": ["int8"]}},)},
            "any operator with element type none of int8",
        ),
    ],
)
def test_describe_condition_is_in_words(condition, expected):
    assert words(**condition) == expected
