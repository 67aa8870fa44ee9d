"""One artifact on its way through the images of a measurement.

Whatever goes wrong with it ends it and becomes its result, so that the others go on.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

import numpy as np

from edge_deeplab.data.dataset import Sample, SegmentationDataset
from edge_deeplab.description import Description
from edge_deeplab.errors import EdgeDeepLabError
from edge_deeplab.evaluation.bootstrap import bootstrap_interval
from edge_deeplab.evaluation.class_map import ClassMap
from edge_deeplab.evaluation.evaluate import Contestant, Tally
from edge_deeplab.evaluation.metrics import Ids, pixel_agreement
from edge_deeplab.evaluation.mistakes import (
    SHOWN,
    SWAPPED,
    Compared,
    Suspicion,
    agreement_if,
    suspect,
)
from edge_deeplab.evaluation.scores import Evaluation
from edge_deeplab.evaluation.verdict import ArtifactParity
from edge_deeplab.formats.sizes import Size
from edge_deeplab.runtimes.base import Runtime
from edge_deeplab.text import first_line

log = logging.getLogger(__name__)


@dataclass
class Entrant:
    """One artifact; its first failure ends it and is kept.

    Args:
        path: the artifact.
        listed_hw: the size that it is run at, of an artifact that lists several.
        contestant: the opened artifact; None once it failed.
        runtime: name of what executes it.
        description: what it says of itself.
        error: why it ended.
    """

    path: Path
    _: KW_ONLY
    listed_hw: Size | None = None
    contestant: Contestant | None = None
    runtime: str | None = None
    description: Description | None = None
    error: str | None = None

    def open(
        self,
        open_file: Callable[..., Runtime],
        dataset: SegmentationDataset | None,
        class_map: ClassMap | None,
    ) -> None:
        """Open the artifact, in place; a failure becomes the trial's result."""
        with self._keeping_failure():
            runtime = open_file(self.path, size_hw=self.listed_hw)
            self.runtime, self.description = runtime.name, runtime.description
            self.contestant = Contestant(runtime, dataset, class_map)

    @contextmanager
    def _keeping_failure(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            # Whatever a third-party runtime raises is this artifact's result, not the command's end.
            log.debug("%s failed", self.path, exc_info=True)
            self.contestant = None
            self.error = failure_sentence(self.path, error)


@dataclass
class Trial(Entrant):
    """One artifact of a parity run; `Entrant` says the rest.

    Args:
        tally: its counts.
        agreements: fraction of pixels that agree with the reference, one an image.
        ids: what it predicts for the image that was run last.
        compared: the first images, with what it and the reference predict.
    """

    tally: Tally
    agreements: list[float] = field(default_factory=list)
    ids: Ids | None = None
    compared: list[Compared] = field(default_factory=list)

    def run(self, sample: Sample, reference_ids: Mapping[Size, Ids]) -> None:
        """Predict and count one image, in place; a failure becomes the trial's result.

        Args:
            sample: the labelled image.
            reference_ids: what the reference predicts for it at each input size.
        """
        if self.contestant is None:
            return
        with self._keeping_failure():
            self.ids, latency_ms = self.contestant.segment(sample)
            reference = reference_ids[self.contestant.size_hw]
            self.agreements.append(pixel_agreement(self.ids, reference))
            self.tally.add(sample, self.ids, latency_ms)
            if len(self.compared) < SHOWN:
                self.compared.append(Compared(sample.image_hwc, self.ids, reference))

    def _suspect_or_not(self, contestant: Contestant) -> Suspicion | None:
        try:
            return self.suspect(contestant)
        except Exception:  # of a third-party runtime; the scores stand
            log.debug("%s failed while it was looked into", self.path, exc_info=True)
            return None

    def against(self, references: Mapping[Size, Evaluation], max_drop: float) -> ArtifactParity:
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
        suspicion = self._suspect_or_not(self.contestant)
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
            suspicion=suspicion,
        )

    def suspect(self, contestant: Contestant) -> Suspicion | None:
        """Return what would explain class maps that differ from the reference's; runs the artifact where they do."""
        return suspect(
            self.compared,
            contestant.class_names,
            (SWAPPED,),
            lambda mistake, each: agreement_if(
                mistake, each.image_hwc, each.wanted, lambda image: contestant.predict(image)[0]
            ),
        )


def failure_sentence(path: Path, error: Exception) -> str:
    """Return why a file failed, of which a third-party runtime may have raised anything."""
    if isinstance(error, EdgeDeepLabError):
        return str(error)
    return f"{path} could not be run ({type(error).__name__}: {first_line(error)}); the debug log shows where"
