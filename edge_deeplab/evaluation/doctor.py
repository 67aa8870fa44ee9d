"""Whether the installed converters and runtimes work: a tiny model exported to each target, run, held against torch."""

from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch

from edge_deeplab import targets
from edge_deeplab.converters import capture, export
from edge_deeplab.converters.capture import CanonicalGraph
from edge_deeplab.converters.noise import quietly
from edge_deeplab.description import ClassInfo
from edge_deeplab.errors import EdgeDeepLabError, MissingDependencyError
from edge_deeplab.extras import WHEELS, Wheels
from edge_deeplab.models.backbones import get_backbone
from edge_deeplab.models.checkpoint import (
    Checkpoint,
    CheckpointInfo,
    load_checkpoint,
    save_checkpoint,
)
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import FAMILY
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.runtimes.open import open_artifact
from edge_deeplab.targets import TargetName
from edge_deeplab.versions import TESTED, installed_version

MAX_DIFFERENCE = 1e-4
"""Largest difference of an artifact's logits to torch's, relative to their largest value."""
SIZE_HW = (64, 64)


@dataclass(frozen=True)
class Finding:
    """What was found of one target.

    Args:
        target: a key of `TARGETS`.
        state: "ok", "missing" (not installed, which is no fault) or "failed".
        detail: the runtime and difference, the extra to install, or why it failed.
    """

    target: TargetName
    state: Literal["ok", "missing", "failed"]
    detail: str

    @property
    def limits(self) -> Wheels | None:
        """The machines for which its packages have wheels, where they are few."""
        return WHEELS.get(self.target)

    def to_json(self) -> dict[str, Any]:
        """Return its entry in `doctor --json`."""
        return {**asdict(self), "limits": self.limits and self.limits.to_json()}


@dataclass(frozen=True)
class PackageVersion:
    """A package that exports depend on.

    Args:
        package: its name.
        installed: version; None where it is absent.
        tested: the version that was measured with.
    """

    package: str
    installed: str | None
    tested: str


@dataclass(frozen=True)
class Diagnosis:
    """What was found of every target, and the versions it was found with."""

    targets: tuple[Finding, ...]
    versions: tuple[PackageVersion, ...]

    @property
    def passed(self) -> bool:
        """Whether every target that is installed works."""
        return all(finding.state != "failed" for finding in self.targets)

    def to_json(self) -> dict[str, Any]:
        """Return the document of `doctor --json`."""
        versions = {
            v.package: {"installed": v.installed, "tested": v.tested} for v in self.versions
        }
        return {"targets": [finding.to_json() for finding in self.targets], "versions": versions}


def examine(progress: Progress = SILENT) -> Diagnosis:
    """Return one finding a target.

    Args:
        progress: told what begins.
    """
    with TemporaryDirectory() as folder:
        progress.begin("building a tiny model")
        checkpoint = tiny_checkpoint(Path(folder))
        graph = capture.capture(
            checkpoint.build(), checkpoint.info.normalisation, SIZE_HW, "logits"
        )
        findings = []
        for target in targets.TARGETS:
            progress.begin(f"testing {target}")
            findings.append(examine_target(checkpoint, graph, target))
    versions = (
        PackageVersion(name, installed_version(name), tested) for name, tested in TESTED.items()
    )
    return Diagnosis(tuple(findings), tuple(versions))


def examine_target(checkpoint: Checkpoint, graph: CanonicalGraph, target: TargetName) -> Finding:
    """Export to one target, run the artifact and compare its logits with torch's.

    Args:
        checkpoint: what the graph was captured from; the artifact is written beside it.
        graph: canonical graph with logits.
        target: a key of `TARGETS`.
    """
    images = np.random.default_rng(0).integers(0, 256, (1, *SIZE_HW, 3), np.uint8)
    try:
        description = export.describe(checkpoint, graph, target, "fp32")
        artifact = export.export_graph(
            graph, description, checkpoint.path.parent / export.file_name(description)
        )
        with quietly():
            runtime = open_artifact(artifact.path)
            found = runtime.logits(images)
    except MissingDependencyError as error:
        return Finding(target, "missing", str(error))
    except EdgeDeepLabError as error:
        return Finding(target, "failed", str(error))
    expected = open_artifact(checkpoint.path).logits(images)
    difference = float(np.abs(found - expected).max() / np.abs(expected).max())
    detail = f"{runtime.name}, logits differ from torch by {difference:.1e}"
    return Finding(target, "ok" if difference <= MAX_DIFFERENCE else "failed", detail)


def tiny_checkpoint(folder: Path) -> Checkpoint:
    """Return a MobileNetV2 DeepLabV3+ of seeded random weights, saved in `folder`."""
    spec = FAMILY["deeplabv3plus_mobilenetv2_100"].spec
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(spec, 3)
    info = CheckpointInfo(
        spec=spec,
        classes=tuple(ClassInfo(name, (0, 0, 0)) for name in ("a", "b", "c")),
        ignore_index=None,
        normalisation=get_backbone(spec.backbone).normalisation,
        size_hw=SIZE_HW,
    )
    path = folder / "doctor.safetensors"
    save_checkpoint(path, model, info)
    return load_checkpoint(path)
