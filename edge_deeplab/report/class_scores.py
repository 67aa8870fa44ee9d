"""Scores by class, each with a 95 % interval: a paired bootstrap over images, as for mIoU (`evaluation.bootstrap`)."""

from dataclasses import dataclass
from math import nan

import numpy as np

from edge_deeplab.evaluation.bootstrap import FEWEST_IMAGES, SEED
from edge_deeplab.evaluation.metrics import (
    Counts,
    Floats,
    class_iou,
    intersections_and_unions,
    iou_points,
    is_present,
)

Interval = tuple[float, float]
_RESAMPLES = 1000
_TAIL = 0.025


@dataclass(frozen=True)
class ClassScore:
    """The IoU of one class, in points.

    Args:
        iou: over all images; nan for a class that no mask holds.
        interval: its 95 % interval.
        delta: minus the reference's; nan of the reference itself.
        delta_interval: the 95 % interval of that difference, on the same images.
    """

    iou: float
    interval: Interval
    delta: float = nan
    delta_interval: Interval = (nan, nan)

    @property
    def is_other(self) -> bool:
        """Whether the interval of the difference leaves 0 out, and it is one that two decimals show."""
        low, high = self.delta_interval
        return (low > 0 or high < 0) and abs(self.delta) >= 0.005


def class_scores(candidate: Counts, reference: Counts | None = None) -> tuple[ClassScore, ...]:
    """Return the score of each class.

    Args:
        candidate: (N, K, K + 1) confusion matrices of N images.
        reference: the same of the reference; None scores the candidate alone.
    """
    iou, drawn = class_iou(candidate.sum(0)), _resampled(candidate)
    if reference is None:
        bounds = _bounds(drawn)
        return tuple(ClassScore(float(v), b) for v, b in zip(iou, bounds, strict=True))
    delta = iou - class_iou(reference.sum(0))
    differences = _bounds(drawn - _resampled(reference))
    rows = zip(iou, _bounds(drawn), delta, differences, strict=True)
    return tuple(ClassScore(float(v), b, float(d), between) for v, b, d, between in rows)


def _resampled(confusions: Counts) -> Floats:
    """Return the (resamples, K) IoU of resampled images, the same draws for every model; nan for too few images."""
    images = len(confusions)
    if images < FEWEST_IMAGES:
        return np.full((1, confusions.shape[1]), np.nan)
    rng = np.random.default_rng(SEED)
    draws = rng.multinomial(images, np.full(images, 1 / images), size=_RESAMPLES)
    weights = draws.astype(np.float64)
    intersections, unions = intersections_and_unions(confusions)
    present = weights @ is_present(confusions) > 0
    return iou_points(weights @ intersections, weights @ unions, present)


def _bounds(values: Floats) -> list[Interval]:
    """Return the interval of each column; nan where no resample has a score."""
    found = []
    for column in values.T:
        scored = column[~np.isnan(column)]
        low, high = np.quantile(scored, [_TAIL, 1 - _TAIL]) if len(scored) else (nan, nan)
        found.append((float(low), float(high)))
    return found
