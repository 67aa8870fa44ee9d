"""Scores by class, each with a 95 % interval: a paired bootstrap over images, as for mIoU (`evaluation.bootstrap`)."""

from dataclasses import dataclass
from math import nan

from edge_deeplab.evaluation.bootstrap import class_intervals
from edge_deeplab.evaluation.metrics import Counts, class_iou

Interval = tuple[float, float]


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
    iou, own = class_iou(candidate.sum(0)), class_intervals(candidate)
    if reference is None:
        return tuple(ClassScore(float(v), b) for v, b in zip(iou, own, strict=True))
    delta = iou - class_iou(reference.sum(0))
    rows = zip(iou, own, delta, class_intervals(candidate, reference), strict=True)
    return tuple(ClassScore(float(v), b, float(d), between) for v, b, d, between in rows)
