"""The chain's report: what is told of every stage and every file, typed here and written as one JSON document."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edge_deeplab.checker.verdicts import Verdict
from edge_deeplab.evaluation.deciding import ParityVerdict
from edge_deeplab.targets import TargetName

CHECKPOINTS_FOLDER, EXPORTS_FOLDER = "checkpoints", "exports"


@dataclass(frozen=True)
class Scores:
    """What one file scored.

    Args:
        miou: in points.
        delta_miou: its mIoU minus the reference's, in points.
        delta_interval: 95 % paired-bootstrap interval of that difference.
        pixel_agreement: fraction of pixels at which both predict the same class.
        boundary_miou: mIoU near label boundaries, in points; None where nothing lies there.
        runtime: name and version of what ran it.
    """

    miou: float | None = None
    delta_miou: float | None = None
    delta_interval: tuple[float, float] | None = None
    pixel_agreement: float | None = None
    boundary_miou: float | None = None
    runtime: str | None = None


@dataclass(frozen=True)
class ExportScores:
    """What the files of one stage in one precision scored.

    Args:
        reference_miou: of the reference, in points, at the files' size.
        images: number of images.
        files: by target.
    """

    reference_miou: float | None
    images: int
    files: Mapping[TargetName, Scores]


@dataclass(frozen=True)
class Times:
    """How fast one file ran.

    Args:
        median_ms: median latency.
        p95_ms: 95th percentile.
        threads: CPU threads.
        ratio_to_first: time over that of the first file of its target, pair by pair.
    """

    median_ms: float
    p95_ms: float
    threads: int
    ratio_to_first: float


@dataclass(frozen=True)
class TrainingTime:
    """What a stage's training took: epochs of all its rounds, and minutes."""

    epochs: int
    minutes: float


@dataclass(frozen=True)
class StageReport:
    """A network on its way.

    Args:
        stage: reference, pruned, int8 or pruned-int8.
        checkpoint: name of the one that came; of one that was trained, its file in the run's folder.
        sha256: hash of its content.
        parameters: number of weights.
        multiply_adds: of one image.
        size_hw: height and width of that image.
        training: None for the one that came.
    """

    stage: str
    checkpoint: str
    sha256: str
    parameters: int
    multiply_adds: int
    size_hw: tuple[int, int]
    training: TrainingTime | None


@dataclass(frozen=True)
class FileReport:
    """A file of a stage.

    Args:
        stage: whose.
        target: what it is made for.
        precision: fp32, fp16 or int8.
        path: its place in the run's folder.
        bytes: its size.
        operators: how many are ok, slow, fallback and rejected, each by the worst that a profile says.
        scores: empty where it was not scored.
        times: None where it was not timed.
        verdict: whether it loses no more than the recipe allows, chance aside; None where nothing was scored.
    """

    stage: StageReport
    target: TargetName
    precision: str
    path: str
    bytes: int
    operators: Mapping[Verdict, int]
    scores: Scores
    times: Times | None
    verdict: ParityVerdict | None

    @property
    def passed(self) -> bool | None:
        """Whether it surely loses no more than that; None where nothing was scored."""
        return None if self.verdict is None else self.verdict is ParityVerdict.PASSED

    def to_json(self) -> dict[str, Any]:
        """Return the file's entry."""
        times = self.times
        return {
            "stage": self.stage.stage,
            "target": self.target,
            "precision": self.precision,
            "path": self.path,
            "bytes": self.bytes,
            "parameters": self.stage.parameters,
            "multiply_adds": self.stage.multiply_adds,
            "operators": dict(self.operators),
            **asdict(self.scores),
            "latency_ms": times and {"median": times.median_ms, "p95": times.p95_ms},
            "ratio_to_reference": times and times.ratio_to_first,
            "threads": times and times.threads,
            "verdict": self.verdict,
            "passed": self.passed,
        }


@dataclass(frozen=True)
class ChainReport:
    """What a chain came to.

    Args:
        stages: the reference first.
        miou: the reference's, in points; None where nothing was scored.
        images: number of images that were scored; None where nothing was.
        files: every file.
        steps: name and key of every step, in order.
        failures: one sentence for everything that is wrong.
        doubts: one sentence for each file of which the images settle nothing.
    """

    stages: Sequence[StageReport]
    miou: float | None
    images: int | None
    files: Sequence[FileReport]
    steps: Sequence[tuple[str, str]]
    failures: Sequence[str]
    doubts: Sequence[str] = ()

    @property
    def name(self) -> str:
        """Name of the reference."""
        return self.stages[0].checkpoint

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong, and nothing left open."""
        return not self.failures and not self.doubts

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "reference": {
                "name": self.name,
                "sha256": self.stages[0].sha256,
                "miou": self.miou,
            },
            "images": self.images,
            "stages": [asdict(stage) for stage in self.stages],
            "files": [file.to_json() for file in self.files],
            "steps": [{"step": step, "key": key} for step, key in self.steps],
            "failures": list(self.failures),
            "inconclusive": list(self.doubts),
            "passed": self.passed,
        }
