"""A page's measurements: parity once over the images, bench, check, drift and the lab; each fails alone.

What cannot be measured is a sentence in the page, and the rest goes on.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from edge_deeplab.checker.report import CheckResult, UnreadArtifact, check_artifacts
from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.data.inspection.inspect import InspectRequest, inspect
from edge_deeplab.data.inspection.summary import DataSummary
from edge_deeplab.errors import EdgeDeepLabError
from edge_deeplab.evaluation.bench import BenchRequest, bench
from edge_deeplab.evaluation.drift import DriftChain
from edge_deeplab.evaluation.evaluate import evaluate_runtime
from edge_deeplab.evaluation.explain import explain_report
from edge_deeplab.evaluation.latency import BenchReport
from edge_deeplab.evaluation.parity import measure_parity, open_trials
from edge_deeplab.evaluation.reference import open_reference
from edge_deeplab.evaluation.trial import Trial
from edge_deeplab.evaluation.verdict import ArtifactParity, ParityReport
from edge_deeplab.extras import missing_dependency
from edge_deeplab.formats.sizes import Size
from edge_deeplab.lab.matrix import LabRequest, run_lab
from edge_deeplab.lab.observers import available_observers
from edge_deeplab.lab.report import LabReport
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.models.shipped import resolve_checkpoint
from edge_deeplab.progress import Progress
from edge_deeplab.report.bands import WIDTHS_PX
from edge_deeplab.report.chain import ChainWitness, merge
from edge_deeplab.report.filling import (
    ScoredFiles,
    data_facts,
    fill,
    join,
    mean_chain,
    scored_by,
)
from edge_deeplab.report.known import Page, Scored, Timing
from edge_deeplab.report.lineage import story_of
from edge_deeplab.report.models import Checkpoints, describe_checkpoint
from edge_deeplab.report.named import Named
from edge_deeplab.report.request import ReportRequest
from edge_deeplab.report.watching import Watcher
from edge_deeplab.runtimes.base import Runtime

Found = TypeVar("Found")


def measure(
    request: ReportRequest, named: Named, progress: Progress, witness: ChainWitness | None = None
) -> Page:
    """Return all that a page shows.

    Args:
        request: what is asked for.
        named: what its paths mean.
        progress: told of every stage.
        witness: who has seen files scored and timed already; None where nobody has.

    Raises:
        CheckpointError: when the reference that was asked for is not found or cannot be read.
        DataError: when the labelled images cannot be read, or there are none.
        MissingDependencyError: without torch.
    """
    dataset, class_map = request.open_data(), request.read_class_map()
    watcher, checkpoints = Watcher(dataset), Checkpoints()
    for path in named.checkpoints:
        checkpoints.add(path)
    seen = ScoredFiles() if witness is None else witness.files(named.artifacts, request.max_drop)
    known = {entry.path for entry in seen.entries}
    unseen = [path for path in named.artifacts if path not in known]
    if witness is not None and unseen:
        names = ", ".join(path.name for path in unseen)
        progress.note(f"page: {names}: run for the page, because no class maps of them were kept")
    trials = open_trials(unseen, request.open_file, dataset, class_map, progress, watcher.trial)
    described = {e.path: e.parity.description for e in seen.entries if e.parity is not None}
    described |= {trial.path: trial.description for trial in trials}
    checkpoints.find({p: about for p, about in described.items() if about is not None})
    reference = checkpoints.reference(request.reference, given=named.checkpoints)
    if reference is None and any(trial.contestant is not None for trial in trials):
        reference = checkpoints.add(resolve_checkpoint(None))
    scores = _score(request, trials, reference, dataset, progress)
    measured = merge(named.artifacts, seen, fill(scores, watcher))
    kept = None if witness is None else witness.times_of(named.artifacts)
    times = _times(request, named.artifacts, kept, checkpoints.notes, progress)
    checks = _check(named.artifacts, progress)
    whole = _report_of(measured, reference, dataset)
    chains = _drift(request, whole, dataset, checkpoints.notes, progress)
    about = sorted(checkpoints, key=lambda checkpoint: checkpoint is not reference)
    return Page(
        title="report" if reference is None else reference.name,
        max_drop=request.max_drop,
        models=tuple(describe_checkpoint(c) for c in about),
        stories=tuple(story_of(c) for c in about),
        curves=named.curves,
        data=data_facts(dataset),
        classes=tuple(dataset.classes),
        summary=_inspect(request, checkpoints.notes, progress),
        references=measured.references or _alone(reference, dataset, progress),
        entries=join(measured.entries, times, checks, chains),
        timing=None if times is None else Timing(times.rounds, times.threads),
        lab=_lab(request, named.artifacts, checkpoints.notes, progress),
        remarks=whole.remarks,
        notes=tuple(dict.fromkeys(checkpoints.notes)),
    )


def _report_of(
    measured: ScoredFiles, reference: Checkpoint | None, dataset: SegmentationDataset
) -> ParityReport:
    artifacts = tuple(entry.parity for entry in measured.entries if entry.parity is not None)
    references = tuple(scored.evaluation for scored in measured.references)
    path = None if reference is None else reference.path
    return ParityReport(path, references, artifacts, len(dataset))


def _times(
    request: ReportRequest,
    paths: Sequence[Path],
    known: BenchReport | None,
    notes: list[str],
    progress: Progress,
) -> BenchReport | None:
    """Return the times of files; only those are taken that are not known."""
    if known is None or not known.rows:
        return _bench(request, paths, notes, progress)
    timed = {row.path for row in known.rows}
    rest = _bench(request, [path for path in paths if path not in timed], notes, progress)
    return known if rest is None else replace(known, rows=(*known.rows, *rest.rows))


def _score(
    request: ReportRequest,
    trials: Sequence[Trial],
    reference: Checkpoint | None,
    dataset: SegmentationDataset,
    progress: Progress,
) -> ParityReport:
    def open_at(size_hw: Size) -> Runtime:
        assert reference is not None, "a reference is opened only for files that were opened"
        return open_reference(reference, size_hw)

    path, drop = None if reference is None else reference.path, request.max_drop
    return measure_parity(trials, path, open_at, dataset, drop, progress)


def _alone(
    reference: Checkpoint | None, dataset: SegmentationDataset, progress: Progress
) -> tuple[Scored, ...]:
    """Return the scores of the reference, where there is one and no file is held against it."""
    if reference is None:
        return ()
    progress.begin(f"loading {reference.name}")
    runtime = open_reference(reference, reference.info.size_hw)
    evaluation = evaluate_runtime(runtime, dataset, trimap=WIDTHS_PX, progress=progress)
    return (scored_by(evaluation, bands=evaluation.trimap),)


def _bench(
    request: ReportRequest, paths: Sequence[Path], notes: list[str], progress: Progress
) -> BenchReport | None:
    if not paths:
        return None
    asked = BenchRequest(
        artifacts=tuple(paths),
        threads=request.threads,
        rounds=request.rounds,
        runtime=request.runtime,
        allowance=request.allowance,
    )
    return _or_note(lambda: bench(asked, progress), notes)


def _check(paths: Sequence[Path], progress: Progress) -> list[CheckResult]:
    """Return what becomes of each file's operators; one that cannot be read has the reason instead."""
    observers, found = available_observers(), list[CheckResult]()
    for path in paths:
        failed: list[str] = []

        def ask(path: Path = path) -> Sequence[CheckResult]:
            return check_artifacts([path], (), observers, progress=progress)

        found += _or_note(ask, failed) or ()
        found += [UnreadArtifact(path, sentence) for sentence in failed]
    return found


