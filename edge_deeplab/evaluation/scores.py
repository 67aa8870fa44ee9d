"""What one runtime scored on one data set: counts, and every score that is read off them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.evaluation.metrics import (
    Counts,
    Floats,
    class_iou,
    mean_iou,
    pixel_accuracy,
)


@dataclass(frozen=True, eq=False)
class TrimapBand:
    """The scores near label boundaries: one point of the trimap curve of DeepLabV3+ section 4.3.

    Args:
        width_px: pixels on each side of a boundary (`evaluation.metrics.boundary_band`).
        confusion: (K, K + 1) confusion matrix of the pixels in there, of all images.
    """

    width_px: int
    confusion: Counts

    @property
    def miou(self) -> float:
        """MIoU in points over the classes that masks hold in there; nan when no pixel is scored."""
        return mean_iou(self.confusion)

    @property
    def pixel_accuracy(self) -> float:
        """Fraction of its pixels that are right."""
        return pixel_accuracy(self.confusion)

    def to_json(self) -> dict[str, Any]:
        """Return an entry of `trimap` in the document of `evaluate --json`."""
        return {
            "width_px": self.width_px,
            "miou": finite_or_none(self.miou),
            "pixel_accuracy": finite_or_none(self.pixel_accuracy),
        }


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scores of one runtime on one data set; one equals itself alone, because a measurement is not repeated.

    Args:
        runtime: name and version of what executed it.
        class_names: the data set's, in id order.
        size_hw: input height and width in pixels.
        confusions: (N, K, K + 1) confusion matrices, one an image.
        boundary_confusion: (K, K + 1), of all images, within the boundary band.
        latencies_ms: (N,) wall-clock time of each prediction, resizing not included.
        seconds: wall-clock time of the whole evaluation, reading included.
        path: the file whose scores they are.
        data: name of the data set.
        trimap: the bands that were asked for, the narrowest first.
    """

    runtime: str
    class_names: tuple[str, ...]
    size_hw: tuple[int, int]
    confusions: Counts
    boundary_confusion: Counts
    latencies_ms: Floats
    seconds: float
    path: Path
    data: str
    trimap: tuple[TrimapBand, ...] = ()

    @property
    def images(self) -> int:
        """How many images were scored."""
        return len(self.confusions)

    @cached_property
    def miou(self) -> float:
        """MIoU in points; nan when no pixel is scored."""
        return mean_iou(self.confusion)

    @cached_property
    def boundary_miou(self) -> float:
        """MIoU in points within `BAND_WIDTH_PX` pixels of a label boundary, over the classes that masks hold there."""
        return mean_iou(self.boundary_confusion)

    @cached_property
    def confusion(self) -> Counts:
        """(K, K + 1) pixels of all images: rows are true classes, columns predicted ones, the last one none of them."""
        total: Counts = self.confusions.sum(0)
        return total

    @cached_property
    def per_class(self) -> dict[str, float]:
        """IoU in points by class name; nan for a class that no mask holds."""
        iou = class_iou(self.confusion)
        return dict(zip(self.class_names, iou.tolist(), strict=True))

    @property
    def pixel_accuracy(self) -> float:
        """Fraction of scored pixels that are right."""
        return pixel_accuracy(self.confusion)

    @property
    def latency_ms(self) -> float:
        """Median time of one prediction."""
        return float(np.median(self.latencies_ms))

    @property
    def network_share(self) -> float:
        """Fraction of the time that the network took (a CRF after it too); the rest went to reading and counting."""
        return float(self.latencies_ms.sum()) / 1000 / self.seconds

    def to_json(self) -> dict[str, Any]:
        """Return the document of `evaluate --json`; what has no score is null."""
        return {
            **self.scores_to_json(),
            "path": str(self.path),
            "data": self.data,
            "network_share": finite_or_none(self.network_share),
            "confusion": self.confusion.tolist(),
            "trimap": [band.to_json() for band in self.trimap],
        }

    def scores_to_json(self) -> dict[str, Any]:
        """Return the scores alone, without which file they are of and on which data."""
        return {
            "miou": finite_or_none(self.miou),
            "per_class": {name: finite_or_none(iou) for name, iou in self.per_class.items()},
            "pixel_accuracy": finite_or_none(self.pixel_accuracy),
            "boundary_miou": finite_or_none(self.boundary_miou),
            "images": self.images,
            "runtime": self.runtime,
            "size_hw": list(self.size_hw),
            "seconds": self.seconds,
            "latency_ms": finite_or_none(self.latency_ms),
        }


def finite_or_none(value: float) -> float | None:
    """Return the number for a JSON document; None where there is no score (JSON has no nan)."""
    return float(value) if np.isfinite(value) else None
