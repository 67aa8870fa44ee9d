"""A plot laid out for SVG: every number in pixels of its view box; the template writes the elements."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, isfinite, log10

from edge_deeplab.report.plots import Kind, Plot, Series

WIDTH, HEIGHT = 480, 290
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 30, 28, 42
_LABEL_GAP, _LABEL_REACH = 13.0, 26.0
_NO_RANGE = (0.0, 1.0)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    at: float
    label: str


@dataclass(frozen=True)
class DrawnSeries:
    """A series in pixels.

    Args:
        label, kind, tone, dash, number: as of the series.
        path: of its line; empty where it has none.
        dots: places of its points.
        beside: where its number stands.
    """

    label: str
    kind: Kind
    tone: int
    dash: int
    number: int | None
    path: str
    dots: tuple[tuple[float, float], ...]
    beside: tuple[float, float]


@dataclass(frozen=True)
class DrawnPlot:
    """A plot in pixels.

    Args:
        plot: what is drawn.
        x_ticks: on the horizontal axis.
        y_ticks: on the vertical axis.
        series: in their order.
        level: height of the horizontal line; None for none.
    """

    plot: Plot
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    series: tuple[DrawnSeries, ...]
    level: float | None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def draw(plot: Plot) -> DrawnPlot:
    """Lay out a plot."""
    points = [point for series in plot.series for point in series.points]
    level = [] if plot.level is None else [plot.level[0]]
    xs = [x for x, _ in points] + ([0.0] if plot.from_zero else [])
    x_low, x_high = _range(xs, 0.04, keep_low=plot.from_zero)
    y_low, y_high = plot.y_range or _range([y for _, y in points] + level, 0.08)
    x = _Scale(x_low, x_high, _LEFT, WIDTH - _RIGHT)
    y = _Scale(y_low, y_high, HEIGHT - _BOTTOM, _TOP)
    drawn = [_draw_series(series, x, y) for series in plot.series]
    return DrawnPlot(
        plot,
        tuple(Tick(x(v), label) for v, label in nice_ticks(x_low, x_high)),
        tuple(Tick(y(v), label) for v, label in nice_ticks(y_low, y_high)),
        tuple(_spread(drawn)),
        None if plot.level is None else y(plot.level[0]),
    )


def nice_ticks(low: float, high: float, count: int = 5) -> list[tuple[float, str]]:
    """Return round values of a range, each with its text."""
    raw = (high - low) / count
    power = 10.0 ** floor(log10(raw))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= raw)
    digits = max(0, -floor(log10(step)))
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [(n * step, f"{n * step:.{digits}f}".replace("-", "−")) for n in range(first, last + 1)]


def _range(
    values: Sequence[float], margin: float, *, keep_low: bool = False
) -> tuple[float, float]:
    finite = [value for value in values if isfinite(value)]
    if not finite:
        return _NO_RANGE
    low, high = min(finite), max(finite)
    room = (high - low) * margin or max(abs(high), 1.0) * 0.05
    return low if keep_low else low - room, high + room


def _draw_series(series: Series, x: _Scale, y: _Scale) -> DrawnSeries:
    dots = tuple((x(a), y(b)) for a, b in series.points)
    path = ""
    if series.kind == "line":
        path = "M" + "L".join(f"{a} {b}" for a, b in dots) if dots else ""
    elif series.kind == "steps" and dots:
        path = f"M{dots[0][0]} {dots[0][1]}" + "".join(f"H{a}V{b}" for a, b in dots[1:])
    last = dots[-1] if dots else (0.0, 0.0)
    shown = dots if series.kind == "dots" or len(dots) <= 8 else ()
    return DrawnSeries(
        series.label,
        series.kind,
        series.tone,
        series.dash,
        series.number,
        path,
        () if series.kind == "steps" else shown,
        (last[0] + 9, last[1]),
    )


def _raise_above(placed: dict[int, tuple[float, float]], lowest: float) -> None:
    """Move the numbers that stand below the axis up, and those in their way, in place."""
    moved: list[tuple[float, float]] = []
    for number, (x, y) in sorted(placed.items(), key=lambda item: -item[1][1]):
        above = [b - _LABEL_GAP for a, b in moved if abs(a - x) < _LABEL_REACH]
        placed[number] = (x, round(min([y, lowest, *above]), 1))
        moved.append(placed[number])


def _spread(drawn: Sequence[DrawnSeries]) -> list[DrawnSeries]:
    """Return the series with numbers moved up and down until none stands on another."""
    dots = [dot for s in drawn if s.kind == "dots" for dot in s.dots]
    numbered = sorted(
        (s for s in drawn if s.number is not None), key=lambda s: (s.beside[1], s.beside[0])
    )
    placed: dict[int, tuple[float, float]] = {}
    for series in numbered:
        x, y = series.beside
        near = [b for a, b in placed.values() if abs(a - x) < _LABEL_REACH]
        near += [b for a, b in dots if 0 < a - series.dots[-1][0] < _LABEL_REACH]
        while taken := [b for b in near if abs(b - y) < _LABEL_GAP - 0.5]:
            y = round(max(taken) + _LABEL_GAP, 1)
        placed[series.number or 0] = (x, y)
    _raise_above(placed, float(HEIGHT - _BOTTOM))
    return [s if s.number is None else replace(s, beside=placed[s.number]) for s in drawn]
