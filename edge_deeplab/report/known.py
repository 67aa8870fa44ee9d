"""What a page is about, as typed values: who measured fills it, who draws reads it. What is None is not known."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.checker.judging import count_worst
from edge_deeplab.checker.report import ArtifactReport, CheckResult, UnreadArtifact
from edge_deeplab.checker.verdicts import Verdict
from edge_deeplab.data.inspection.summary import DataSummary
from edge_deeplab.description import ClassInfo
from edge_deeplab.evaluation.drift import DriftChain
from edge_deeplab.evaluation.latency import Failed, Latency, Row
from edge_deeplab.evaluation.scores import Evaluation, TrimapBand
from edge_deeplab.evaluation.verdict import ArtifactParity
from edge_deeplab.formats.sizes import Size
from edge_deeplab.lab.report import LabReport
from edge_deeplab.report.class_scores import ClassScore
from edge_deeplab.report.curves import Curve
from edge_deeplab.report.lineage import Detail, Story
from edge_deeplab.report.watching import KeptImage
from edge_deeplab.targets import target_of


@dataclass(frozen=True)
class ModelCard:
    """A checkpoint.

    Args:
        name: what artifacts call it.
        facts: what the network is, what it costs and what its terms are, in a line each.
        classes: in id order.
        results: scores that it says of itself.
    """

    name: str
    facts: tuple[Detail, ...]
    classes: tuple[ClassInfo, ...]
    results: tuple[Detail, ...]


@dataclass(frozen=True)
class Scored:
    """What one runtime scored.

    Args:
        evaluation: its counts.
        classes: scores by class, in id order.
        bands: scores near label boundaries; none where they were not counted.
    """

    evaluation: Evaluation
    classes: tuple[ClassScore, ...]
    bands: tuple[TrimapBand, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One exported file, at one of its sizes, or a device's class maps.

    Args:
        number: what it is called in plots and tables, from 1.
        path: the file, or the folder of a device's class maps.
        name: what tells it from the page's others; None is the file's own.
        bytes: its size on disk.
        parity: its scores against the reference; None where nothing was scored.
        scored: the same by class and near boundaries; None where it was not scored.
        images: at which it agrees least with the reference.
        latency: its row of the bench.
        check: what becomes of its operators.
        drift: layer by layer, a mean over images.
    """

    number: int
    path: Path
    name: str | None = None
    bytes: int | None = None
    parity: ArtifactParity | None = None
    scored: Scored | None = None
    images: tuple[KeptImage, ...] = ()
    latency: Row | None = None
    check: CheckResult | None = None
    drift: DriftChain | None = None

    @property
    def label(self) -> str:
        """What it is called where people read."""
        return self.name or self.path.name

    @property
    def target(self) -> str:
        """What it is made for; empty where its ending does not tell."""
        about = None if self.parity is None else self.parity.description
        return (about.target if about else target_of(self.path)) or ""

    @property
    def precision(self) -> str:
        """Of its numbers; empty where it does not describe itself."""
        about = None if self.parity is None else self.parity.description
        return about.precision if about else ""

    @property
    def size_hw(self) -> Size | None:
        """Its input size; None where it was not scored."""
        return None if self.scored is None else self.scored.evaluation.size_hw

    @property
    def median_ms(self) -> float | None:
        """Its time; None where it was not timed."""
        return self.latency.median_ms if isinstance(self.latency, Latency) else None

    @property
    def operators(self) -> Mapping[Verdict, int] | None:
        """How many operators have each verdict, by the worst that a profile says; None where it was not checked."""
        if not isinstance(self.check, ArtifactReport) or not self.check.profiles:
            return None
        return count_worst([[v.verdict for v in p.verdicts] for p in self.check.profiles])

    @property
    def errors(self) -> tuple[str, ...]:
        """Why something is not known of it, each sentence once."""
        told = [
            None if self.parity is None else self.parity.error,
            self.latency.error if isinstance(self.latency, Failed) else None,
            self.check.error if isinstance(self.check, UnreadArtifact) else None,
            None if self.drift is None else self.drift.error,
        ]
        return tuple(dict.fromkeys(sentence for sentence in told if sentence))

    def to_json(self) -> dict[str, Any]:
        """Return its entry in `report --json`."""
        counts = self.operators
        latency = self.latency if isinstance(self.latency, Latency) else None
        measured = self.parity.to_json() if self.parity else {"path": str(self.path)}
        return {
            **measured,
            "bytes": self.bytes,
            "bench_ms": latency and {"median": latency.median_ms, "p95": latency.p95_ms},
            "operators": counts and {verdict.value: count for verdict, count in counts.items()},
            "errors": list(self.errors),
        }


@dataclass(frozen=True)
class Timing:
    """How files were timed: rounds, and CPU threads."""

    rounds: int
    threads: int


@dataclass(frozen=True)
class Page:
    """All that a page shows; a part that is empty or None is left out.

    Args:
        title: what the page is about.
        max_drop: largest loss of mIoU points that passes.
        models: the reference first.
        stories: where each of them comes from.
        curves: of runs.
        data: what is known of the labelled images.
        classes: theirs, in whose colours class maps are drawn.
        summary: what the whole data set holds and all that is wrong with it; None where it was not read.
        references: the reference's scores by input size, the first file's first.
        entries: the files.
        timing: how they were timed.
        lab: what vendors' tools say.
        remarks: what to think of the figures, a sentence each.
        notes: what could not be done, a sentence each.
    """

    title: str
    max_drop: float
    models: tuple[ModelCard, ...] = ()
    stories: tuple[Story, ...] = ()
    curves: tuple[Curve, ...] = ()
    data: tuple[Detail, ...] = ()
    classes: tuple[ClassInfo, ...] = ()
    summary: DataSummary | None = None
    references: tuple[Scored, ...] = ()
    entries: tuple[Entry, ...] = ()
    timing: Timing | None = None
    lab: LabReport | None = None
    remarks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def scored(self) -> tuple[Entry, ...]:
        """The files that were scored."""
        return tuple(entry for entry in self.entries if entry.scored is not None)

    @property
    def class_infos(self) -> tuple[ClassInfo, ...]:
        """The classes that scores are by, in the colours of class maps; none where nothing was scored."""
        names = self.references[0].evaluation.class_names if self.references else ()
        known = {c.name: c for c in self.classes}
        return tuple(known.get(name, ClassInfo(name, (128, 128, 128))) for name in names)


@dataclass(frozen=True)
class WrittenReport:
    """A page that was written, or was to be.

    Args:
        path: where.
        bytes: its size; None where it could not be written.
        entries: the files that it is about.
        notes: what could not be done, a sentence each.
        plots: pictures that were written beside it.
    """

    path: Path
    bytes: int | None
    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()
    plots: tuple[Path, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the document of `report --json`."""
        return {
            "path": str(self.path),
            "bytes": self.bytes,
            "artifacts": [entry.to_json() for entry in self.entries],
            "notes": list(self.notes),
            "plots": [str(path) for path in self.plots],
        }
