"""Every rule of every profile has an operator it speaks about and one next to it that it does not."""

import re
from dataclasses import replace

import pytest

from edge_deeplab.checker.facts import FACTS, facts_of
from edge_deeplab.checker.rules import (
    default_profiles,
    family_names,
    load_family,
    load_profile,
    parse_profile,
    profile_names,
)
from edge_deeplab.errors import ConfigError
from edge_deeplab.targets import TARGETS
from tests.checker.operator_builders import dense, depthwise, dequantized, operator
from tests.checker.rule_examples_coreai import COREAI_EXAMPLES
from tests.checker.rule_examples_coreml import COREML_EXAMPLES
from tests.checker.rule_examples_ethos import ETHOS_EXAMPLES
from tests.checker.rule_examples_executorch import EXECUTORCH_EXAMPLES
from tests.checker.rule_examples_lab import LAB_EXAMPLES, LAB_GRAPH_EXAMPLES
from tests.checker.rule_examples_nnapi import NNAPI_EXAMPLES
from tests.checker.rule_examples_onnx import ONNX_EXAMPLES
from tests.checker.rule_examples_qnn import QNN_EXAMPLES, QNN_GRAPH_EXAMPLES
from tests.checker.rule_examples_rknn import RKNN_EXAMPLES, RKNN_GRAPH_EXAMPLES
from tests.checker.rule_examples_tflite import TFLITE_EXAMPLES
from tests.checker.rule_examples_xnnpack import XNNPACK_EXAMPLES, XNNPACK_GRAPH_EXAMPLES

