"""The plots of a page as data: what is drawn on which axes. `svg.py` and `png.py` draw the same ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from edge_deeplab.compress.pareto import pareto_front
from edge_deeplab.evaluation.drift import DRIFT_DB, DriftChain
from edge_deeplab.report.known import Entry, Page
from edge_deeplab.targets import TARGETS
from edge_deeplab.text import printable

Kind = Literal["line", "dots", "steps"]
Points = tuple[tuple[float, float], ...]
_DASHES, _SPOKEN = 3, 12
"""Kinds of line, so that lines which meet differ by more than colour, and how many series are put into words."""
PRECISIONS = ("fp32", "fp16", "int8")
"""By the place of their colour; others share the one that follows."""
EXACT_DB, HIGHEST_DB, LOWEST_DB = 80.0, 100.0, -40.0
"""From where a layer counts as unchanged, and where plots end: a step that changes nothing has a ratio without end."""


@dataclass(frozen=True)
class Series:
    """What belongs together in a plot.

    Args:
        label: what it is.
        points: (x, y).
        kind: how it is drawn.
        tone: place of its colour.
        dash: place of its dashes, or of its marker.
        number: of the file, written beside it; None of what is no file.
    """

    label: str
    points: Points
    kind: Kind = "line"
    tone: int = 0
    dash: int = 0
    number: int | None = None


@dataclass(frozen=True)
class Plot:
    """Axes and what is on them.

    Args:
        name: of its file, without ending.
        title: what it shows.
        x_title: with the unit.
        y_title: with the unit.
        series: in the order they are drawn.
        level: a horizontal line, and what it is; None for none.
        from_zero: whether the x axis begins at 0.
        y_range: of the y axis; None for what the points and the level need.
    """

    name: str
    title: str
    x_title: str
    y_title: str
    series: tuple[Series, ...]
    level: tuple[float, str] | None = None
    from_zero: bool = False
    y_range: tuple[float, float] | None = None

    @property
    def spoken(self) -> str:
        """What is drawn, for who does not see it: where each of the first series begins and ends."""
        drawn = [series for series in self.series if series.points]
        told = [f"{printable(s.label)[:60]}: {_ends(s.points)}" for s in drawn[:_SPOKEN]]
        rest = [f"and {len(drawn) - _SPOKEN} more"] if len(drawn) > _SPOKEN else []
        return f"{self.title}, {self.y_title} by {self.x_title}. {'; '.join(told + rest)}"


def _ends(points: Points) -> str:
    (first_x, first), (last_x, last) = points[0], points[-1]
    if len(points) == 1:
        return f"{first:.4g} at {first_x:.4g}"
    return f"{first:.4g} at {first_x:.4g} to {last:.4g} at {last_x:.4g}"


def training_plots(page: Page) -> tuple[Plot, ...]:
    """Return loss and validation mIoU by epoch."""
    curves = [(c, i % 6, (i + i // 6) % _DASHES) for i, c in enumerate(page.curves)]
    loss = tuple(Series(c.name, c.loss, tone=t, dash=d) for c, t, d in curves if c.loss)
    miou = tuple(Series(c.name, c.miou, tone=t, dash=d) for c, t, d in curves if c.miou)
    plots = (
        Plot("training-loss", "Loss", "epoch", "mean loss", loss),
        Plot("training-miou", "Validation", "epoch", "mIoU, points", miou),
    )
    return tuple(plot for plot in plots if plot.series)


def boundary_plots(page: Page) -> tuple[Plot, ...]:
    """Return the reference's mIoU by the width of the band, and how far each file is from it."""
    references = tuple(
        Series(
            "reference" if i == 0 else "reference at {}x{}".format(*scored.evaluation.size_hw),
            tuple((float(b.width_px), b.miou) for b in scored.bands if isfinite(b.miou)),
            tone=i % 6,
            dash=3,
        )
        for i, scored in enumerate(page.references)
        if scored.bands
    )
    files = tuple(_band_differences(page, entry) for entry in page.scored)
    width = "pixels on each side of a boundary"
    plots = (
        Plot("boundary", "Reference near boundaries", width, "mIoU, points", references),
        Plot(
            "boundary-difference",
            "Files minus reference",
            width,
            "difference, points",
            tuple(series for series in files if series.points),
            level=(0.0, "reference"),
        ),
    )
    return tuple(plot for plot in plots if plot.series)


