"""Parity: does the exported file still score what the reference scores, on the same images?

One pass: each image goes once through the reference (at every artifact's input size) and through every artifact, so
nothing but counts is kept, however large the set. An artifact that cannot be opened or fails on the way keeps its error
as its result and the others go on; the verdict comes last.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge_deeplab.data.dataset import Sample, SegmentationDataset
from edge_deeplab.description import Description
from edge_deeplab.errors import DataError, EdgeDeepLabError
from edge_deeplab.evaluation.bootstrap import bootstrap_interval
from edge_deeplab.evaluation.class_map import ClassMap
from edge_deeplab.evaluation.evaluate import (
    Advance,
    Contestant,
    Evaluation,
    Tally,
)
from edge_deeplab.evaluation.metrics import Ids, pixel_agreement
from edge_deeplab.evaluation.verdict import ArtifactParity, ParityReport
from edge_deeplab.runtimes.base import Runtime
from edge_deeplab.text import first_line

log = logging.getLogger(__name__)

MAX_DROP = 0.5
"""Largest loss of mIoU points that passes where nothing else is asked for."""


@dataclass
class Trial:
    """One artifact on its way through the images; its first failure ends it and is kept.

    Args:
        path: the artifact.
        tally: its counts.
        contestant: the opened artifact; None once it failed.
        runtime: name of what executes it.
        description: what it says of itself.
        agreements: fraction of pixels that agree with the reference, one an image.
        error: why it ended.
    """

    path: Path
    tally: Tally
    contestant: Contestant | None = None
    runtime: str | None = None
    description: Description | None = None
    agreements: list[float] = field(default_factory=list)
    error: str | None = None

    def open(
        self,
        open_file: Callable[[Path], Runtime],
        dataset: SegmentationDataset,
        class_map: ClassMap | None,
    ) -> None:
        """Open the artifact, in place; a failure becomes the trial's result."""
        with self._keeping_failure():
            runtime = open_file(self.path)
            self.runtime, self.description = runtime.name, runtime.description
            self.contestant = Contestant(runtime, dataset, class_map)

    def run(self, sample: Sample, reference_ids: Ids) -> None:
        """Predict and count one image, in place; a failure becomes the trial's result."""
        if self.contestant is None:
            return
        with self._keeping_failure():
            ids, latency_ms = self.contestant.predict(sample.image_hwc)
            self.agreements.append(pixel_agreement(ids, reference_ids))
            self.tally.add(sample, ids, latency_ms)

    @contextmanager
    def _keeping_failure(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            # Whatever a third-party runtime raises is this artifact's result, not the command's end.
            log.debug("%s failed", self.path, exc_info=True)
            self.contestant = None
            self.error = _sentence(self.path, error)

    def against(
        self, references: Mapping[tuple[int, int], Evaluation], max_drop: float
    ) -> ArtifactParity:
        """Return the result.

        Args:
            references: the reference's scores by input size.
            max_drop: largest loss of mIoU points that passes.
        """
        if self.contestant is None:
            return ArtifactParity(
                self.path, self.description, self.runtime, max_drop, error=self.error
            )
        own = self.tally.evaluation(self.contestant)
        reference = references[own.size_hw]
        return ArtifactParity(
            self.path,
            self.description,
            self.runtime,
            max_drop,
            reference=reference,
            evaluation=own,
            pixel_agreement=float(np.mean(self.agreements)),
            delta_interval=bootstrap_interval(reference.confusions, own.confusions),
        )


def _sentence(path: Path, error: Exception) -> str:
    if isinstance(error, EdgeDeepLabError):
        return str(error)
    return f"{path} could not be run ({type(error).__name__}: {first_line(error)}); --debug shows where"


def open_trials(
    paths: Sequence[Path],
    open_file: Callable[[Path], Runtime],
    dataset: SegmentationDataset,
    class_map: ClassMap | None = None,
) -> list[Trial]:
    """Open artifacts; one that cannot be opened, or does not fit the data set, is a trial that has failed already.

    Args:
        paths: the artifacts.
        open_file: opens one, as `edge_deeplab.runtimes.open_artifact` does.
        dataset: what they will be measured on.
        class_map: what the ids of files without self-description mean.
    """
    trials = [Trial(path, Tally(dataset)) for path in paths]
    for trial in trials:
        trial.open(open_file, dataset, class_map)
    return trials


def measure_parity(
    trials: Sequence[Trial],
    reference_path: Path | None,
    open_reference: Callable[[tuple[int, int]], Runtime],
    dataset: SegmentationDataset,
    *,
    max_drop: float = MAX_DROP,
    progress: Advance | None = None,
) -> ParityReport:
    """Run the images through the reference and every opened artifact.

    Args:
        trials: from `open_trials`.
        reference_path: the reference checkpoint, for the report; None where no artifact could be opened.
        open_reference: gives the reference at an input size (height, width).
        dataset: the labelled images.
        max_drop: largest loss of mIoU points that passes.
        progress: called after each image.

    Raises:
        DataError: when the set is empty, or an image or mask cannot be read.
        EdgeDeepLabError: whatever the reference itself fails with.
    """
    if not len(dataset):
        raise DataError(f"data set {dataset.name} has no images; at least one was expected")
    sizes = list(dict.fromkeys(t.contestant.size_hw for t in trials if t.contestant is not None))
    references = {size: Contestant(open_reference(size), dataset) for size in sizes}
    tallies = {size: Tally(dataset) for size in sizes}
    for index in range(len(dataset) if sizes else 0):
        sample = dataset[index]
        reference_ids: dict[tuple[int, int], Ids] = {}
        for size, reference in references.items():
            reference_ids[size], latency_ms = reference.predict(sample.image_hwc)
            tallies[size].add(sample, reference_ids[size], latency_ms)
        for trial in trials:
            if trial.contestant is not None:
                trial.run(sample, reference_ids[trial.contestant.size_hw])
        if progress is not None:
            progress()
    evaluations = {size: tallies[size].evaluation(r) for size, r in references.items()}
    artifacts = tuple(trial.against(evaluations, max_drop) for trial in trials)
    return ParityReport(reference_path, tuple(evaluations.values()), artifacts, len(dataset))
