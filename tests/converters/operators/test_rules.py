"""Every rule of every profile has an operator it speaks about and one next to it that it does not."""

from dataclasses import replace

import pytest

from edge_deeplab.converters.operators.facts import FACTS, facts_of
from edge_deeplab.converters.operators.graph import Convolution, Operator, TensorSpec
from edge_deeplab.converters.operators.rules import (
    DEFAULT_PROFILES,
    load_profile,
    parse_profile,
    profile_names,
)
from edge_deeplab.errors import ConfigError


def operator(
    kind, *, dtype="float32", before=(1, 64, 32, 32), after=(1, 64, 32, 32), version=1, **rest
):
    """Return an operator from one value to another."""
    given, result = TensorSpec("x", dtype, before), TensorSpec("y", dtype, after)
    rest.setdefault("attributes", {})
    return Operator(0, kind, "y", version, (given,), (result,), **rest)


def depthwise(kind, *, rate=1, kernel=(3, 3), stride=1, padding=1, multiplier=1, **options):
    """Return a depthwise convolution over 64 channels."""
    convolution = Convolution(
        kernel_hw=kernel,
        rate_hw=(rate, rate),
        stride_hw=(stride, stride),
        channels=64,
        groups=64,
        multiplier=multiplier,
        padding=(padding,) * 4,
    )
    return operator(kind, convolution=convolution, **options)


def dense(kind, **options):
    """Return a convolution of one group."""
    convolution = depthwise(kind, **options)
    return replace(convolution, convolution=replace(convolution.convolution, groups=1))


HALF = "float16"
EXAMPLES = {
    "onnx-cpu.dilated-depthwise": (
        [depthwise("Conv", rate=12)],
        [
            depthwise("Conv"),
            dense("Conv", rate=12),
            depthwise("Conv", rate=12, dtype="uint8"),
            depthwise("ConvTranspose", rate=12),
        ],
    ),
    "onnx-cpu.depthwise-off-the-direct-kernel": (
        [
            depthwise("Conv", kernel=(5, 3)),
            depthwise("Conv", kernel=(3, 5)),
            depthwise("Conv", stride=2),
            depthwise("Conv", padding=2),
            depthwise("Conv", multiplier=2),
        ],
        [depthwise("Conv"), depthwise("Conv", padding=0), dense("Conv", stride=2)],
    ),
    "onnx-cpu.float16-convolution": (
        [dense("Conv", dtype=HALF), depthwise("Conv", dtype=HALF)],
        [dense("Conv"), operator("Relu", dtype=HALF)],
    ),
    "onnx-cpu.unknown-operator": (
        [operator("NoSuchThing", version=None)],
        [operator("Relu"), operator("Anything", version=None, domain="com.microsoft")],
    ),
    "onnx-cpu.foreign-domain": (
        [operator("Fancy", version=None, domain="com.example")],
        [
            operator("Relu"),
            operator("FusedConv", version=None, domain="com.microsoft"),
            operator("OwnFunction", version=None, domain="local"),
        ],
    ),
    "coreml-ane-a14.float32": (
        [operator("relu"), dense("conv")],
        [operator("relu", dtype=HALF), operator("cast")],
    ),
    "coreml-ane-a14.rate-above-8": (
        [depthwise("conv", rate=12, dtype=HALF), dense("conv", rate=18, dtype=HALF)],
        [depthwise("conv", rate=8, dtype=HALF)],
    ),
    "coreml-ane-a14.kernel-size": (
        [dense("conv", kernel=(3, 17), dtype=HALF), dense("conv", kernel=(31, 3), dtype=HALF)],
        [dense("conv", kernel=(29, 16), dtype=HALF)],
    ),
    "coreml-ane-a14.argmax-axis": (
        [operator("reduce_argmax", dtype=HALF, before=(1, 4096, 8, 8), attributes={"axis": 1})],
        [
            operator("reduce_argmax", dtype=HALF, before=(1, 2048, 8, 8), attributes={"axis": 1}),
            operator("reduce_argmax", dtype=HALF, before=(1, None, 8, 8), attributes={"axis": 1}),
            operator("reduce_argmax", dtype=HALF, before=(1, 4096), attributes={"axis": 7}),
        ],
    ),
    "coreml-ane-a14.upsample-factor": (
        [operator("upsample_bilinear", dtype=HALF, after=(1, 64, 128, 128))],
        [
            operator("upsample_bilinear", dtype=HALF, after=(1, 64, 64, 64)),
            operator("upsample_bilinear", dtype=HALF, after=None),
            operator("tile", dtype=HALF, after=(1, 64, 128, 128)),
        ],
    ),
}
MEASURED_EXAMPLES = {
    "tflite-xnnpack.left-out": (
        [{"loads": True, "delegated": False, "runtime": "litert"}],
        [{"loads": True, "delegated": True, "runtime": "litert"}, {}],
    ),
    "tflite-xnnpack.refused": (
        [{"loads": False, "refusal": "{odd} message", "runtime": "litert"}],
        [{"loads": True, "delegated": True, "runtime": "litert"}, {}],
    ),
}
RULES = {rule.id: rule for name in profile_names() for rule in load_profile(name).rules}


