"""Open a file by its ending. What executes a format is imported when a file of that format is opened, not before."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_deeplab.child.limits import Allowance
from edge_deeplab.description import Normalisation
from edge_deeplab.errors import ArtifactError, require
from edge_deeplab.runtimes.base import Runtime


@dataclass(frozen=True)
class OpenOptions:
    """How a file is to be run.

    Args:
        threads: number of CPU threads; None takes every CPU this process may use.
        normalisation: of a float input of a file that does not describe itself.
        allowance: memory and time that it may take; None for the defaults.
    """

    threads: int | None = None
    normalisation: Normalisation | None = None
    allowance: Allowance | None = None


def open_artifact(
    path: Path,
    *,
    threads: int | None = None,
    normalisation: Normalisation | None = None,
    allowance: Allowance | None = None,
) -> Runtime:
    """Load an exported file or a checkpoint; an exported file in a process of its own.

    Args:
        path: a file with one of the endings in `OPENERS`, this project's or another's.
        threads: number of CPU threads; None takes every CPU this process may use.
        normalisation: what pixels of a float input are normalised with (in units of 0..255), for a file of another
            project; a file that describes itself needs none, and its own holds.
        allowance: memory and time that an exported file may take; None for the defaults.

    Raises:
        ArtifactError: when the file is absent, of an unknown kind, damaged, or no segmentation of one RGB picture.
        CheckpointError: when a checkpoint is damaged.
        ChildError: when an exported file crashes its process, or takes more than it may.
        MissingDependencyError: when the runtime of this format is not installed.
        UnsupportedOperatorError: when the MIL reference evaluator does not know an operator.
    """
    if path.suffix not in OPENERS:
        raise ArtifactError(
            f"{path} ends in {path.suffix or 'nothing'!r}; one of {', '.join(OPENERS)} was expected; "
            "pass an exported file or a checkpoint"
        )
    if not path.exists():
        raise ArtifactError(f"{path} does not exist; pass a file that edge-deeplab export wrote")
    return OPENERS[path.suffix](path, OpenOptions(threads, normalisation, allowance))


def _open_onnx(path: Path, options: OpenOptions) -> Runtime:
    return _open_in_child("onnx", path, options)


def _open_tflite(path: Path, options: OpenOptions) -> Runtime:
    return _open_in_child("tflite", path, options)


def _open_coreml(path: Path, options: OpenOptions) -> Runtime:
    from edge_deeplab.runtimes.coreml import core_ml_runs_here

    if core_ml_runs_here():
        return _open_in_child("coreml", path, options)
    require("torch", package="torch", extra="train")
    return _open_in_child("mil", path, options)


def _open_in_child(engine: str, path: Path, options: OpenOptions) -> Runtime:
    """Open a file in an engine in a bounded child: it may be anyone's."""
    from edge_deeplab.runtimes.artifact import ArtifactRuntime
    from edge_deeplab.runtimes.child_engine import ChildEngine

    opened = ChildEngine(engine, path, options.threads, options.allowance)
    return ArtifactRuntime(path, opened, options.normalisation)


def _open_checkpoint(path: Path, options: OpenOptions) -> Runtime:
    require("torch", package="torch", extra="train")
    from edge_deeplab.models.checkpoint import load_checkpoint
    from edge_deeplab.runtimes.torch import TorchRuntime

    return TorchRuntime(load_checkpoint(path), threads=options.threads)


OPENERS: Mapping[str, Callable[[Path, OpenOptions], Runtime]] = {
    ".onnx": _open_onnx,
    ".tflite": _open_tflite,
    ".mlpackage": _open_coreml,
    ".safetensors": _open_checkpoint,
}
"""Endings of the files that can be run, and what opens each."""
