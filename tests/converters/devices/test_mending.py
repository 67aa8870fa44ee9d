"""Exports for named devices: what their rules know to mend is rewritten, what they reject is refused."""

from pathlib import Path

import pytest
import torch
from torch import nn

from edge_deeplab.checker.report import judge
from edge_deeplab.checker.rules import Profile, load_profile, parse_profile
from edge_deeplab.converters.capture import CanonicalGraph, capture
from edge_deeplab.converters.devices import mending
from edge_deeplab.converters.devices.atrous_forms import one_form
from edge_deeplab.converters.devices.mending import Mended, mend, profiles_of
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


def lower(graph: CanonicalGraph, folder: Path) -> Path:
    path = folder / "tried.onnx"
    write_onnx(graph, describe("onnx", "fp32", "logits"), path)
    return path


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


def test_what_a_rule_names_is_rewritten_and_the_file_is_then_ok(
    graph: CanonicalGraph, tmp_path: Path
) -> None:
    device = profile(NO_RATES)
    mended = mend(graph, lower, [device], Mended())
    assert [(a.modules, a.reason) for a in mended.asked] == [
        (frozenset({"depthwise"}), "device.rate")
    ]
    assert mended.atrous[0].chosen == mended.asked[0].name
    file = read_graph(lower(graph.rewritten(mended.asked), tmp_path))
    assert judge(file, device).count()["slow"] == 0


def test_nothing_is_asked_for_where_no_rule_speaks(graph: CanonicalGraph) -> None:
    assert mend(graph, lower, [profile()], Mended()) == Mended()
    assert mend(graph, lower, [], Mended()) == Mended()


def test_form_that_was_asked_for_is_kept(graph: CanonicalGraph) -> None:
    start = Mended((AskedRewrite("zero-insert", None, "--atrous zero-insert"),))
    assert mend(graph, lower, [profile(NO_RATES)], start) == start


def test_rewrites_of_several_rules_are_collected(graph: CanonicalGraph) -> None:
    resize = {**NO_RATES, "id": "device.resize", "operators": ["Resize"], "when": [{}]}
    resize |= {"reason": "no resize", "mend": "integer-ratio-resize"}
    mended = mend(graph, lower, [profile(NO_RATES, resize)], Mended())
    assert {a.reason for a in mended.asked} == {"device.rate", "device.resize"}
    assert "integer-ratio-resize" in {a.name for a in mended.asked}


def test_rejected_operator_that_nothing_mends_is_refused_with_its_reason(
    graph: CanonicalGraph,
) -> None:
    rule = {**NO_RATES, "id": "device.no", "operators": ["Resize"], "when": [{}]}
    del rule["mend"]
    rejecting = profile({**rule, "verdict": "rejected", "reason": "it has no resize"})
    with pytest.raises(
        UnsupportedOperatorError, match=r"profile device .*Resize.*it has no resize"
    ):
        mend(graph, lower, [rejecting], Mended())


def test_modules_that_a_later_rule_names_are_asked_for_too() -> None:
    asked = [AskedRewrite("split-groups", frozenset({"a", "b"}), "one.rule")]
    mending._ask(asked, AskedRewrite("split-groups", frozenset({"b", "c"}), "two.rule"))
    mending._ask(asked, AskedRewrite("split-groups", frozenset({"a"}), "three.rule"))
    assert asked[1:] == [AskedRewrite("split-groups", frozenset({"c"}), "two.rule")]
    mending._ask(asked, AskedRewrite("split-groups", None, "four.rule"))
    mending._ask(asked, AskedRewrite("split-groups", frozenset({"d"}), "five.rule"))
    assert [request.reason for request in asked] == ["one.rule", "two.rule", "four.rule"]


def test_rejection_that_the_last_round_brings_is_refused_too(
    graph: CanonicalGraph, monkeypatch: pytest.MonkeyPatch
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
        mend(graph, lower, [mends], Mended())


def test_profiles_are_sorted_by_target_and_others_are_refused() -> None:
    names = ["onnx-cpu", "tflite-gpu"]
    found = profiles_of(names, ["onnx", "tflite"])
    assert found == {"onnx": [load_profile("onnx-cpu")], "tflite": [load_profile("tflite-gpu")]}
    with pytest.raises(ConfigError, match="add --target tflite"):
        profiles_of(names, ["onnx"])
