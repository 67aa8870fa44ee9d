"""A run's curves as a picture, drawn anew after every epoch: loss, and the validation mIoU where there is one."""

from math import isfinite
from pathlib import Path
from typing import Any

from edge_deeplab.errors import missing, require
from edge_deeplab.files import replace_when_complete
from edge_deeplab.training.log import read_log

CURVE_FILE = "curve.png"

_PACKAGE = {"package": "matplotlib", "extra": "train"}


def lacks_curve() -> str | None:
    """Return the sentence that says how to install what draws; None where it is there."""
    return missing("matplotlib", **_PACKAGE)


def draw_curve(log: Path, path: Path) -> None:
    """Draw a run's log; nothing where matplotlib is absent.

    Args:
        log: its `log.csv`; rows without an epoch and its loss are left out.
        path: PNG to write; what was there stays until the new one is whole.

    Raises:
        OutputError: when it cannot be written.
    """
    if lacks_curve() is not None:
        return
    logged = read_log(log)
    rows = [row for row in logged if isfinite(row.loss)]
    scored = [(row.epoch, row.miou) for row in logged if isfinite(row.miou)]
    # no pyplot: it would choose a backend for whoever calls, who may be drawing too
    figure: Any = require("matplotlib.figure", **_PACKAGE).Figure(
        figsize=(8, 4.5), layout="constrained"
    )
    left = figure.subplots()
    losses = [row.loss for row in rows]
    _draw(left, [row.epoch for row in rows], losses, "training loss", "tab:blue")
    left.set_xlabel("epoch")
    left.set_ylim(bottom=0)
    left.xaxis.get_major_locator().set_params(integer=True)
    left.grid(alpha=0.25)
    if scored:
        best_epoch, best = max(scored, key=lambda each: each[1])
        right = left.twinx()
        name = "validation mIoU, points"
        _draw(right, [at for at, _ in scored], [miou for _, miou in scored], name, "tab:orange")
        right.set_ylim(0, 100)
        left.set_title(f"best validation mIoU {best:.2f} in epoch {best_epoch}")
    with replace_when_complete(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def _draw(panel: Any, epochs: list[int], values: list[float], name: str, color: str) -> None:
    marker = "o" if len(epochs) <= 60 else None
    panel.plot(epochs, values, color=color, marker=marker, markersize=3, linewidth=1.5)
    panel.set_ylabel(name, color=color)
    panel.tick_params(axis="y", labelcolor=color)
