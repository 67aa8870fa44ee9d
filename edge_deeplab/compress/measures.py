"""The steps after training: files of each stage, what devices make of them, what they score, how fast they run.

A measurement is made once and kept with its step, so a chain that goes on reports the same numbers. Scores depend on
nothing but files and data; times are the one thing that two runs do not share.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from edge_deeplab.checker.report import check_artifact
from edge_deeplab.checker.rules import load_profile
from edge_deeplab.compress.job import Job
from edge_deeplab.compress.stages import Stage
from edge_deeplab.compress.steps import Finished, Step
from edge_deeplab.config import BenchSection, ExportSection, ParitySection
from edge_deeplab.converters.devices.heads import resolve_head
from edge_deeplab.converters.export import export_checkpoint, resolve_targets
from edge_deeplab.converters.noise import quietly
from edge_deeplab.data.rendered_set import resolve_dataset
from edge_deeplab.documents import read_json
from edge_deeplab.errors import ArtifactError, DataError
from edge_deeplab.evaluation.bench import measure_latency
from edge_deeplab.evaluation.parity import measure_parity, open_trials
from edge_deeplab.evaluation.verdict import ParityReport
from edge_deeplab.files import write_atomically
from edge_deeplab.formats.manifest import MANIFEST
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.runtimes.coreml import core_ml_runs_here
from edge_deeplab.runtimes.open import open_artifact
from edge_deeplab.runtimes.torch import TorchRuntime
from edge_deeplab.targets import TARGETS, TargetName

Document = dict[str, Any]
"""JSON values."""

_TIMES = ("latency_ms", "seconds")


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
    form, checkpoint = resolve_head(section.head), stage.checkpoint
    targets = resolve_targets(section.targets)

    def make(folder: Path, resume: bool) -> list[Path]:
        artifacts = export_checkpoint(
            checkpoint,
            targets,
            precision,
            head=form.head,
            output_dir=folder,
            asked=form.asked,
            profiles=section.profiles,
        )
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


def check(job: Job, exported: Exported, section: ExportSection) -> Document:
    """Return the operator report of each file, by target, as `check --json` gives it."""

    def make() -> Document:
        return {t: _check_file(t, path, section) for t, path in exported.files.items()}

    settings = {"profiles": list(section.profiles)}
    packages = _packages(section.targets)
    return _measured(job, "check", exported.name, settings, exported.done.outputs, packages, make)


def parity(job: Job, reference: Checkpoint, exported: Exported, section: ParitySection) -> Document:
    """Return the scores of files against the reference, as `parity --json` gives them, without times.

    Raises:
        StepError: when a file cannot be run, or the reference or the data fails.
    """

    def make() -> Document:
        dataset = resolve_dataset(
            job.data, section.split, limit=section.limit, max_pixels=job.max_pixels
        )
        trials = open_trials(list(exported.files.values()), open_artifact, dataset)
        with job.watch.counting(f"parity of {exported.name}", len(dataset)) as progress:
            report = measure_parity(
                trials,
                reference.path,
                lambda size_hw: TorchRuntime(reference, size_hw=size_hw),
                dataset,
                progress=progress,
            )
        return _scores(report, list(exported.files))

    inputs = {
        "reference": reference.sha256,
        **exported.done.outputs,
        **job.hash_splits([section.split]),
    }
    settings = {"split": section.split, "limit": section.limit}
    packages = ("torch", "timm", "numpy", "pillow", *_packages(list(exported.files)))
    return _measured(job, "parity", exported.name, settings, inputs, packages, make)


def bench(job: Job, exports: Sequence[Exported], section: BenchSection) -> Document:
    """Return by target the times of every file that a runtime of devices runs here, in the order of `exports`.

    Ratios are to the first, the unpruned fp32 file; all files of a target are timed in one interleaved run.
    """

    def make() -> Document:
        return {
            target: _time_files(job, [e.files[target] for e in exports], section)
            for target in exports[0].files
            if target != "coreml" or core_ml_runs_here()
        }

    inputs = {f"{e.name}/{name}": sha for e in exports for name, sha in e.done.outputs.items()}
    settings = {"threads": section.threads, "rounds": section.rounds}
    return _measured(job, "bench", "", settings, inputs, _packages(list(exports[0].files)), make)


def _measured(
    job: Job,
    kind: str,
    of: str,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str],
    packages: Sequence[str],
    measure: Callable[[], Document],
) -> Document:
    """Return a measurement, made or found."""

    def make(folder: Path, resume: bool) -> list[Path]:
        path = folder / f"{kind}.json"
        write_atomically(path, json.dumps(measure(), indent=2, allow_nan=False) + "\n")
        return [path]

    name = f"{kind}-{of}" if of else kind
    (path,) = job.run(Step(name, settings, inputs, packages, make)).paths()
    document: Document = read_json(path)
    return document


def _check_file(target: str, path: Path, section: ExportSection) -> Document:
    own = [profile for profile in section.profiles if load_profile(profile).format == target]
    with quietly():
        report = check_artifact(path, own)
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
    """Return a document without what two runs do not share; `passed` is the reader's to say."""
    return {key: value for key, value in document.items() if key not in (*_TIMES, "passed")}


def _time_files(job: Job, paths: Sequence[Path], section: BenchSection) -> list[Document]:
    runtimes = [open_artifact(path, threads=section.threads) for path in paths]
    with job.watch.counting(f"timing {len(paths)} files", section.rounds) as progress:
        measured = measure_latency(
            runtimes, rounds=section.rounds, threads=section.threads, progress=progress
        )
    return [{**latency.to_json(), "path": latency.path.name} for latency in measured]


def _packages(targets: Sequence[TargetName]) -> list[str]:
    return [package for target in targets for package in TARGETS[target].packages]
