"""`edge-deeplab doctor`: does the installed set of converters and runtimes work, on a tiny model, before a long run?"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edge_deeplab.cli.output import DebugOption, JsonOption, ending_cleanly, print_json
from edge_deeplab.cli.terminal import say
from edge_deeplab.errors import EdgeDeepLabError, MissingDependencyError, require
from edge_deeplab.targets import TargetName

if TYPE_CHECKING:
    from edge_deeplab.converters.capture import CanonicalGraph
    from edge_deeplab.models.checkpoint import Checkpoint

MAX_DIFFERENCE = 1e-4
"""Largest difference of an artifact's logits to torch's, relative to their largest value."""
SIZE_HW = (64, 64)


@dataclass(frozen=True)
class Finding:
    """What the doctor found of one target.

    Args:
        target: "coreml", "tflite" or "onnx".
        state: "ok", "missing" (not installed, which is no fault) or "failed".
        detail: the runtime and difference, the extra to install, or why it failed.
    """

    target: str
    state: str
    detail: str


def doctor(as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """Export a tiny model to each target, run it and compare it with torch; exit code 1 when an installed target fails.

    Example: edge-deeplab doctor --json
    """
    with ending_cleanly(as_json=as_json, debug=debug):
        from edge_deeplab.cli.export import progress_steps

        require("torch", package="torch", extra="train")
        with progress_steps() as on_step:
            findings = examine(on_step)
        versions = compare_versions()
        if as_json:
            print_json({"targets": [vars(f) for f in findings], "versions": versions})
        else:
            print_findings(findings, versions)
        if any(finding.state == "failed" for finding in findings):
            raise typer.Exit(1)


def examine(on_step: Callable[[str], None]) -> list[Finding]:
    """Return one finding a target.

    Args:
        on_step: told what begins.
    """
    from tempfile import TemporaryDirectory

    from edge_deeplab.converters.capture import capture
    from edge_deeplab.targets import TARGETS

    with TemporaryDirectory() as folder:
        checkpoint = tiny_checkpoint(Path(folder))
        graph = capture(checkpoint.build(), checkpoint.info.normalisation, SIZE_HW, "logits")
        findings = []
        for target in TARGETS:
            on_step(f"testing {target}")
            findings.append(examine_target(checkpoint, graph, target))
        return findings


def examine_target(
    checkpoint: "Checkpoint", graph: "CanonicalGraph", target: TargetName
) -> Finding:
    """Export to one target, run the artifact and compare its logits with torch's.

    Args:
        checkpoint: what the graph was captured from; the artifact is written beside it.
        graph: canonical graph with logits.
        target: a key of `TARGETS`.
    """
    import numpy as np

    from edge_deeplab.converters.export import describe, export_graph
    from edge_deeplab.converters.noise import quietly
    from edge_deeplab.runtimes.open import open_artifact

    images = np.random.default_rng(0).integers(0, 256, (1, *SIZE_HW, 3), np.uint8)
    try:
        description = describe(checkpoint, graph, target, "fp32")
        artifact = export_graph(graph, description, checkpoint.path.parent)
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


def tiny_checkpoint(folder: Path) -> "Checkpoint":
    """Return a MobileNetV2 DeepLabV3+ of seeded random weights, saved in `folder`."""
    import torch

    from edge_deeplab.description import ClassInfo
    from edge_deeplab.models.backbones import get_backbone
    from edge_deeplab.models.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
    from edge_deeplab.models.deeplab import build_model

    backbone = "mobilenetv2_100"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(backbone, 3)
    info = CheckpointInfo(
        model=f"deeplabv3plus_{backbone}",
        arguments={"output_stride": 16},
        classes=tuple(ClassInfo(name, (0, 0, 0)) for name in ("a", "b", "c")),
        ignore_index=None,
        normalisation=get_backbone(backbone).normalisation,
        size_hw=SIZE_HW,
    )
    path = folder / "doctor.safetensors"
    save_checkpoint(path, model, info)
    return load_checkpoint(path)


def compare_versions() -> dict[str, dict[str, str | None]]:
    """Return {package: {"installed": version or None, "tested": version}}."""
    from edge_deeplab.converters.versions import TESTED, installed_version

    return {
        package: {"installed": installed_version(package), "tested": tested}
        for package, tested in TESTED.items()
    }


def print_findings(findings: Iterable[Finding], versions: dict[str, dict[str, str | None]]) -> None:
    """Print one line a target, then the versions that differ from the tested ones."""
    from rich.table import Table

    from edge_deeplab.cli.terminal import stdout_console

    for finding in findings:
        say(f"{finding.target:7} {finding.state:8} {finding.detail}")
    table = Table("package", "installed", "tested", "note")
    for package, found in versions.items():
        installed = found["installed"]
        note = "" if installed in (found["tested"], None) else "differs"
        table.add_row(package, installed or "absent", found["tested"], note)
    stdout_console().print(table)
