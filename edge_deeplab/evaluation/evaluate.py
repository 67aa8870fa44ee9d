"""Scoring one runtime on one data set.

The protocol, which is the same for the GPU reference and for every artifact:

1. the image is resized bilinearly to the artifact's input size (`resize_image`) and handed over as raw RGB;
2. predicted ids are resized by nearest neighbour to the mask's own size and compared there;
3. void (the data set's ignore index) is not scored;
4. confusion matrices are kept per image; the set's score is the score of their sum;
5. mIoU is the mean over the classes that the masks of the scored images hold (`edge_deeplab.evaluation.metrics`).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from edge_deeplab.data.dataset import Sample, SegmentationDataset
from edge_deeplab.data.images import ImageHWC
from edge_deeplab.data.transforms import resize_ids, resize_image
from edge_deeplab.errors import ArtifactError
from edge_deeplab.evaluation.class_map import ClassMap, class_lookup
from edge_deeplab.evaluation.metrics import (
    Counts,
    Floats,
    Ids,
    boundary_band,
    class_iou,
    confusion_matrix,
    mean_iou,
    pixel_accuracy,
)
from edge_deeplab.runtimes.base import Runtime

Advance = Callable[[], object]
"""Called once an image is done, for a progress bar."""


@dataclass(frozen=True)
class Evaluation:
    """The scores of one runtime on one data set.

    Args:
        runtime: name and version of what executed it.
        class_names: the data set's, in id order.
        size_hw: input height and width in pixels.
        confusions: (N, K, K + 1) confusion matrices, one an image.
        boundary_confusions: the same, within the boundary band.
        latencies_ms: (N,) wall-clock time of each prediction, resizing not included.
        seconds: wall-clock time of the whole evaluation, reading included.
    """

    runtime: str
    class_names: tuple[str, ...]
    size_hw: tuple[int, int]
    confusions: Counts
    boundary_confusions: Counts
    latencies_ms: Floats
    seconds: float

    @property
    def images(self) -> int:
        """How many images were scored."""
        return len(self.confusions)

    @cached_property
    def miou(self) -> float:
        """MIoU in points; nan when no pixel is scored."""
        return mean_iou(self.confusions.sum(0))

    @cached_property
    def boundary_miou(self) -> float:
        """MIoU in points within `BAND_WIDTH_PX` pixels of a label boundary, over the classes that masks hold there."""
        return mean_iou(self.boundary_confusions.sum(0))

    @cached_property
    def per_class(self) -> dict[str, float]:
        """IoU in points by class name; nan for a class that no mask holds."""
        iou = class_iou(self.confusions.sum(0))
        return dict(zip(self.class_names, iou.tolist(), strict=True))

    @property
    def pixel_accuracy(self) -> float:
        """Fraction of scored pixels that are right."""
        return pixel_accuracy(self.confusions.sum(0))

    @property
    def latency_ms(self) -> float:
        """Median time of one prediction."""
        return float(np.median(self.latencies_ms))

    def to_json(self) -> dict[str, Any]:
        """Return the document of `evaluate --json`; what has no score is null."""
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


class Contestant:
    """A runtime that speaks the data set's class ids.

    Args:
        runtime: a loaded artifact or checkpoint.
        dataset: whose ids it is to speak.
        class_map: what the runtime's ids mean, where its self-description does not tell.

    Raises:
        ArtifactError: when nothing tells what its ids mean.
        ConfigError: when its classes are not the data set's, or the class map lists ids that it never gives.
    """

    def __init__(
        self, runtime: Runtime, dataset: SegmentationDataset, class_map: ClassMap | None = None
    ) -> None:
        self.runtime = runtime
        self._lookup = class_lookup(
            runtime.description,
            dataset.classes,
            class_map,
            artifact=str(runtime.path),
            count_classes=lambda: _count_scores(runtime),
        )

    @property
    def size_hw(self) -> tuple[int, int]:
        """Input height and width in pixels."""
        return self.runtime.size_hw

    def predict(self, image_hwc: ImageHWC) -> tuple[Ids, float]:
        """Segment one image of any size.

        Args:
            image_hwc: (H, W, 3) uint8 RGB.

        Returns:
            The data set's ids, uint8, at the runtime's input size, and the milliseconds that the runtime took.
        """
        images = np.stack([resize_image(image_hwc, self.size_hw)])  # (1, H, W, 3), a writable copy
        start = time.perf_counter()
        (ids,) = self.runtime.predict(images)
        latency_ms = (time.perf_counter() - start) * 1000
        return self._lookup[resize_ids(ids, self.size_hw)], latency_ms


def _count_scores(runtime: Runtime) -> int | None:
    """Return how many classes a runtime scores, seen on a black picture; None where it has no scores to read."""
    try:
        scores = runtime.logits(np.zeros((1, *runtime.size_hw, 3), np.uint8))
    except ArtifactError:
        return None
    return int(scores.shape[1])


class Tally:
    """The counts of one runtime while images go by.

    Args:
        dataset: its classes and ignore index are what is counted.
    """

    def __init__(self, dataset: SegmentationDataset) -> None:
        self._class_names = tuple(c.name for c in dataset.classes)
        self._ignore_index = dataset.ignore_index
        self._confusions: list[Counts] = []
        self._boundary_confusions: list[Counts] = []
        self._latencies_ms: list[float] = []
        self._start = time.perf_counter()

    def add(self, sample: Sample, predicted_ids: Ids, latency_ms: float) -> None:
        """Count one image, in place.

        Args:
            sample: the labelled image.
            predicted_ids: the data set's ids at any size.
            latency_ms: how long the prediction took.
        """
        mask = sample.mask_ids
        ids = resize_ids(predicted_ids, (mask.shape[0], mask.shape[1]))
        count = (mask, ids, len(self._class_names), self._ignore_index)
        self._confusions.append(confusion_matrix(*count))
        self._boundary_confusions.append(confusion_matrix(*count, within=boundary_band(mask)))
        self._latencies_ms.append(latency_ms)

    def evaluation(self, contestant: Contestant) -> Evaluation:
        """Return the scores of everything counted so far; at least one image must be.

        Args:
            contestant: whose predictions were counted.
        """
        return Evaluation(
            contestant.runtime.name,
            self._class_names,
            contestant.size_hw,
            np.stack(self._confusions),
            np.stack(self._boundary_confusions),
            np.array(self._latencies_ms),
            time.perf_counter() - self._start,
        )


def evaluate_runtime(
    runtime: Runtime,
    dataset: SegmentationDataset,
    *,
    class_map: ClassMap | None = None,
    progress: Advance | None = None,
) -> Evaluation:
    """Score a runtime on a data set, image by image.

    Args:
        runtime: a loaded artifact or checkpoint.
        dataset: at least one labelled image.
        class_map: what the runtime's ids mean, where its self-description does not tell.
        progress: called after each image.

    Raises:
        ArtifactError: when nothing tells what the runtime's ids mean.
        ConfigError: when its classes are not the data set's.
        DataError: for an image or mask that cannot be read.
    """
    contestant = Contestant(runtime, dataset, class_map)
    tally = Tally(dataset)
    for index in range(len(dataset)):
        sample = dataset[index]
        tally.add(sample, *contestant.predict(sample.image_hwc))
        if progress is not None:
            progress()
    return tally.evaluation(contestant)


def finite_or_none(value: float) -> float | None:
    """Return the number for a JSON document; None where there is no score (JSON has no nan)."""
    return float(value) if np.isfinite(value) else None
