"""The steps after training: files of each stage, what devices make of them, what they score, how fast they run.

A measurement is made once and kept with its step, so a chain that goes on reports the same numbers. Scores depend on
nothing but files and data; times are the one thing that two runs do not share.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any

from edge_deeplab.checker.judging import count_worst
from edge_deeplab.checker.report import check_artifact
from edge_deeplab.checker.rules import load_profile
from edge_deeplab.checker.verdicts import Verdict
from edge_deeplab.compress.job import Job
from edge_deeplab.compress.report import ExportScores, Scores, Times
from edge_deeplab.compress.stages import Stage
from edge_deeplab.compress.steps import Finished, Make, Step
from edge_deeplab.config import BenchSection, ExportSection, ParitySection
from edge_deeplab.converters.export import export_checkpoint
from edge_deeplab.converters.noise import quietly
from edge_deeplab.converters.request import ExportRequest, resolve_targets
from edge_deeplab.data.rendered_set import resolve_dataset
from edge_deeplab.documents import read_json
from edge_deeplab.errors import ArtifactError, DataError
from edge_deeplab.evaluation.bench import measure_latency
from edge_deeplab.evaluation.latency import BenchReport, Latency
from edge_deeplab.evaluation.parity import measure_parity, open_trials
from edge_deeplab.evaluation.trial import Trial
from edge_deeplab.evaluation.verdict import ParityReport
from edge_deeplab.files import write_atomically
from edge_deeplab.formats.manifest import MANIFEST
from edge_deeplab.lab.observers import available_observers
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.runtimes.coreml import core_ml_runs_here
from edge_deeplab.runtimes.open import open_artifact
from edge_deeplab.runtimes.torch import TorchRuntime
from edge_deeplab.targets import TARGETS, TargetName

Document = dict[str, Any]
"""JSON values, as they are kept with a step; no other module sees them."""

_TIMES = ("latency_ms", "seconds")
_APPLES = ("coreml", "coreai")
"""Targets whose files devices' own runtimes run on a Mac alone."""


@dataclass(frozen=True)
class Exported:
    """The files of one stage in one precision.

    Args:
        stage: whose.
        precision: fp32, fp16 or int8.
        files: paths by target.
        done: the step that wrote them.
    """

    stage: Stage
    precision: str
    files: Mapping[TargetName, Path]
    done: Finished

    @property
    def name(self) -> str:
        """What its steps are called after."""
        return self.stage.name if self.stage.is_quantized else f"{self.stage.name}-{self.precision}"


def precisions_of(stage: Stage, section: ExportSection) -> list[str]:
    """Return the precisions, among those asked for, that a stage's checkpoint has numbers for; fp32 comes first."""
    own = ("int8",) if stage.is_quantized else ("fp32", "fp16")
    return [precision for precision in own if precision in section.precisions]


def export(job: Job, stage: Stage, precision: str, section: ExportSection) -> Exported:
    """Return the files of a stage; errors as for `export_checkpoint`."""
    checkpoint, targets = stage.checkpoint, resolve_targets(section.targets)

    def make(folder: Path, resume: bool) -> list[Path]:
        request = ExportRequest(
            targets, precision, head=section.head, profiles=section.profiles, output=folder
        )
        artifacts = export_checkpoint(checkpoint, request)
        return [*(artifact.path for artifact in artifacts), folder / MANIFEST]

    suffix = "" if stage.is_quantized else f"-{precision}"
    settings = {
        "name": checkpoint.name,
        "precision": precision,
        "targets": list(targets),
        "head": section.head,
        "profiles": list(section.profiles),
    }
    step = Step(
        f"export-{stage.name}{suffix}",
        settings,
        {"checkpoint": checkpoint.sha256},
        ("torch", "timm", "numpy", *_packages(targets)),
        make,
    )
    done = job.run(step)
    files = dict(zip(targets, done.paths(), strict=False))  # the last path is the manifest's
    return Exported(stage, precision, files, done)


def check(
    job: Job, exported: Exported, section: ExportSection
) -> dict[TargetName, dict[Verdict, int]]:
    """Return by target how many operators of a file have each verdict; its whole report is kept with the step."""

    def make() -> Document:
        return {t: _check_file(t, path, section) for t, path in exported.files.items()}

    settings = {"profiles": list(section.profiles)}
    packages = _packages(section.targets)
    name, inputs = f"check-{exported.name}", exported.done.outputs
    document = _document_of(
        job, Step(name, settings, inputs, packages, _writing("check.json", make))
    )
    return {target: _count_verdicts(document[target]) for target in exported.files}


