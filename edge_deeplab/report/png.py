"""The plots of a page as PNGs, for documents: the same data, drawn by matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_deeplab.evaluation import score_plot
from edge_deeplab.evaluation.plots import drawn
from edge_deeplab.report.known import Page
from edge_deeplab.report.plots import Plot, Series, all_plots
from edge_deeplab.targets import TARGETS
from edge_deeplab.text import printable

_COLOURS = ("#0b66b0", "#c65102", "#0a7d5c", "#8b4fa8", "#8a6d00", "#b8326b")
_FRONT = "#777777"
_DASHES = ("-", "--", ":", "-")
_MARKERS = (*(target.marker for target in TARGETS.values()), "X")
_LONGEST_LABEL = 48


def write_plots(page: Page, folder: Path) -> tuple[Path, ...]:
    """Write each plot, and the confusion matrix of the reference and of every file, and return their paths.

    Args:
        page: what is known.
        folder: made when absent; what is in there under other names stays.

    Raises:
        MissingDependencyError: without matplotlib.
        OutputError: when one cannot be written; what was there stays.
    """
    paths = []
    for plot in all_plots(page):
        paths.append(folder / f"{plot.name}.png")
        _write(plot, paths[-1])
    several = [("reference", scored.evaluation) for scored in page.references[:1]]
    several += [(str(e.number), e.scored.evaluation) for e in page.scored if e.scored is not None]
    for name, evaluation in several:
        paths.append(folder / f"confusion-{name}.png")
        score_plot.plot(evaluation, paths[-1])
    return tuple(paths)


def _write(plot: Plot, path: Path) -> None:
    with drawn(path, 1, 1, figsize=(7.2, 4.4)) as panels:
        panel = panels[0, 0]
        for series in plot.series:
            _draw(panel, series)
        if plot.level is not None:
            value, label = plot.level
            panel.axhline(value, color="grey", linestyle="--", linewidth=1, label=label)
        if plot.from_zero:
            panel.set_xlim(left=0)
        panel.set_title(printable(plot.title)[:_LONGEST_LABEL], parse_math=False)
        panel.set_xlabel(plot.x_title)
        panel.set_ylabel(plot.y_title)
        panel.grid(alpha=0.25)
        legend = panel.legend(fontsize=7)
        for text in legend.get_texts():
            text.set_parse_math(False)


def _draw(panel: Any, series: Series) -> None:
    if not series.points:
        return
    xs, ys = zip(*series.points, strict=True)
    colour = _FRONT if series.tone < 0 else _COLOURS[series.tone % len(_COLOURS)]
    number = "" if series.number is None else f"{series.number} "
    label = f"{number}{printable(series.label)}"[:_LONGEST_LABEL]
    if series.kind == "steps":
        panel.step(xs, ys, where="post", color=colour, linewidth=1, label=label)
    elif series.kind == "dots":
        panel.scatter(
            xs, ys, color=colour, marker=_of(_MARKERS, series.dash), s=45, zorder=3, label=label
        )
    else:
        panel.plot(
            xs, ys, color=colour, linestyle=_of(_DASHES, series.dash), linewidth=1.4, label=label
        )
    if series.number is not None:
        panel.annotate(
            str(series.number), (xs[-1], ys[-1]), (5, 3), textcoords="offset points", fontsize=8
        )


def _of(kinds: Sequence[str], place: int) -> str:
    return kinds[min(place, len(kinds) - 1)]