def _band_differences(page: Page, entry: Entry) -> Series:
    assert entry.scored is not None
    by_size = {scored.evaluation.size_hw: scored.bands for scored in page.references}
    bands = by_size.get(entry.scored.evaluation.size_hw, ())
    points = tuple(
        (float(own.width_px), own.miou - reference.miou)
        for own, reference in zip(entry.scored.bands, bands, strict=False)
        if isfinite(own.miou - reference.miou)
    )
    return _of_file(entry, points, "line")


def pareto_plots(page: Page) -> tuple[Plot, ...]:
    """Return mIoU against time and against size, with the line of the files that no other beats."""
    costs: tuple[tuple[str, str, str, Callable[[Entry], float | None]], ...] = (
        ("pareto-latency", "Accuracy against time", "latency, ms", lambda e: e.median_ms),
        ("pareto-size", "Accuracy against size", "size, MB", lambda e: _megabytes(e)),
    )
    plots = []
    for name, title, x_title, cost_of in costs:
        dots = [
            _of_file(entry, ((cost, entry.scored.evaluation.miou),), "dots")
            for entry in page.scored
            if entry.scored is not None
            and (cost := cost_of(entry)) is not None
            and isfinite(entry.scored.evaluation.miou)
        ]
        front = pareto_front([series.points[0] for series in dots])
        line = Series("files that no other beats", tuple(front), "steps", tone=-1)
        level = (page.references[0].evaluation.miou, "reference") if page.references else None
        if dots:
            plots.append(
                Plot(name, title, x_title, "mIoU, points", (line, *dots), level, from_zero=True)
            )
    return tuple(plots)


def _megabytes(entry: Entry) -> float | None:
    return None if entry.bytes is None else entry.bytes / 1e6


def drift_plot(entry: Entry) -> Plot | None:
    """Return the signal-to-noise ratio of each layer of a file; None where it was not followed, or nothing drifts."""
    chain = entry.drift
    if chain is None or not chain.layers or is_exact(chain):
        return None
    low = max(LOWEST_DB, min(0.0, *(v for layer in chain.layers for v in layer.snr_db.values())))
    series = tuple(
        Series(step, tuple(_drifts(chain, step, low)), tone=i, dash=i % _DASHES)
        for i, step in enumerate(chain.steps)
    )
    return Plot(
        f"drift-{entry.number}",
        f"{entry.number} {chain.title}",
        "layer, in the network's order",
        "signal to noise, dB",
        series,
        level=(DRIFT_DB, f"{DRIFT_DB:g} dB"),
        y_range=(low, HIGHEST_DB),
    )


def is_exact(chain: DriftChain) -> bool:
    """Whether no step changes a layer by more than what rounding in float32 does."""
    return all(v >= EXACT_DB for layer in chain.layers for v in layer.snr_db.values())


def _drifts(chain: DriftChain, step: str, low: float) -> Iterator[tuple[float, float]]:
    for place, layer in enumerate(chain.layers):
        value = layer.snr_db[step]
        if value == value:
            yield float(place + 1), min(max(value, low), HIGHEST_DB)


def tone_of(entry: Entry) -> int:
    """Return the place of a file's colour: one a precision."""
    known = entry.precision in PRECISIONS
    return PRECISIONS.index(entry.precision) if known else len(PRECISIONS)


def _of_file(entry: Entry, points: Points, kind: Kind) -> Series:
    targets = [str(target) for target in TARGETS]
    dash = targets.index(entry.target) if entry.target in targets else len(targets)
    return Series(entry.label, points, kind, tone_of(entry), dash, entry.number)


def all_plots(page: Page) -> tuple[Plot, ...]:
    """Return every plot of a page but its confusion matrices."""
    drifts = (drift_plot(entry) for entry in page.entries)
    return (
        *training_plots(page),
        *boundary_plots(page),
        *pareto_plots(page),
        *(plot for plot in drifts if plot is not None),
    )
