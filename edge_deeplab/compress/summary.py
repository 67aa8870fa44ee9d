"""The chain's report: one JSON document of all stages and files."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.checker.report import count_worst
from edge_deeplab.checker.verdicts import Verdict
from edge_deeplab.compress.measures import Document, Exported
from edge_deeplab.compress.stages import Stage
from edge_deeplab.compress.steps import Finished
from edge_deeplab.config import ParitySection
from edge_deeplab.evaluation.cost import count_network
from edge_deeplab.formats.manifest import content_bytes
from edge_deeplab.targets import TargetName
from edge_deeplab.training.run_folder import LOG_FILE

CHECKPOINTS_FOLDER, EXPORTS_FOLDER = "checkpoints", "exports"


@dataclass(frozen=True)
class Measured:
    """The files of one stage in one precision and what is known of them.

    Args:
        exported: the files.
        checks: operator report by target.
        scores: from `measures.parity`; None where nothing was scored.
        times: what was timed, by target.
    """

    exported: Exported
    checks: Mapping[str, Document]
    scores: Document | None
    times: Mapping[str, Document]


def summarise(
    stages: Sequence[Stage],
    measured: Sequence[Measured],
    section: ParitySection | None,
    finished: Sequence[Finished],
) -> Document:
    """Return the report.

    Args:
        stages: the reference first.
        measured: their files.
        section: says which loss passes; None where nothing was scored.
        finished: the steps, in order.
    """
    described = [_describe_stage(stage) for stage in stages]
    costs = {entry["stage"]: entry for entry in described}
    files = [
        _describe_file(part, target, costs[part.exported.stage.name], section)
        for part in measured
        for target in part.exported.files
    ]
    scored = [part.scores for part in measured if part.scores is not None]
    failures = [sentence for entry in files for sentence in _failures(entry, section)]
    return {
        "reference": {
            "name": stages[0].checkpoint.name,
            "sha256": stages[0].checkpoint.sha256,
            "miou": scored[0]["reference"]["miou"] if scored else None,
        },
        "images": scored[0]["images"] if scored else None,
        "stages": described,
        "files": files,
        "steps": [{"step": step.step, "key": step.key} for step in finished],
        "failures": failures,
        "passed": not failures,
    }


def _describe_stage(stage: Stage) -> Document:
    checkpoint = stage.checkpoint
    cost = count_network(checkpoint.build(), checkpoint.info.size_hw)
    made = stage.made_by
    return {
        "stage": stage.name,
        "checkpoint": checkpoint.name if made is None else _kept_checkpoint(checkpoint.path),
        "sha256": checkpoint.sha256,
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
        "size_hw": list(checkpoint.info.size_hw),
        "training": None if made is None else _training_time(made.folder),
    }


def _kept_checkpoint(path: Path) -> str:
    return f"{CHECKPOINTS_FOLDER}/{path.name}"


def _training_time(folder: Path) -> Document:
    """Return what the logs of a training's rounds say that it took."""
    rows: list[Mapping[str, Any]] = []
    for log in sorted(folder.rglob(LOG_FILE)):
        with log.open(newline="") as file:
            rows += csv.DictReader(file)
    return {"epochs": len(rows), "minutes": round(sum(float(r["seconds"]) for r in rows) / 60, 1)}


def _describe_file(
    part: Measured, target: TargetName, costs: Document, section: ParitySection | None
) -> Document:
    path = part.exported.files[target]
    scores = part.scores["files"][target] if part.scores is not None else {}
    times = part.times.get(target, {})
    delta = scores.get("delta_miou")
    keep = ("miou", "delta_miou", "delta_interval", "pixel_agreement", "boundary_miou", "runtime")
    return {
        "stage": part.exported.stage.name,
        "target": target,
        "precision": part.exported.precision,
        "path": f"{EXPORTS_FOLDER}/{path.name}",
        "bytes": content_bytes(path),
        "parameters": costs["parameters"],
        "multiply_adds": costs["multiply_adds"],
        "operators": _count_verdicts(part.checks[target]),
        **{key: scores.get(key) for key in keep},
        "latency_ms": times.get("latency_ms"),
        "ratio_to_reference": times.get("ratio_to_first"),
        "threads": times.get("threads"),
        "passed": None if section is None else delta is not None and delta >= -section.max_drop,
    }


def _count_verdicts(check: Document) -> dict[str, int]:
    """Return how many operators are ok, slow, fallback and rejected, each by the worst that a profile says."""
    return count_worst([[Verdict(v["verdict"]) for v in p["verdicts"]] for p in check["profiles"]])


def _failures(entry: Document, section: ParitySection | None) -> list[str]:
    """Return one sentence for everything that is wrong with a file."""
    sentences = []
    if rejected := entry["operators"]["rejected"]:
        sentences.append(
            f"{entry['path']} has {rejected} operators that a profile rejects; none was expected; "
            "edge-deeplab check names them"
        )
    if section is not None and not entry["passed"]:
        delta = entry["delta_miou"]
        sentences.append(
            f"{entry['path']} differs from the reference by {delta:+.3f} mIoU points; a loss of at most "
            f"{section.max_drop:g} was expected; train longer, compress less, or set parity.max_drop"
        )
    return sentences