def test_rules_each_has_examples():
    assert {*EXAMPLES, *MEASURED_EXAMPLES} == set(RULES)


@pytest.mark.parametrize("rule_id", EXAMPLES)
def test_rule_speaks_about_its_examples_only(rule_id):
    rule = RULES[rule_id]
    about, not_about = EXAMPLES[rule_id]
    assert all(rule.matches(facts_of(example)) for example in about)
    assert not any(rule.matches(facts_of(example)) for example in not_about)


@pytest.mark.parametrize("rule_id", EXAMPLES)
def test_rule_decides_its_examples_and_fills_its_reason(rule_id):
    profile = load_profile(rule_id.split(".")[0])
    for example in EXAMPLES[rule_id][0]:
        facts = facts_of(example)
        assert profile.worst_rule(facts).id == rule_id
        assert "{" not in RULES[rule_id].reason.format_map(facts)


@pytest.mark.parametrize("rule_id", MEASURED_EXAMPLES)
def test_measured_rule_speaks_about_its_examples_only(rule_id):
    rule = RULES[rule_id]
    about, not_about = MEASURED_EXAMPLES[rule_id]
    base = facts_of(operator("CONV_2D"))
    assert all(rule.matches({**base, **facts}) for facts in about)
    assert not any(rule.matches({**base, **facts}) for facts in not_about)
    assert "litert" in rule.source.format_map(about[0])


def test_rules_ids_begin_with_their_profile():
    for name in profile_names():
        assert all(rule.id.startswith(f"{name}.") for rule in load_profile(name).rules)


def test_default_profiles_read_the_format_they_stand_for():
    assert all(load_profile(name).format == key for key, name in DEFAULT_PROFILES.items())


def test_worst_rule_of_several_is_the_worst_verdict():
    both = depthwise("Conv", rate=12, version=None)
    assert load_profile("onnx-cpu").worst_rule(facts_of(both)).verdict == "rejected"


def test_facts_are_all_declared():
    names = set(facts_of(depthwise("conv", attributes={"axis": 1})))
    assert names <= set(FACTS)
    assert {"rate", "kernel_h", "upscale", "reduced_size", "dtype"} <= names


def test_facts_unknown_shape_is_absent():
    assert "upscale" not in facts_of(operator("Resize", before=None))


def test_load_profile_unknown_name_lists_the_choices():
    with pytest.raises(ConfigError, match=r"did you mean 'onnx-cpu'.*tflite-xnnpack"):
        load_profile("onnx-cpus")


RULE = {
    "id": "p.rule",
    "verdict": "slow",
    "reason": "because",
    "source": "somewhere",
    "date": "2026-11",
    "confidence": "source",
}
PROFILE = {"format": "onnx", "title": "a profile", "ok_reason": "fine"}


def test_parse_profile_rule_without_condition_is_about_every_operator():
    profile = parse_profile("p", {**PROFILE, "rules": [RULE]})
    assert profile.rules[0].matches({"type": "Anything"})


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"format": "onnx"}, "profile p lacks ok_reason, title"),
        ({**PROFILE, "tilte": "x"}, "unknown key in profile p 'tilte' .did you mean 'title'"),
        ({**PROFILE, "rules": [{**RULE, "verdict": "bad"}]}, "has verdict 'bad'"),
        ({**PROFILE, "rules": [{**RULE, "confidence": "hope"}]}, "and confidence 'hope'"),
        ({**PROFILE, "rules": [{**RULE, "when": [{"rates": 1}]}]}, "did you mean 'rate'"),
        ({**PROFILE, "rules": [{**RULE, "when": [{"rate": {"over": 1}}]}]}, "comparison"),
        ({**PROFILE, "rules": [{**RULE, "reason": "{rates}"}]}, "'rates'"),
        ({**PROFILE, "rules": [{"id": "p.rule"}]}, "rule p.rule of profile p lacks confidence"),
        ({**PROFILE, "rules": [RULE, RULE]}, "two rules of one id"),
    ],
)
def test_parse_profile_that_is_not_well_formed_says_what_is_wrong(document, sentence):
    with pytest.raises(ConfigError, match=sentence):
        parse_profile("p", document)