HALF = "float16"
ENLARGED = operator("upsample_bilinear", dtype=HALF, after=(1, 64, 128, 128))
EXAMPLES = {
    "onnx-cpu.dilated-depthwise": (
        [depthwise("Conv", rate=12)],
        [
            depthwise("Conv"),
            dense("Conv", rate=12),
            depthwise("Conv", rate=12, dtype="uint8"),
            dequantized(depthwise("Conv", rate=12), "uint8"),
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
        [
            depthwise("Conv"),
            depthwise("Conv", padding=0),
            dense("Conv", stride=2),
            dequantized(depthwise("Conv", kernel=(5, 5)), "uint8"),
        ],
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
    "coreml-ane.float32": (
        [operator("relu"), dense("conv")],
        [operator("relu", dtype=HALF), operator("cast")],
    ),
    "coreml-ane.rate-above-8": (
        [depthwise("conv", rate=12, dtype=HALF), dense("conv", rate=18, dtype=HALF)],
        [depthwise("conv", rate=8, dtype=HALF)],
    ),
    "coreml-ane.argmax-axis": (
        [operator("reduce_argmax", dtype=HALF, before=(1, 4096, 8, 8), attributes={"axis": 1})],
        [
            operator("reduce_argmax", dtype=HALF, before=(1, 2048, 8, 8), attributes={"axis": 1}),
            operator("reduce_argmax", dtype=HALF, before=(1, None, 8, 8), attributes={"axis": 1}),
            operator("reduce_argmax", dtype=HALF, before=(1, 4096), attributes={"axis": 7}),
        ],
    ),
    "coreml-ane.upsample-factor": (
        [(ENLARGED, "a13"), (ENLARGED, "m1")],
        [
            ENLARGED,
            (operator("upsample_bilinear", dtype=HALF, after=(1, 64, 64, 64)), "m1"),
            (operator("upsample_bilinear", dtype=HALF, after=None), "m1"),
            (operator("tile", dtype=HALF, after=(1, 64, 128, 128)), "m1"),
        ],
    ),
    "coreml-ane.upsample-factor-since-a14": (
        [ENLARGED, (ENLARGED, "m2")],
        [
            (ENLARGED, "m1"),
            operator("upsample_bilinear", dtype=HALF, after=(1, 64, 64, 64)),
            operator("tile", dtype=HALF, after=(1, 64, 128, 128)),
        ],
    ),
}
REFUSED = {"loads": False, "refusal": "{odd} message", "runtime": "litert"}
MEASURED_EXAMPLES = {
    "tflite-xnnpack.left-out": (
        [{"loads": True, "delegated": False, "runtime": "litert"}],
        [{"loads": True, "delegated": True, "runtime": "litert"}, {}],
    ),
    "onnx-cpu.refused": (
        [{"loads": False, "refusal": "{odd} message", "runtime": "litert"}],
        [{"loads": True, "runtime": "litert"}, {}],
    ),
    "tflite-xnnpack.refused": (
        [{**REFUSED, "loads_without_delegate": False}],
        [
            {**REFUSED, "loads_without_delegate": True},
            {"loads": True, "delegated": True, "runtime": "litert"},
            {},
        ],
    ),
    "tflite-xnnpack.refused-by-delegate": (
        [{**REFUSED, "loads_without_delegate": True}],
        [
            {**REFUSED, "loads_without_delegate": False},
            {"loads": True, "delegated": True, "runtime": "litert"},
            {},
        ],
    ),
}
ALL_EXAMPLES = {
    **EXAMPLES,
    **TFLITE_EXAMPLES,
    **NNAPI_EXAMPLES,
    **XNNPACK_EXAMPLES,
    **ONNX_EXAMPLES,
    **COREML_EXAMPLES,
    **ETHOS_EXAMPLES,
    **EXECUTORCH_EXAMPLES,
    **COREAI_EXAMPLES,
    **LAB_EXAMPLES,
    **QNN_EXAMPLES,
    **RKNN_EXAMPLES,
}
GRAPH_EXAMPLES = {
    **XNNPACK_GRAPH_EXAMPLES,
    **LAB_GRAPH_EXAMPLES,
    **QNN_GRAPH_EXAMPLES,
    **RKNN_GRAPH_EXAMPLES,
}
RULES = {rule.id: rule for name in family_names() for rule in load_family(name).rules}
DEFAULT_VARIANTS = {
    "tflite-nnapi": "tflite-nnapi-30",
    "coreml-ane": "coreml-ane-a14",
    "ethos": "ethos-u55-256",
    "onnx-qnn": "onnx-qnn-v75",
    "rknn": "rknn-rk3588",
}
"""Profile that an example of a family is held against unless it names one: (operator, suffix)."""


def placed(rule_id, example):
    """Return the profile an example is held against, and the facts of its operator."""
    family = rule_id.split(".")[0]
    if isinstance(example, tuple):
        return load_profile(f"{family}-{example[1]}"), facts_of(example[0])
    return load_profile(DEFAULT_VARIANTS.get(family, family)), facts_of(example)


def speaks(rule_id, example):
    profile, facts = placed(rule_id, example)
    return any(rule.id == rule_id and rule.matches(facts) for rule in profile.rules)


def test_rules_each_has_examples():
    assert {*ALL_EXAMPLES, *MEASURED_EXAMPLES, *GRAPH_EXAMPLES} == set(RULES)


@pytest.mark.parametrize("rule_id", ALL_EXAMPLES)
def test_rule_speaks_about_its_examples_only(rule_id):
    about, not_about = ALL_EXAMPLES[rule_id]
    assert [example for example in about if not speaks(rule_id, example)] == []
    assert [example for example in not_about if speaks(rule_id, example)] == []


@pytest.mark.parametrize("rule_id", ALL_EXAMPLES)
def test_rule_decides_its_examples_and_fills_its_sentences(rule_id):
    for example in ALL_EXAMPLES[rule_id][0]:
        profile, facts = placed(rule_id, example)
        rule = profile.worst_rule(facts)
        assert rule.id == rule_id
        for text in (rule.reason, rule.source, rule.rewrite or ""):
            assert "{" not in text.format_map(facts)


@pytest.mark.parametrize("rule_id", GRAPH_EXAMPLES)
def test_rule_about_the_whole_file_speaks_about_its_examples_only(rule_id):
    rule = RULES[rule_id]
    about, not_about = GRAPH_EXAMPLES[rule_id]
    assert all(rule.matches({**facts_of(example), **facts}) for example, facts in about)
    assert not any(rule.matches({**facts_of(example), **facts}) for example, facts in not_about)


@pytest.mark.parametrize("rule_id", MEASURED_EXAMPLES)
def test_measured_rule_speaks_about_its_examples_only(rule_id):
    rule = RULES[rule_id]
    about, not_about = MEASURED_EXAMPLES[rule_id]
    base = facts_of(operator("CONV_2D"))
    assert all(rule.matches({**base, **facts}) for facts in about)
    assert not any(rule.matches({**base, **facts}) for facts in not_about)
    assert "litert" in rule.source.format_map(about[0])


def test_rules_ids_begin_with_their_file():
    for name in family_names():
        assert all(rule.id.startswith(f"{name}.") for rule in load_family(name).rules)


def test_rules_every_alternative_has_an_example():
    for rule_id, (about, _) in ALL_EXAMPLES.items():
        for alternative in RULES[rule_id].when:
            alone = replace(RULES[rule_id], when=(alternative,))
            assert any(
                alone.matches({**facts_of(example), **device})
                for example, device in (with_device(rule_id, e) for e in about)
            ), f"no example of {rule_id} meets {alternative}"


def with_device(rule_id, example):
    """Return an example's operator and what is known of its device."""
    family = load_family(rule_id.split(".")[0])
    default = DEFAULT_VARIANTS.get(family.name, "").removeprefix(f"{family.name}-")
    suffix = example[1] if isinstance(example, tuple) else default
    facts = next((v.facts for v in family.variants if v.suffix == suffix), {})
    return (example[0] if isinstance(example, tuple) else example), facts


def test_rules_that_only_a_readme_states_are_reported_and_leave_nothing_to_the_cpu():
    alone = [
        r
        for r in RULES.values()
        if set(re.findall(r"\w+\.(?:c|cc|md|mm)\b", r.source)) == {"README.md"}
    ]
    assert {(r.confidence, r.verdict) for r in alone} <= {("reported", "ok")}
    assert "tflite-hexagon.resize-size" in {
        r.id for r in RULES.values() if "README.md" in r.source and r.confidence == "reported"
    }


def test_rules_about_core_ml_cite_no_report_about_core_ai():
    core_ml = [rule for rule in RULES.values() if rule.id.startswith("coreml-")]
    assert not [r.id for r in core_ml if "Core AI" in r.source or "yolo-ios-app" in r.source]


def test_rules_of_one_source_file_name_no_version_of_it_without_what_they_cite():
    """The builder of convolutions took its check over from another file after the version that was once cited."""
    assert "@122f03a4" not in "".join(rule.source for rule in RULES.values())


def test_rules_name_rewrites_that_exist():
    from edge_deeplab.converters.rewrites.catalogue import REWRITES

    assert {rule.mend for rule in RULES.values() if rule.mend} <= set(REWRITES)


def test_default_profiles_read_the_format_they_stand_for():
    assert all(default_profiles(target)[0].format == target for target in TARGETS)


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


PROFILES = """
    tflite-xnnpack tflite-xnnpack-sparse tflite-gpu tflite-hexagon tflite-edgetpu tflite-coreml tflite-qnn
    tflite-nnapi-27 tflite-nnapi-28 tflite-nnapi-29 tflite-nnapi-30 tflite-nnapi-31 tflite-nnapi-32 tflite-nnapi-33
    tflite-nnapi-34 tflite-nnapi-35 coreml-cpu coreml-gpu coreml-ane-a12 coreml-ane-a13 coreml-ane-a14 coreml-ane-a15
    coreml-ane-a16 coreml-ane-a17 coreml-ane-a18 coreml-ane-m1 coreml-ane-m2 coreml-ane-m3 coreml-ane-m4
    onnx-cpu onnx-xnnpack onnx-nnapi onnx-coreml onnx-webgpu
    rknn-rk3566 rknn-rk3568 rknn-rk3576 rknn-rk3588
    onnx-qnn-v68 onnx-qnn-v69 onnx-qnn-v73 onnx-qnn-v75 onnx-qnn-v79 onnx-qnn-v81
    litert-gpu openvino-cpu openvino-cpu-tflite executorch-xnnpack executorch-coreml coreai
    ethos-u55-128 ethos-u55-256 ethos-u65-256 ethos-u65-512 ethos-u85-256 ethos-u85-512
"""


def test_profile_names_are_those_of_devices_not_of_families():
    assert set(profile_names()) == set(PROFILES.split())


def test_load_profile_variant_fills_in_its_device():
    profile = load_profile("tflite-nnapi-28")
    assert profile.title.endswith("API level 28")
    assert profile.family == "tflite-nnapi"
    dilated = next(rule for rule in profile.rules if rule.id == "tflite-nnapi.dilated")
    assert "this is 28" in dilated.reason
    assert dilated.when == ({"form": "native", "rate": {"above": 1}},)


def test_load_profile_variant_leaves_out_rules_that_never_hold_on_it():
    ids = {rule.id for rule in load_profile("tflite-nnapi-30").rules}
    assert "tflite-nnapi.dilated" not in ids
    assert "tflite-nnapi.argmax-output" in ids


def test_load_profile_only_the_edge_tpu_stops_at_the_first_unsupported():
    stopping = [n for n in profile_names() if load_profile(n).stops_at_first_unsupported]
    assert stopping == ["tflite-edgetpu"]


def test_rule_with_a_sentence_that_cannot_be_filled_holds_nowhere():
    profile = parse_profile("p", {**PROFILE, "rules": [{**RULE, "reason": "at rate {rate}"}]})
    assert not profile.rules[0].matches({"type": "Conv"})
    assert profile.rules[0].matches({"type": "Conv", "rate": 2})


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
        (
            {**PROFILE, "rules": [{**RULE, "when": [{"activation": "NONE"}]}]},
            "asks for activation, which onnx files do not tell",
        ),
        ({**PROFILE, "rules": [{"id": "p.rule"}]}, "rule p.rule of profile p lacks confidence"),
        ({**PROFILE, "rules": [RULE, RULE]}, "two rules of one id"),
        ({**PROFILE, "variants": [{"suffix": "1"}]}, "variant 1 of profile p lacks facts"),
        ({**PROFILE, "variants": [{"suffix": "1", "facts": {"apis": 1}}]}, "did you mean 'api'"),
    ],
)
def test_parse_profile_that_is_not_well_formed_says_what_is_wrong(document, sentence):
    with pytest.raises(ConfigError, match=sentence):
        parse_profile("p", document)
