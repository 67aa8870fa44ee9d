"""Heads in every file: the canonical graph's ids at the picture's size with scores to read, and small scores."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edge_deeplab.converters.capture import CanonicalGraph, capture
from edge_deeplab.converters.devices.heads import HEAD_FORMS, check_head_size, resolve_head
from edge_deeplab.converters.export import write_target
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite
from edge_deeplab.errors import ConfigError
from edge_deeplab.targets import TARGETS
from tests.converters.conftest import NORMALISATION, SIZE_HW, describe
from tests.opening import open_here
from tests.slow import or_slow


@pytest.fixture(scope="module")
def graph_of(model: nn.Module) -> Callable[[str], CanonicalGraph]:
    """Return the tiny model's canonical graph by the name of its head."""

    def graph(name: str) -> CanonicalGraph:
        form = resolve_head(name)
        return capture(model, NORMALISATION, SIZE_HW, form.head, None, form.asked)

    return cache(graph)


@pytest.mark.parametrize("target", TARGETS)
def test_fast_head_of_each_target_gives_the_canonical_ids(
    graph_of: Callable[[str], CanonicalGraph],
    target: str,
    image_hwc: torch.Tensor,
    tmp_path: Path,
) -> None:
    fast, exact = (graph_of(name).run(image_hwc).numpy() for name in ("fast", "exact"))
    assert fast.shape == exact.shape
    assert 0 < (fast != exact).mean() < 0.2
    assert np.array_equal(fast[::2], fast[1::2])
    path = tmp_path / f"fast{TARGETS[target].ending}"
    write_target(graph_of("fast"), describe(target, "fp32", "classes"), path)
    runtime = open_here(path)
    images = image_hwc[None].numpy()
    assert np.array_equal(runtime.predict(images)[0], fast)
    if target == "coreai":  # which shows no value before a class map
        return
    scores = runtime.logits(images)[0]
    assert scores.shape[1:] == SIZE_HW
    assert (scores.argmax(0) == exact).mean() > 0.9


@pytest.mark.parametrize("target", [or_slow(target, target != "coreml") for target in TARGETS])
def test_quarter_logits_of_each_target_are_enlarged_by_whoever_reads_them(
    graph_of: Callable[[str], CanonicalGraph],
    target: str,
    image_hwc: torch.Tensor,
    tmp_path: Path,
) -> None:
    quarter, whole = (graph_of(name).run(image_hwc) for name in ("quarter-logits", "logits"))
    assert [4 * side for side in quarter.shape[1:]] == list(whole.shape[1:])
    path = tmp_path / f"quarter{TARGETS[target].ending}"
    write_target(graph_of("quarter-logits"), describe(target, "fp32", "logits"), path)
    images = image_hwc[None].numpy()
    with open_here(path) as runtime:
        scores, ids = runtime.logits(images)[0], runtime.predict(images)[0]
    torch.testing.assert_close(torch.from_numpy(scores), whole, rtol=1e-3, atol=1e-3)
    assert (ids == graph_of("exact").run(image_hwc).numpy()).mean() > 0.999


def test_logits_that_no_resize_enlarges_stay_as_they_are() -> None:
    model, size_hw = nn.Conv2d(3, 2, 1).eval(), (16, 16)
    asked = resolve_head("quarter-logits").asked
    graph = capture(model, NORMALISATION, size_hw, "logits", None, asked)
    plain = capture(model, NORMALISATION, size_hw, "logits")
    image = torch.zeros(*size_hw, 3, dtype=torch.uint8)
    assert torch.equal(graph.run(image), plain.run(image))


def test_classes_is_another_name_of_exact() -> None:
    assert HEAD_FORMS["classes"] == HEAD_FORMS["exact"]


def test_check_head_size_refuses_only_heads_that_are_made_by_rewrites() -> None:
    fast = resolve_head("fast").asked
    check_head_size(resolve_head("exact").asked, (65, 97))
    check_head_size(fast, (64, 96))
    with pytest.raises(ConfigError, match="head fast came with size 64x97"):
        check_head_size(fast, (64, 97))


def test_check_head_size_refuses_the_rewrite_that_was_asked_for_by_hand() -> None:
    by_hand = (AskedRewrite("split-groups"), AskedRewrite("argmax-before-upsampling"))
    with pytest.raises(ConfigError, match="argmax-before-upsampling came with size 64x97"):
        check_head_size(by_hand, (64, 97))
