"""Choosing a form for each atrous convolution: by the profile's verdicts first, by multiply-adds among equals."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from edge_deeplab.checker.rules import Profile, load_profile, parse_profile
from edge_deeplab.converters.devices.atrous_forms import (
    ask_for,
    check_atrous,
    choose_forms,
    multiply_adds,
    one_form,
)
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite
from edge_deeplab.errors import ConfigError
from edge_deeplab.formats.graph import Convolution, FileGraph, Operator, TensorSpec
from tests.converters.test_rewrites import trace

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

RATES_ARE_SLOW = {"operators": ["Conv"], "when": [{"rate": {"above": 1}}], "verdict": "slow"}
NO_TRANSPOSES = {"operators": ["Transpose"], "verdict": "fallback"}
NO_LARGE_KERNELS = {"operators": ["Conv"], "when": [{"kernel_h": {"above": 5}}], "verdict": "slow"}


@pytest.fixture(scope="module")
def program() -> ExportedProgram:
    """A depthwise convolution of 3x3 taps at rate 4 on 4 channels of 10x12, and a dense one without a rate."""
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(4, 4, 3, padding=4, dilation=4, groups=4), nn.ReLU(), nn.Conv2d(4, 6, 3)
    )
    return trace(layers, torch.zeros(1, 4, 10, 12))


def file_with(module: str | None, dtype: str = "float32") -> FileGraph:
    convolution = Convolution(
        kernel_hw=(3, 3),
        rate_hw=(4, 4),
        stride_hw=(1, 1),
        channels=4,
        groups=4,
        multiplier=1,
        padding=(4, 4, 4, 4),
    )
    operator = Operator(
        index=0,
        type="Conv",
        name="0__conv2d",
        version=11,
        inputs=(
            TensorSpec("image", dtype, (1, 4, 10, 12)),
            TensorSpec("weight", dtype, (4, 1, 3, 3), constant=True),
        ),
        outputs=(TensorSpec("0__conv2d", dtype, (1, 4, 10, 12)),),
        attributes={},
        module=module,
        convolution=convolution,
    )
    return FileGraph(Path("made.onnx"), "onnx", {"opset": 18}, (operator,))


def profile(*rules: dict[str, Any]) -> Profile:
    evidence = {"reason": "r", "source": "s", "date": "2026-11", "confidence": "source"}
    entries = [{"id": f"made.{index}", **evidence, **rule} for index, rule in enumerate(rules)]
    return parse_profile(
        "made", {"format": "onnx", "title": "t", "ok_reason": "o", "rules": entries}
    )


@pytest.mark.parametrize(
    ("rules", "form", "verdict"),
    [
        ([], "native", "ok"),
        ([RATES_ARE_SLOW], "deinterlace", "ok"),
        ([RATES_ARE_SLOW, NO_TRANSPOSES], "zero-insert", "ok"),
        ([RATES_ARE_SLOW, NO_TRANSPOSES, NO_LARGE_KERNELS], "native", "slow"),
    ],
    ids=["nothing against", "rates slow", "no transposes", "all slow"],
)
def test_choose_forms_takes_the_cheapest_of_the_best_verdict(
    program: ExportedProgram, rules: list[dict[str, Any]], form: str, verdict: str
) -> None:
    (choice,) = choose_forms(program, file_with("0"), profile(*rules))
    assert (choice.module, choice.rate_hw, choice.chosen) == ("0", (4, 4), form)
    assert choice.form(form).verdict == verdict


def test_choose_forms_names_the_rule_against_each_form(program: ExportedProgram) -> None:
    rules = profile(RATES_ARE_SLOW, NO_TRANSPOSES, NO_LARGE_KERNELS)
    (choice,) = choose_forms(program, file_with("0"), rules)
    forms = choice.to_json()["forms"]
    assert {name: form["rule"] for name, form in forms.items()} == {
        "native": "made.0",
        "deinterlace": "made.1",
        "zero-insert": "made.2",
    }


def test_choose_forms_for_onnx_runtime_brings_float_depthwise_to_its_direct_kernel(
    program: ExportedProgram,
) -> None:
    (choice,) = choose_forms(program, file_with("0"), load_profile("onnx-cpu"))
    assert choice.chosen == "deinterlace"
    assert choice.form("native").verdict == choice.form("zero-insert").verdict == "slow"


def test_choose_forms_leaves_native_what_the_file_does_not_tell(program: ExportedProgram) -> None:
    (choice,) = choose_forms(program, file_with(None), profile(RATES_ARE_SLOW))
    assert choice.chosen == "native"
    assert choice.form("native").verdict is None


def test_multiply_adds_count_inserted_zeros_and_padded_phases(program: ExportedProgram) -> None:
    choices = one_form(program, "zero-insert")
    assert multiply_adds(choices, "native") == 4 * 10 * 12 * 9
    assert multiply_adds(choices) == 4 * 10 * 12 * 81
    assert multiply_adds(choices, "deinterlace") == 4 * 12 * 12 * 9  # 10 rows become 4 x 3


def test_ask_for_names_modules_and_reason(program: ExportedProgram) -> None:
    assert ask_for(one_form(program, "native"), "why") == ()
    assert ask_for(one_form(program, "deinterlace"), "why") == (
        AskedRewrite("deinterlace", frozenset({"0"}), "why"),
    )


def test_check_atrous_of_an_unknown_form_lists_the_choices() -> None:
    with pytest.raises(ConfigError, match="native, zero-insert, deinterlace, auto"):
        check_atrous("dilated")
