"""The chain's report as a picture: mIoU against latency, size and multiply-adds, and which files no other beats."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edge_deeplab.compress.measures import Document
from edge_deeplab.errors import require
from edge_deeplab.targets import TARGETS
from edge_deeplab.text import printable

_AXES: tuple[tuple[str, Callable[[Document], float | None]], ...] = (
    ("latency, ms", lambda entry: entry["latency_ms"] and entry["latency_ms"]["median"]),
    ("size, MB", lambda entry: entry["bytes"] / 1e6),
    ("multiply-adds, G", lambda entry: entry["multiply_adds"] / 1e9),
)


def draw_pareto(report: Document, path: Path) -> None:
    """Draw every file as a point in three panels, and through those that no other beats a line.

    Args:
        report: from `summarise`, with scores.
        path: .png, .svg or .pdf to write.

    Raises:
        MissingDependencyError: without matplotlib.
    """
    matplotlib: Any = require("matplotlib", package="matplotlib", extra="compress")
    matplotlib.use("Agg")
    pyplot: Any = require("matplotlib.pyplot", package="matplotlib", extra="compress")
    figure, panels = pyplot.subplots(1, len(_AXES), figsize=(13, 4.6), sharey=True)
    colours = _colours(report["files"])
    for panel, (title, cost_of) in zip(panels, _AXES, strict=True):
        points = [(cost, entry) for entry in report["files"] if (cost := cost_of(entry))]
        _draw_panel(panel, [(c, e) for c, e in points if e["miou"] is not None], colours)
        panel.axhline(report["reference"]["miou"], color="grey", linestyle=":", linewidth=1)
        panel.set_xlabel(title)
        panel.set_xlim(left=0)
        panel.grid(alpha=0.25)
    panels[0].set_ylabel("mIoU, points")
    _draw_legend(figure, pyplot, report["files"], colours)
    title = (
        f"{printable(report['reference']['name'])}: mIoU against what it costs (grey: reference)"
    )
    figure.suptitle(title, parse_math=False)
    figure.tight_layout(rect=(0, 0.14, 1, 1))
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points that no other beats, the cheapest first.

    Args:
        points: (cost, mIoU).
    """
    front: list[tuple[float, float]] = []
    for cost, miou in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or miou > front[-1][1]:
            front.append((cost, miou))
    return front


def _draw_panel(
    panel: Any, points: Sequence[tuple[float, Document]], colours: dict[tuple[str, str], Any]
) -> None:
    front = pareto_front([(cost, entry["miou"]) for cost, entry in points])
    if front:
        costs, scores = zip(*front, strict=True)
        panel.step(costs, scores, where="post", color="black", linewidth=1, alpha=0.6)
    else:
        panel.text(0.5, 0.5, "not measured", transform=panel.transAxes, ha="center")
    for cost, entry in points:
        panel.scatter(
            cost,
            entry["miou"],
            color=colours[_variant(entry)],
            marker=TARGETS[entry["target"]].marker,
            s=60,
            zorder=3,
        )


def _variant(entry: Document) -> tuple[str, str]:
    return entry["stage"], entry["precision"]


def _name(stage: str, precision: str) -> str:
    return stage if stage.endswith(precision) else f"{stage} {precision}"


def _colours(files: Sequence[Document]) -> dict[tuple[str, str], Any]:
    """Return a colour for each stage and precision."""
    variants = dict.fromkeys(_variant(entry) for entry in files)
    return {variant: f"C{index % 10}" for index, variant in enumerate(variants)}


def _draw_legend(
    figure: Any, pyplot: Any, files: Sequence[Document], colours: dict[tuple[str, str], Any]
) -> None:
    handles = [
        pyplot.Line2D([], [], color=colour, marker="o", linestyle="", label=_name(*variant))
        for variant, colour in colours.items()
    ]
    targets = dict.fromkeys(entry["target"] for entry in files)
    handles += [
        pyplot.Line2D(
            [], [], color="black", marker=TARGETS[t].marker, linestyle="", label=TARGETS[t].label
        )
        for t in targets
    ]
    handles.append(pyplot.Line2D([], [], color="black", linewidth=1, label="no file beats it"))
    columns = len(handles) if len(handles) < 7 else (len(handles) + 1) // 2
    figure.legend(handles=handles, loc="lower center", ncols=columns, frameon=False)
