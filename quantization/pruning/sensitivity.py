"""What pruning each group alone costs: the sweep that budgets can be allotted by.

A removed channel is one whose readers see zero, so the sweep sets the readers' weights to zero and cuts nothing.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.errors import require
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.quantization.pruning.groups import ChannelGroup
from edge_deeplab.quantization.sensitivity import signal_to_noise_db

SHARES = (0.25, 0.5, 0.75)
"""Shares of a group's channels that are removed."""

_LEAST_DRAWN = 1e-6


@dataclass(frozen=True)
class GroupSensitivity:
    """What is lost when a group alone loses a share of its channels, the least important first.

    Args:
        group: name of the group.
        channels: how many it has.
        removed: how many are gone.
        divergence: mean KL divergence of a pixel's classes from the unpruned network's, in nats.
        snr_db: signal-to-noise ratio of the logits in decibels.
        agreement: share of pixels that keep their class.
    """

    group: str
    channels: int
    removed: int
    divergence: float
    snr_db: float
    agreement: float


@dataclass(frozen=True)
class Sweep:
    """What each share of `SHARES` costs in every group, in the groups' order."""

    points: tuple[GroupSensitivity, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the document of `prune --sensitivity --json`."""
        return {"sensitivity": [asdict(point) for point in self.points]}


def sweep(
    model: nn.Module,
    groups: Sequence[ChannelGroup],
    importance: Sequence[torch.Tensor],
    images: Sequence[torch.Tensor],
    *,
    progress: Progress = SILENT,
) -> list[GroupSensitivity]:
    """Return what each share of `SHARES` costs in every group, in the groups' order.

    Args:
        model: the float model in evaluation mode; left as it is.
        groups: its groups.
        importance: (channels,) by group; says which channels go first.
        images: each (1, 3, H, W) float32, normalised; of one size.
        progress: told each group.
    """
    found = []
    progress.begin("pruning each layer alone", len(groups), "layers")
    with torch.no_grad():
        expected = torch.cat([model(image) for image in images])
        for group, scores in zip(groups, importance, strict=True):
            order = scores.argsort(stable=True)
            for removed in dict.fromkeys(round(share * group.channels) for share in SHARES):
                with _hidden(model, group, order[:removed].tolist()):
                    logits = torch.cat([model(image) for image in images])
                cost = _cost(expected, logits)
                found.append(GroupSensitivity(group.name, group.channels, removed, *cost))
            progress.advance()
    return found


def losses(swept: Sequence[GroupSensitivity]) -> list[torch.Tensor]:
    """Return by group what is lost with every number of removed channels: (channels + 1,), never falling.

    Between the swept numbers the divergence is interpolated; beyond the last it goes on as steeply, as losing the whole
    group does not cost less.

    Args:
        swept: from `sweep`.
    """
    curves = []
    for _, points in itertools.groupby(swept, key=lambda s: (s.group, s.channels)):
        at = list(points)
        removed = np.array([0, *(s.removed for s in at)], float)
        lost = np.maximum.accumulate([0.0, *(s.divergence for s in at)])
        slope = (lost[-1] - lost[-2]) / max(removed[-1] - removed[-2], 1)
        channels = at[0].channels
        removed = np.append(removed, channels + 1)
        lost = np.append(lost, lost[-1] + slope * (channels + 1 - removed[-2]))
        curves.append(torch.from_numpy(np.interp(np.arange(channels + 1), removed, lost)))
    return curves


def save_plot(swept: Sequence[GroupSensitivity], path: Path) -> None:
    """Draw what each group loses: a row a group, a dot for each share that is removed.

    Args:
        swept: from `sweep`.
        path: .png, .svg or .pdf to write.

    Raises:
        MissingDependencyError: without matplotlib.
    """
    matplotlib: Any = require("matplotlib", package="matplotlib", extra="compress")
    matplotlib.use("Agg")
    pyplot: Any = require("matplotlib.pyplot", package="matplotlib", extra="compress")
    names = list(dict.fromkeys(s.group for s in swept))
    figure, panel = pyplot.subplots(figsize=(9, 2 + 0.22 * len(names)))
    for share, colour in zip(SHARES, ("#9ecae1", "#4292c6", "#08306b"), strict=True):
        lost = {s.group: s.divergence for s in swept if s.removed == round(share * s.channels)}
        panel.scatter(
            [max(lost[name], _LEAST_DRAWN) for name in names],
            range(len(names)),
            color=colour,
            label=f"{share:.0%} removed",
        )
    panel.set_yticks(range(len(names)), names, fontsize=7)
    panel.invert_yaxis()
    panel.set_xscale("log")
    panel.set_xlabel("KL divergence from the unpruned network, nats a pixel")
    panel.grid(axis="x", alpha=0.3)
    panel.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


@contextmanager
def _hidden(model: nn.Module, group: ChannelGroup, channels: Sequence[int]) -> Iterator[None]:
    """Hide some of a group's channels from the layers that read them."""
    kept: list[tuple[torch.Tensor, torch.Tensor]] = []
    try:
        for member in group.members:
            if member.side == "in":
                weight = model.get_parameter(f"{member.path}.weight").detach()
                kept.append((weight, weight.clone()))
                weight[:, [member.positions[index] for index in channels]] = 0
        yield
    finally:
        for weight, values in reversed(kept):
            weight.copy_(values)


def _cost(expected: torch.Tensor, found: torch.Tensor) -> tuple[float, float, float]:
    divergence = functional.kl_div(
        found.log_softmax(1), expected.log_softmax(1), reduction="none", log_target=True
    )
    same = (expected.argmax(1) == found.argmax(1)).double().mean()
    noise = signal_to_noise_db(expected.numpy(), found.numpy())
    return float(divergence.sum(1).mean()), noise, float(same)