def _drift(
    request: ReportRequest,
    report: ParityReport,
    dataset: SegmentationDataset,
    notes: list[str],
    progress: Progress,
) -> list[DriftChain]:
    """Return each file's chain of steps, a mean over the first images; those of one checkpoint go together."""
    pictures = [dataset[i].image_hwc for i in range(min(request.drift_images, len(dataset)))]
    if not pictures:
        return []
    groups: dict[str, list[ArtifactParity]] = {}
    for artifact in report.artifacts:
        if artifact.description is not None and artifact.evaluation is not None:
            groups.setdefault(artifact.description.checkpoint_sha256, []).append(artifact)
    chains: list[DriftChain] = []
    for group in groups.values():
        part = replace(report, artifacts=tuple(group))

        def follow(part: ParityReport = part) -> list[DriftChain]:
            followed = explain_report(part, pictures, progress)
            return [mean_chain(same) for same in followed]

        chains += _or_note(follow, notes) or []
    return chains


def _inspect(request: ReportRequest, notes: list[str], progress: Progress) -> DataSummary | None:
    if request.data is None:
        return None
    asked = InspectRequest(request.data, max_pixels=request.max_pixels)
    return _or_note(lambda: inspect(asked, progress), notes)


def _lab(
    request: ReportRequest, paths: Sequence[Path], notes: list[str], progress: Progress
) -> LabReport | None:
    if not request.devices or not paths:
        return None
    asked = LabRequest(artifacts=tuple(paths), devices=request.devices)
    return _or_note(lambda: run_lab(asked, progress), notes)


def _or_note(work: Callable[[], Found], notes: list[str]) -> Found | None:
    """Return what work gives; where it fails its sentence is noted, and None returned."""
    try:
        return work()
    except EdgeDeepLabError as error:
        notes.append(str(error))
    except ModuleNotFoundError as error:
        missing = missing_dependency(error)
        if missing is None:
            raise
        notes.append(str(missing))
    return None
