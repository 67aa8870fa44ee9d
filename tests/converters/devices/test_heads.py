"""The fast head in every file: the canonical graph's ids, at the picture's size, with scores to read."""

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
from edge_deeplab.errors import ConfigError
from edge_deeplab.runtimes.open import open_artifact
from edge_deeplab.targets import TARGETS
from tests.converters.conftest import NORMALISATION, SIZE_HW, describe


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
    runtime = open_artifact(path)
    images = image_hwc[None].numpy()
    assert np.array_equal(runtime.predict(images)[0], fast)
    scores = runtime.logits(images)[0]
    assert scores.shape[1:] == SIZE_HW
    assert (scores.argmax(0) == exact).mean() > 0.9


def test_classes_is_another_name_of_exact() -> None:
    assert HEAD_FORMS["classes"] == HEAD_FORMS["exact"]


def test_check_head_size_refuses_only_heads_that_are_made_by_rewrites() -> None:
    check_head_size("exact", (65, 97))
    check_head_size("fast", (64, 96))
    with pytest.raises(ConfigError, match="head fast came with size 64x97"):
        check_head_size("fast", (64, 97))