def parity(
    job: Job, reference: Checkpoint, exported: Exported, section: ParitySection
) -> ExportScores:
    """Return the scores of files against the reference; what `parity --json` gives is kept with the step.

    Raises:
        StepError: when a file cannot be run, or the reference or the data fails.
    """

    def make() -> Document:
        dataset = resolve_dataset(job.data, section.split, limit=section.limit)
        witness = job.witness
        trials = open_trials(
            list(exported.files.values()),
            open_artifact,
            dataset,
            progress=job.progress,
            make_trial=Trial if witness is None else witness.watch(dataset),
        )
        report = measure_parity(
            trials,
            reference.path,
            lambda size_hw: TorchRuntime(reference, size_hw=size_hw),
            dataset,
            progress=job.progress,
        )
        document = _scores(report, list(exported.files))
        if witness is not None:
            witness.scored(report)
        return document

    inputs = {
        "reference": reference.sha256,
        **exported.done.outputs,
        **job.hash_splits([section.split]),
    }
    settings = {"split": section.split, "limit": section.limit}
    packages = ("torch", "timm", "numpy", "pillow", *_packages(list(exported.files)))
    name = f"parity-{exported.name}"
    step = Step(name, settings, inputs, packages, _writing("parity.json", make))
    return _read_scores(_document_of(job, step))


def bench(
    job: Job, exports: Sequence[Exported], section: BenchSection
) -> dict[TargetName, list[Times]]:
    """Return by target the times of every file that a runtime of devices runs here, in the order of `exports`.

    Ratios are to the first, the unpruned fp32 file; all files of a target are timed in one interleaved run.
    """

    def make() -> Document:
        return {
            target: _time_files(job, [e.files[target] for e in exports], section)
            for target in exports[0].files
            if target not in _APPLES or core_ml_runs_here()
        }

    inputs = {f"{e.name}/{name}": sha for e in exports for name, sha in e.done.outputs.items()}
    settings = {"threads": section.threads, "rounds": section.rounds}
    packages = _packages(list(exports[0].files))
    step = Step("bench", settings, inputs, packages, _writing("bench.json", make))
    document = _document_of(job, step)
    if job.witness is not None:
        job.witness.timed(_read_bench(document, section))
    return {
        target: [_read_times(entry) for entry in document[target]]
        for target in exports[0].files
        if target in document
    }


def _writing(name: str, measure: Callable[[], Document]) -> Make:
    """Return what makes a step's one output, a measurement's document, as a file of that name."""

    def make(folder: Path, resume: bool) -> list[Path]:
        path = folder / name
        write_atomically(path, json.dumps(measure(), indent=2, allow_nan=False) + "\n")
        return [path]

    return make


def _document_of(job: Job, step: Step) -> Document:
    """Return a measurement's document, made or found."""
    (path,) = job.run(step).paths()
    document: Document = read_json(path)
    return document


def _count_verdicts(check: Document) -> dict[Verdict, int]:
    """Return how many operators are ok, slow, fallback and rejected, each by the worst that a profile says."""
    return count_worst([[Verdict(v["verdict"]) for v in p["verdicts"]] for p in check["profiles"]])


def _read_scores(document: Document) -> ExportScores:
    names = [field.name for field in fields(Scores)]
    return ExportScores(
        document["reference"]["miou"],
        document["images"],
        {
            target: Scores(**{name: entry[name] for name in names})
            for target, entry in document["files"].items()
        },
    )


def _read_times(entry: Document) -> Times:
    latency = entry["latency_ms"]
    return Times(latency["median"], latency["p95"], entry["threads"], entry["ratio_to_first"])


def _read_bench(document: Document, section: BenchSection) -> BenchReport:
    """Return the times with their rounds; those of a document without rounds, of an earlier version, are left out."""
    rows = tuple(
        Latency(
            Path(entry["path"]),
            entry["runtime"],
            entry["threads"],
            entry["bytes"],
            tuple(entry["rounds_ms"]),
            entry["ratio_to_first"],
        )
        for entries in document.values()
        for entry in entries
        if "rounds_ms" in entry
    )
    return BenchReport(rows, section.rounds, section.threads)


def _check_file(target: str, path: Path, section: ExportSection) -> Document:
    own = [profile for profile in section.profiles if load_profile(profile).format == target]
    with quietly():
        report = check_artifact(path, own, available_observers())
    return {**report.to_json(), "path": path.name}


def _scores(report: ParityReport, targets: Sequence[str]) -> Document:
    for artifact in report.artifacts:
        if artifact.error is not None:
            raise ArtifactError(artifact.error)
        if not isfinite(artifact.delta_miou):
            raise DataError(
                f"no pixel of the {report.images} images is labelled; some were expected; choose another parity.split"
            )
    document = report.to_json()
    entries = zip(targets, document["artifacts"], strict=True)
    return {
        "reference": _without_times(document["reference"]["by_size"][0]),
        "images": document["images"],
        "files": {
            target: _without_times({**entry, "path": Path(entry["path"]).name})
            for target, entry in entries
        },
    }


def _without_times(document: Document) -> Document:
    """Return a document without what two runs do not share, and without the verdict, which is the reader's to say."""
    left_out = (*_TIMES, "passed", "verdict", "more_images")
    return {key: value for key, value in document.items() if key not in left_out}


def _time_files(job: Job, paths: Sequence[Path], section: BenchSection) -> list[Document]:
    runtimes = [open_artifact(path, threads=section.threads) for path in paths]
    measured = measure_latency(
        runtimes, rounds=section.rounds, threads=section.threads, progress=job.progress
    )
    return [
        {**latency.to_json(), "path": latency.path.name, "rounds_ms": list(latency.rounds_ms)}
        for latency in measured
    ]


def _packages(targets: Sequence[TargetName]) -> list[str]:
    return [package for target in targets for package in TARGETS[target].packages]
