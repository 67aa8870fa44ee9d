"""An evaluation as a picture: which class is taken for which, and the scores near label boundaries."""

from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.evaluation.metrics import Floats
from edge_deeplab.evaluation.plots import drawn
from edge_deeplab.evaluation.scores import Evaluation
from edge_deeplab.text import printable

_MOST_WRITTEN = 21
"""Of more classes the shares are shown by colour alone: their figures would run into each other."""


def plot(evaluation: Evaluation, path: Path) -> None:
    """Draw the confusion matrix, and the trimap curve where bands were scored.

    Args:
        evaluation: what to draw.
        path: .png, .svg or .pdf to write.

    Raises:
        ConfigError: when the ending is none of these.
        MissingDependencyError: without matplotlib.
        OutputError: when it cannot be written; what was there stays.
    """
    count = 2 if evaluation.trimap else 1
    with drawn(path, 1, count, figsize=(8.5 * count, 7.5)) as panels:
        _draw_confusion(panels[0, 0], evaluation)
        if evaluation.trimap:
            _draw_trimap(panels[0, 1], evaluation)


def shares(evaluation: Evaluation) -> Floats:
    """Return (K, K + 1) which share of a true class's pixels was called what; nan for a class that no mask holds."""
    totals = evaluation.confusion.sum(1, keepdims=True)
    found = np.full(evaluation.confusion.shape, np.nan)
    np.divide(evaluation.confusion, totals, out=found, where=totals > 0)
    return found


def _draw_confusion(panel: Any, evaluation: Evaluation) -> None:
    found = shares(evaluation)
    if not evaluation.confusion[:, -1].any():
        found = found[:, :-1]  # nothing was called by a name that is no class
    names = [printable(name) for name in evaluation.class_names]
    panel.imshow(found, cmap="Blues", vmin=0, vmax=1)
    size = 9 if len(names) <= _MOST_WRITTEN else 5
    panel.set_xticks(range(found.shape[1]))
    panel.set_xticklabels(
        [*names, "none"][: found.shape[1]], rotation=60, ha="right", fontsize=size, parse_math=False
    )
    panel.set_yticks(range(len(names)))
    panel.set_yticklabels(names, fontsize=size, parse_math=False)
    panel.set_xlabel("called")
    panel.set_ylabel("true class")
    panel.set_title(
        f"{printable(evaluation.path.name)}: share of each class's pixels", parse_math=False
    )
    if len(names) <= _MOST_WRITTEN:
        for row, column in zip(*np.nonzero(found >= 0.005), strict=True):
            share = found[row, column]
            colour = "white" if share > 0.5 else "black"
            panel.text(
                column, row, f"{share:.2f}", ha="center", va="center", color=colour, fontsize=8
            )


def _draw_trimap(panel: Any, evaluation: Evaluation) -> None:
    widths = [band.width_px for band in evaluation.trimap]
    panel.plot(widths, [band.miou for band in evaluation.trimap], marker="o", label="in the band")
    panel.axhline(evaluation.miou, color="grey", linestyle=":", linewidth=1, label="whole pictures")
    panel.set_xlabel("width of the band on each side of a label boundary, pixels")
    panel.set_ylabel("mIoU, points")
    panel.set_xlim(left=0)
    panel.set_title("trimap curve")
    panel.grid(alpha=0.25)
    panel.legend(loc="lower right")
