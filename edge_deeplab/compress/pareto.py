"""The chain's report as a picture: mIoU against latency, size and multiply-adds, and which files no other beats."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_deeplab.compress.report import ChainReport, FileReport
from edge_deeplab.errors import require
from edge_deeplab.evaluation.plots import drawn
from edge_deeplab.targets import TARGETS
from edge_deeplab.text import printable

_AXES: tuple[tuple[str, Callable[[FileReport], float | None]], ...] = (
    ("latency, ms", lambda file: None if file.times is None else file.times.median_ms),
    ("size, MB", lambda file: file.bytes / 1e6),
    ("multiply-adds, G", lambda file: file.stage.multiply_adds / 1e9),
)


def draw_pareto(report: ChainReport, path: Path) -> None:
    """Draw every file as a point in three panels, and through those that no other beats a line.

    Args:
        report: from `summarise`, with scores.
        path: .png, .svg or .pdf to write.

    Raises:
        ConfigError: when the ending is none of these.
        MissingDependencyError: without matplotlib.
        OutputError: when it cannot be written; what was there stays.
    """
    colours = _colours(report.files)
    with drawn(path, 1, len(_AXES), below=0.14, figsize=(13, 4.6), sharey=True) as rows:
        panels = rows[0]
        for panel, (title, cost_of) in zip(panels, _AXES, strict=True):
            points = [
                (cost, file.scores.miou, file)
                for file in report.files
                if (cost := cost_of(file)) and file.scores.miou is not None
            ]
            _draw_panel(panel, points, colours)
            panel.axhline(report.miou, color="grey", linestyle=":", linewidth=1)
            panel.set_xlabel(title)
            panel.set_xlim(left=0)
            panel.grid(alpha=0.25)
        panels[0].set_ylabel("mIoU, points")
        _draw_legend(panels[0].figure, report.files, colours)
        title = f"{printable(report.name)}: mIoU against what it costs (grey: reference)"
        panels[0].figure.suptitle(title, parse_math=False)


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
    panel: Any,
    points: Sequence[tuple[float, float, FileReport]],
    colours: Mapping[tuple[str, str], str],
) -> None:
    """Draw files as (cost, mIoU, file)."""
    front = pareto_front([(cost, miou) for cost, miou, _ in points])
    if front:
        costs, scores = zip(*front, strict=True)
        panel.step(costs, scores, where="post", color="black", linewidth=1, alpha=0.6)
    else:
        panel.text(0.5, 0.5, "not measured", transform=panel.transAxes, ha="center")
    for cost, miou, file in points:
        panel.scatter(
            cost,
            miou,
            color=colours[_variant(file)],
            marker=TARGETS[file.target].marker,
            s=60,
            zorder=3,
        )


def _variant(file: FileReport) -> tuple[str, str]:
    return file.stage.stage, file.precision


def _name(stage: str, precision: str) -> str:
    return stage if stage.endswith(precision) else f"{stage} {precision}"


def _colours(files: Sequence[FileReport]) -> dict[tuple[str, str], str]:
    """Return a colour for each stage and precision."""
    variants = dict.fromkeys(_variant(file) for file in files)
    return {variant: f"C{index % 10}" for index, variant in enumerate(variants)}


def _draw_legend(
    figure: Any, files: Sequence[FileReport], colours: Mapping[tuple[str, str], str]
) -> None:
    lines: Any = require("matplotlib.lines", package="matplotlib", extra="compress")
    handles = [
        lines.Line2D([], [], color=colour, marker="o", linestyle="", label=_name(*variant))
        for variant, colour in colours.items()
    ]
    targets = dict.fromkeys(file.target for file in files)
    handles += [
        lines.Line2D(
            [], [], color="black", marker=TARGETS[t].marker, linestyle="", label=TARGETS[t].label
        )
        for t in targets
    ]
    handles.append(lines.Line2D([], [], color="black", linewidth=1, label="no file beats it"))
    columns = len(handles) if len(handles) < 7 else (len(handles) + 1) // 2
    figure.legend(handles=handles, loc="lower center", ncols=columns, frameon=False)
