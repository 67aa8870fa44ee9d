"""What parity found: each artifact's numbers beside the reference's, and the verdict.

An artifact passes where the whole interval of its difference is within the allowed points, and fails where none of it
is (`deciding.py`); one that could not be measured fails with its error, and every failure is kept.
"""

from dataclasses import asdict, dataclass
from math import isnan, nan
from pathlib import Path
from typing import Any

from edge_deeplab.description import Description
from edge_deeplab.errors import EdgeDeepLabError, ParityError
from edge_deeplab.evaluation.bootstrap import FEWEST_IMAGES, FEWEST_TRUSTED, bootstrap_interval
from edge_deeplab.evaluation.deciding import ParityVerdict, ScoreDifference, worst_verdict
from edge_deeplab.evaluation.drift import DriftChain
from edge_deeplab.evaluation.mistakes import Suspicion
from edge_deeplab.evaluation.replayed import DeviceReplay
from edge_deeplab.evaluation.scores import Evaluation, finite_or_none
from edge_deeplab.targets import target_of
from edge_deeplab.text import size_text


@dataclass(frozen=True)
class ArtifactParity:
    """One artifact against the reference.

    Args:
        path: the artifact.
        description: what it says of itself, or None.
        runtime: name and version of what executed it; None when nothing could.
        max_drop: largest loss of mIoU points that passes.
        reference: the reference's scores at the artifact's size; None when the artifact failed.
        evaluation: the artifact's own scores; None when it failed.
        pixel_agreement: fraction of pixels at which both predict the same class, at the artifact's size.
        delta_interval: 95 % paired-bootstrap interval of `delta_miou`.
        error: why it could not be measured; None when it was.
        replay: what a device says of itself, where its class maps were scored; `path` is their folder then.
        suspicion: what would explain class maps that differ much from what they should be.
    """

    path: Path
    description: Description | None
    runtime: str | None
    max_drop: float
    reference: Evaluation | None = None
    evaluation: Evaluation | None = None
    pixel_agreement: float = nan
    delta_interval: tuple[float, float] = (nan, nan)
    error: str | None = None
    replay: DeviceReplay | None = None
    suspicion: Suspicion | None = None

    @property
    def miou(self) -> float:
        """MIoU in points; nan when it could not be measured."""
        return nan if self.evaluation is None else self.evaluation.miou

    @property
    def delta_miou(self) -> float:
        """Artifact's mIoU minus the reference's, in points."""
        return self.miou - (nan if self.reference is None else self.reference.miou)

    @property
    def per_class_delta(self) -> dict[str, float]:
        """Artifact's IoU minus the reference's by class, in points; empty when it could not be measured."""
        if self.evaluation is None or self.reference is None:
            return {}
        return {
            name: iou - self.reference.per_class[name]
            for name, iou in self.evaluation.per_class.items()
        }

    @property
    def difference(self) -> ScoreDifference:
        """What is known of `delta_miou`, and what follows."""
        images = 0 if self.evaluation is None else self.evaluation.images
        return ScoreDifference(self.delta_miou, self.delta_interval, images, self.max_drop)

    @property
    def verdict(self) -> ParityVerdict:
        """Whether it keeps the reference's score, chance aside."""
        return self.difference.verdict

    @property
    def passed(self) -> bool:
        """Whether it was measured and the whole interval of its difference is within `max_drop` points."""
        return self.verdict is ParityVerdict.PASSED

    @property
    def doubt(self) -> str | None:
        """What is not settled and what would settle it, in one sentence; None where it passed or failed."""
        if self.verdict is not ParityVerdict.INCONCLUSIVE:
            return None
        return f"{self.path} {self.difference.doubt}"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is wrong with its class maps whatever they score, a sentence each."""
        lost = None if self.replay is None else self.replay.no_class
        found = (
            lost.reason if lost is not None and lost.pixels else None,
            None if self.suspicion is None else self.suspicion.sentence(),
        )
        return tuple(each for each in found if each is not None)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Its remarks, each after its path."""
        return tuple(f"{self.path}: {each}" for each in self.remarks)

    def failure(self) -> EdgeDeepLabError | None:
        """Return what is wrong, in one sentence; None when it did not fail."""
        if self.verdict is not ParityVerdict.FAILED:
            return None
        if self.error is not None:
            return EdgeDeepLabError(self.error)
        reference = nan if self.reference is None else self.reference.miou
        if isnan(reference):
            return ParityError(
                f"{self.path} cannot be compared: no pixel of the images that were scored is labelled; masks with ids "
                "of classes were expected; look at the data, or name a split that is labelled",
                measured=nan,
                limit=self.max_drop,
            )
        return ParityError(
            f"{self.path} scores {self.miou:.3f} mIoU where the reference scores {reference:.3f}; a loss of at most "
            f"{self.max_drop:g} points was expected; its classes show where it is lost, max_drop sets the limit",
            measured=-self.delta_miou,
            limit=self.max_drop,
        )

    def to_json(self) -> dict[str, Any]:
        """Return its entry in `parity --json`; what could not be measured is null."""
        own, about = self.evaluation, self.description
        low, high = (finite_or_none(v) for v in self.delta_interval)
        return {
            "path": str(self.path),
            "target": about.target if about else target_of(self.path),
            "precision": about.precision if about else None,
            "runtime": self.runtime,
            "size_hw": list(own.size_hw) if own else None,
            "miou": finite_or_none(self.miou),
            "reference_miou": finite_or_none(self.reference.miou) if self.reference else None,
            "delta_miou": finite_or_none(self.delta_miou),
            "delta_interval": [low, high],
            "per_class_delta": {n: finite_or_none(d) for n, d in self.per_class_delta.items()},
            "pixel_agreement": finite_or_none(self.pixel_agreement),
            "boundary_miou": finite_or_none(own.boundary_miou) if own else None,
            "latency_ms": finite_or_none(own.latency_ms) if own else None,
            "verdict": self.verdict,
            "passed": self.passed,
            "more_images": self.difference.more_images,
            "error": self.error,
            "suspicion": None if self.suspicion is None else asdict(self.suspicion),
            **({} if self.replay is None else self.replay.to_json()),
        }


