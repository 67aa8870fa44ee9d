"""Exports for named devices: what their rules know to mend is rewritten, what they reject is refused."""

from pathlib import Path

import pytest
import torch
from torch import nn

from edge_deeplab.checker.judging import judge
from edge_deeplab.checker.rules import Profile, load_profile, parse_profile
from edge_deeplab.converters.capture import CanonicalGraph, capture
from edge_deeplab.converters.devices import mending
from edge_deeplab.converters.devices.atrous_forms import one_form
from edge_deeplab.converters.devices.mending import Mended, foresee, lower_mended, profiles_of
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite
from edge_deeplab.converters.to_onnx import write_onnx
from edge_deeplab.errors import ConfigError, UnsupportedOperatorError
from edge_deeplab.formats.read import read_graph
from tests.converters.conftest import NORMALISATION, describe

SIZE_HW = (16, 32)


class Atrous(nn.Module):
    """A dilated depthwise convolution, and a resize by a ratio that is not whole."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(3, 3, 3, padding=4, dilation=4, groups=3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return nn.functional.interpolate(
            self.depthwise(image), size=(24, 48), mode="bilinear", align_corners=False
        )


@pytest.fixture(scope="module")
def graph() -> CanonicalGraph:
    torch.manual_seed(0)
    return capture(Atrous().eval(), NORMALISATION, SIZE_HW, "logits")


DESCRIPTION = describe("onnx", "fp32", "logits")


class Lowering:
    """Writes the file of a graph, and counts how often."""

    def __init__(self, folder: Path) -> None:
        self.path, self.passes = folder / "tried.onnx", 0

    def __call__(self, graph: CanonicalGraph) -> Path:
        self.passes += 1
        write_onnx(graph, DESCRIPTION, self.path)
        return self.path


@pytest.fixture
def lower(tmp_path: Path) -> Lowering:
    return Lowering(tmp_path)


def profile(*rules: dict[str, object]) -> Profile:
    evidence = {"source": "a test", "date": "2026-11", "confidence": "measured"}
    head = {"format": "onnx", "title": "a device", "ok_reason": "nothing speaks against it"}
    return parse_profile("device", {**head, "rules": [{**evidence, **rule} for rule in rules]})


NO_RATES = {
    "id": "device.rate",
    "operators": ["Conv"],
    "when": [{"rate": {"above": 1}}],
    "verdict": "slow",
    "reason": "no kernel for rate {rate}",
    "mend": "deinterlace",
}


def test_what_a_rule_names_is_rewritten_in_one_lowering_and_the_file_is_then_ok(
    graph: CanonicalGraph, lower: Lowering
) -> None:
    device = profile(NO_RATES)
    plan = foresee(graph, DESCRIPTION, "native", [device])
    mended, (report,) = lower_mended(graph, lower, [device], plan)
    assert [(a.modules, a.reason) for a in mended.asked] == [
        (frozenset({"depthwise"}), "device.rate")
    ]
    assert mended.atrous[0].chosen == mended.asked[0].name
    assert report == judge(read_graph(lower.path), device)
    assert report.count()["slow"] == 0
    assert lower.passes == 1


def test_what_was_not_foreseen_is_rewritten_in_a_second_lowering(
    graph: CanonicalGraph, lower: Lowering
) -> None:
    mended, (report,) = lower_mended(graph, lower, [profile(NO_RATES)], Mended())
    assert {a.reason for a in mended.asked} == {"device.rate"}
    assert report.count()["slow"] == 0
    assert lower.passes == 2


def test_nothing_is_asked_for_where_no_rule_speaks(graph: CanonicalGraph, lower: Lowering) -> None:
    assert foresee(graph, DESCRIPTION, "native", [profile()]).asked == ()
    assert lower_mended(graph, lower, [profile()], Mended())[0] == Mended()
    assert lower.passes == 1


def test_form_that_was_asked_for_is_kept(graph: CanonicalGraph, lower: Lowering) -> None:
    start = foresee(graph, DESCRIPTION, "zero-insert", [profile(NO_RATES)])
    assert [request.reason for request in start.asked] == ["--atrous zero-insert"]
    assert lower_mended(graph, lower, [profile(NO_RATES)], start)[0] == start


def test_rewrites_of_several_rules_are_collected(graph: CanonicalGraph, lower: Lowering) -> None:
    resize = {**NO_RATES, "id": "device.resize", "operators": ["Resize"], "when": [{}]}
    resize |= {"reason": "no resize", "mend": "integer-ratio-resize"}
    mended, _ = lower_mended(graph, lower, [profile(NO_RATES, resize)], Mended())
    assert {a.reason for a in mended.asked} == {"device.rate", "device.resize"}
    assert "integer-ratio-resize" in {a.name for a in mended.asked}


def test_rejected_operator_that_nothing_mends_is_refused_with_its_reason(
    graph: CanonicalGraph, lower: Lowering
) -> None:
    rule = {**NO_RATES, "id": "device.no", "operators": ["Resize"], "when": [{}]}
    del rule["mend"]
    rejecting = profile({**rule, "verdict": "rejected", "reason": "it has no resize"})
    with pytest.raises(
        UnsupportedOperatorError, match=r"profile device .*Resize.*it has no resize"
    ):
        lower_mended(graph, lower, [rejecting], Mended())


def test_modules_that_a_later_rule_names_are_asked_for_too() -> None:
    asked = [AskedRewrite("split-groups", frozenset({"a", "b"}), "one.rule")]
    mending._ask(asked, AskedRewrite("split-groups", frozenset({"b", "c"}), "two.rule"))
    mending._ask(asked, AskedRewrite("split-groups", frozenset({"a"}), "three.rule"))
    assert asked[1:] == [AskedRewrite("split-groups", frozenset({"c"}), "two.rule")]
    mending._ask(asked, AskedRewrite("split-groups", None, "four.rule"))
    mending._ask(asked, AskedRewrite("split-groups", frozenset({"d"}), "five.rule"))
    assert [request.reason for request in asked] == ["one.rule", "two.rule", "four.rule"]


def test_rejection_that_the_last_round_brings_is_refused_too(
    graph: CanonicalGraph, lower: Lowering, monkeypatch: pytest.MonkeyPatch
) -> None:
    rejected = {**NO_RATES, "id": "device.phases", "operators": ["Slice", "Concat", "Transpose"]}
    rejected |= {"when": [{}], "verdict": "rejected", "reason": "it moves nothing"}
    del rejected["mend"]
    monkeypatch.setattr(mending, "MOST_ROUNDS", 1)
    mends = profile({**NO_RATES, "mend": "deinterlace"}, rejected)
    monkeypatch.setattr(
        mending, "choose_forms", lambda program, file, profile: one_form(program, "deinterlace")
    )
    with pytest.raises(UnsupportedOperatorError, match="it moves nothing"):
        lower_mended(graph, lower, [mends], Mended())
    assert lower.passes == 2


def test_profiles_are_sorted_by_target_and_others_are_refused() -> None:
    names = ["onnx-cpu", "tflite-gpu"]
    found = profiles_of(names, ["onnx", "tflite"])
    assert found == {"onnx": [load_profile("onnx-cpu")], "tflite": [load_profile("tflite-gpu")]}
    with pytest.raises(ConfigError, match="add the target tflite"):
        profiles_of(names, ["onnx"])
