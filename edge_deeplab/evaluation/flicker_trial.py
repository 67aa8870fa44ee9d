"""One file on its way through the frames of moving photographs, and each smoothing of what it gives."""

import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.errors import ArtifactError
from edge_deeplab.evaluation.flicker_report import (
    OFF,
    STRETCHES,
    FileFlicker,
    SmoothedFlicker,
    Stretch,
    StretchFlicker,
)
from edge_deeplab.evaluation.metrics import Counts, Ids, confusion_matrix
from edge_deeplab.evaluation.motion import MovedFrame, undo_motion
from edge_deeplab.evaluation.trial import Entrant
from edge_deeplab.runtimes.base import Runtime
from edge_deeplab.runtimes.smoothing import (
    ExponentialSmoothing,
    MajoritySmoothing,
    Smoothing,
    ids_of,
)


class SmoothedTally:
    """The counts of one smoothing, or of none, while frames go by.

    Args:
        smoothing: which one; None counts class maps as they are.
        dataset: whose classes are scored; None without labels.
    """

    def __init__(self, smoothing: Smoothing | None, dataset: SegmentationDataset | None) -> None:
        self.smoothing = smoothing
        self.times_ms: list[float] = []
        self._dataset = dataset
        self._before: Ids | None = None
        self._flips: dict[Stretch, list[list[int]]] = {name: [] for name in STRETCHES}
        self._confusions: dict[Stretch, list[Counts]] = {name: [] for name in STRETCHES}

    def begin(self) -> None:
        """Begin the next sequence, in place."""
        self._before = None
        if self.smoothing is not None:
            self.smoothing.reset()
        for name in STRETCHES:
            self._flips[name].append([0, 0])
            if self._dataset is not None:
                classes = len(self._dataset.classes)
                self._confusions[name].append(np.zeros((classes, classes + 1), np.int64))

    def smooth(self, scores_or_ids: npt.NDArray[np.generic]) -> Ids:
        """Return the class map of the next frame."""
        if self.smoothing is None:
            return ids_of(scores_or_ids)
        start = time.perf_counter()
        smoothed = self.smoothing.smooth(scores_or_ids)
        self.times_ms.append((time.perf_counter() - start) * 1000)
        return ids_of(smoothed)

    def add(self, frame: MovedFrame, ids: Ids) -> None:
        """Count the next frame, in place.

        Args:
            frame: what was seen.
            ids: (H, W) uint8 class ids, the data set's where there is one.
        """
        stretch: Stretch = "moving" if frame.moving else "still"
        if self._before is not None:
            before, after = undo_motion(self._before, ids, frame.shift)
            self._flips[stretch][-1][0] += int(np.count_nonzero(before != after))
            self._flips[stretch][-1][1] += after.size
        self._before = ids
        if self._dataset is not None and frame.mask_ids is not None:
            known = len(self._dataset.classes), self._dataset.ignore_index
            self._confusions[stretch][-1] += confusion_matrix(frame.mask_ids, ids, *known)

    def result(self) -> SmoothedFlicker:
        """Return what was counted; at least one sequence must have begun."""
        stretches: dict[Stretch, StretchFlicker] = {}
        for name in STRETCHES:
            counts = np.array(self._flips[name], np.int64)  # (S, 2)
            labelled = np.stack(self._confusions[name]) if self._confusions[name] else None
            stretches[name] = StretchFlicker(counts[:, 0], counts[:, 1], labelled)
        if self.smoothing is None:
            return SmoothedFlicker(OFF, 0.0, stretches)
        return SmoothedFlicker(self.smoothing.name, float(np.median(self.times_ms)), stretches)


@dataclass
class FlickerTrial(Entrant):
    """One file, or the reference; `Entrant` says the rest.

    Args:
        tallies: the counts of class maps as they are, and of each smoothing that the file gives enough for.
        gives_scores: whether scores can be averaged.
        latencies_ms: time of each frame's class map, without smoothing.
    """

    tallies: list[SmoothedTally] = field(default_factory=list)
    gives_scores: bool = False
    latencies_ms: list[float] = field(default_factory=list)

    def prepare(self, dataset: SegmentationDataset | None) -> None:
        """See what an opened file gives, in place; a failure becomes its result."""
        if self.contestant is None:
            return
        with self._keeping_failure():
            self.gives_scores = _gives_scores(self.contestant.runtime)
            kinds: list[Smoothing | None] = [None, MajoritySmoothing()]
            if self.gives_scores:
                kinds.append(ExponentialSmoothing())
            self.tallies = [SmoothedTally(kind, dataset) for kind in kinds]

    def begin(self) -> None:
        """Begin the next sequence, in place."""
        for tally in self.tallies:
            tally.begin()

    def run(self, frame: MovedFrame) -> None:
        """Segment and count the next frame, in place; a failure becomes the trial's result."""
        if self.contestant is None:
            return
        with self._keeping_failure():
            self.count(frame)

    def count(self, frame: MovedFrame) -> None:
        """Segment and count the next frame, in place; raises what the runtime raises."""
        assert self.contestant is not None, "an opened file runs"
        runtime = self.contestant.runtime
        images = np.array(frame.image_hwc)[None]
        start = time.perf_counter()
        scores = runtime.logits(images)[0] if self.gives_scores else None
        ids = runtime.predict(images)[0] if scores is None else ids_of(scores)
        self.latencies_ms.append((time.perf_counter() - start) * 1000)
        for tally in self.tallies:
            averages = tally.smoothing is not None and tally.smoothing.reads == "scores"
            given = scores if averages and scores is not None else ids
            tally.add(frame, self.contestant.translate(tally.smooth(given)))

    def result(self) -> FileFlicker:
        """Return what was found."""
        if self.contestant is None:
            return FileFlicker(self.path, self.description, self.runtime, error=self.error)
        return FileFlicker(
            self.path,
            self.description,
            self.runtime,
            self.contestant.size_hw,
            float(np.median(self.latencies_ms)),
            tuple(tally.result() for tally in self.tallies),
            self.gives_scores,
        )


def _gives_scores(runtime: Runtime) -> bool:
    """Whether a file's output is scores: as it says of itself, else whether it has any to read."""
    if runtime.description is not None:
        return runtime.description.head == "logits"
    try:
        runtime.logits(np.zeros((1, *runtime.size_hw, 3), np.uint8))
    except ArtifactError:
        return False
    return True