@dataclass(frozen=True)
class SizeCost:
    """What a size of the picture costs whatever runs the network.

    Args:
        size_hw: height and width.
        best_hw: the size at which the reference scores best.
        delta_miou: the reference's mIoU at the one minus that at the other, in points.
        delta_interval: its 95 % paired-bootstrap interval.
    """

    size_hw: tuple[int, int]
    best_hw: tuple[int, int]
    delta_miou: float
    delta_interval: tuple[float, float]

    def sentence(self) -> str:
        """Say it in one sentence."""
        low, high = self.delta_interval
        return (
            f"size {size_text(self.size_hw)} costs accuracy whatever runs it: the reference loses "
            f"{-self.delta_miou:.2f} points there ({-high:.2f} to {-low:.2f}) against {size_text(self.best_hw)}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return its entry in `parity --json`."""
        return {
            "size_hw": list(self.size_hw),
            "best_hw": list(self.best_hw),
            "delta_miou": self.delta_miou,
            "delta_interval": list(self.delta_interval),
        }


@dataclass(frozen=True)
class ParityReport:
    """Every artifact against the reference.

    Args:
        reference_path: the checkpoint; None where no artifact could be opened.
        references: the reference's scores at each input size that an artifact has, the first artifact's first.
        artifacts: in the order they came.
        images: how many images were seen.
        chains: of each file that was followed layer by layer, where the difference arises.
    """

    reference_path: Path | None
    references: tuple[Evaluation, ...]
    artifacts: tuple[ArtifactParity, ...]
    images: int
    chains: tuple[DriftChain, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all artifacts passed."""
        return all(artifact.passed for artifact in self.artifacts)

    @property
    def size_costs(self) -> tuple[SizeCost, ...]:
        """The sizes at which the reference itself scores less than at the best one, chance aside."""
        best = max(self.references, key=lambda own: own.miou, default=None)
        costs = [
            SizeCost(
                own.size_hw,
                best.size_hw,
                own.miou - best.miou,
                bootstrap_interval(best.confusions, own.confusions),
            )
            for own in self.references
            if best is not None and own is not best
        ]
        return tuple(cost for cost in costs if cost.delta_interval[1] < 0)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with class maps whatever they score, a sentence each."""
        return tuple(warning for artifact in self.artifacts for warning in artifact.warnings)

    @property
    def caution(self) -> str | None:
        """What to think of intervals of so few images; None where they are what they are said to be."""
        if not FEWEST_IMAGES <= self.images < FEWEST_TRUSTED:
            return None
        return (
            f"intervals of {self.images} images are narrower than they should be; {FEWEST_TRUSTED} or more were "
            "expected"
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to think of the figures, a sentence each: of few images, and of sizes that cost accuracy."""
        cautions = () if self.caution is None else (self.caution,)
        return (*cautions, *(cost.sentence() for cost in self.size_costs))

    def failures(self) -> list[EdgeDeepLabError]:
        """Return one sentence for each artifact that failed, and each that could not be followed."""
        failures = [error for a in self.artifacts if (error := a.failure()) is not None]
        unexplained = [EdgeDeepLabError(c.error) for c in self.chains if c.error is not None]
        return failures + unexplained

    @property
    def doubts(self) -> tuple[str, ...]:
        """One sentence for each artifact of which the images settle nothing."""
        return tuple(a.doubt for a in self.artifacts if a.doubt is not None)

    @property
    def replays(self) -> tuple[ArtifactParity, ...]:
        """The rows that devices made and that were scored."""
        scored = (artifact for artifact in self.artifacts if artifact.evaluation is not None)
        return tuple(artifact for artifact in scored if artifact.replay is not None)

    def to_json(self) -> dict[str, Any]:
        """Return the document of `parity --json`; `reference` is at the first artifact's size, `by_size` at each."""
        by_size = [evaluation.scores_to_json() for evaluation in self.references]
        first: dict[str, Any] = by_size[0] if by_size else {"miou": None}
        document = {
            "reference": {**first, "path": self._reference_path(), "by_size": by_size},
            "artifacts": [artifact.to_json() for artifact in self.artifacts],
            "images": self.images,
            "passed": self.passed,
            "verdict": worst_verdict(artifact.verdict for artifact in self.artifacts),
        }
        if costs := self.size_costs:
            document["size_costs"] = [cost.to_json() for cost in costs]
        if self.chains:
            document["explain"] = [chain.to_json() for chain in self.chains]
        return document

    def _reference_path(self) -> str | None:
        return None if self.reference_path is None else str(self.reference_path)
