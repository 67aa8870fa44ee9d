"""Open a file in a runtime. What executes a format is imported when a file of that format is opened, not before."""

from collections.abc import Sequence
from pathlib import Path

from edge_deeplab.child.limits import Allowance
from edge_deeplab.description import Normalisation
from edge_deeplab.errors import ArtifactError, checking, require, unknown_choice
from edge_deeplab.formats.foreign_kinds import refuse_core_ml_file
from edge_deeplab.formats.read import sizes_of
from edge_deeplab.formats.sizes import Size
from edge_deeplab.runtimes.base import Runtime
from edge_deeplab.targets import (
    TARGETS,
    RuntimeName,
    TargetName,
    endings,
    runtime_names,
    target_of,
    target_run_by,
)
from edge_deeplab.text import size_text

CHECKPOINT_ENDING = ".safetensors"

_OPENED_AT_A_SIZE: tuple[TargetName, ...] = ("tflite",)
"""Targets whose engines are told which of a file's sizes they run; those of others take each."""


def open_artifact(
    path: Path,
    *,
    size_hw: Size | None = None,
    threads: int | None = None,
    normalisation: Normalisation | None = None,
    allowance: Allowance | None = None,
    runtime: str | None = None,
) -> Runtime:
    """Load an exported file or a checkpoint; an exported file in a process of its own.

    Args:
        path: a file of one of `TARGETS`, this project's or another's, or a checkpoint.
        size_hw: height and width of its picture, one of those that it takes; None for its own, the first where it
            lists several.
        threads: number of CPU threads; None takes every CPU this process may use.
        normalisation: what pixels of a float or int8 input are normalised with (in units of 0..255), for a file of
            another project; a file that describes itself needs none, and its own holds. A uint8 input takes pixels as
            they are.
        allowance: memory and time that an exported file may take; None for the defaults.
        runtime: what is to run an exported file, one of its target's; None takes the first that this system has.

    Raises:
        ArtifactError: when the file is absent, of an unknown kind or one that the runtime does not run, damaged, no
            segmentation of one RGB picture, or takes no picture of that size.
        CheckpointError: when a checkpoint is damaged.
        ChildError: when an exported file crashes its process, or takes more than it may.
        ConfigError: for an unknown runtime.
        MissingDependencyError: when the runtime of this format is not installed.
        UnsupportedOperatorError: when the MIL reference evaluator does not know an operator.
    """
    asked = known_runtime(runtime)
    if asked is not None:
        check_runtime(path, asked)
    target = target_of(path)
    refuse_core_ml_file(path)
    if not path.exists():
        raise ArtifactError(f"{path} does not exist; pass a file that edge-deeplab export wrote")
    if target is None and path.suffix.lower() != CHECKPOINT_ENDING:
        raise ArtifactError(
            f"{path} ends in {path.suffix or 'nothing'!r}; one of {endings()}, {CHECKPOINT_ENDING} was expected; "
            "pass an exported file or a checkpoint"
        )
    if not path.is_file() and not path.is_dir():
        raise ArtifactError(
            f"{path} is a device or a pipe; an exported file was expected; copy it to one"
        )
    if target is None:
        return _open_checkpoint(path, threads, size_hw)
    from edge_deeplab.runtimes.artifact import ArtifactRuntime
    from edge_deeplab.runtimes.child_engine import ChildEngine

    name = asked or default_runtime(target)
    if name == "mil-reference":
        require("torch", package="torch", extra="train")
    listed = [size for size in sizes_of(path) if size is not None]
    chosen = size_hw if size_hw in listed else next(iter(listed), None)
    told = {"size_hw": chosen} if chosen is not None and target in _OPENED_AT_A_SIZE else {}
    engine = ChildEngine(name, path, threads, allowance, **told)
    return _of_size(ArtifactRuntime(path, engine, normalisation, chosen), size_hw, listed)


def _of_size(runtime: Runtime, size_hw: Size | None, listed: Sequence[Size]) -> Runtime:
    """Return a runtime that is of the size that was asked for; another is closed and refused."""
    if size_hw is None or runtime.size_hw == size_hw:
        return runtime
    taken = ", ".join(map(size_text, listed or [runtime.size_hw]))
    runtime.close()
    raise ArtifactError(
        f"{runtime.path} was to be run at {size_text(size_hw)} and takes {taken}; a size that it takes was expected; "
        "name one of them, or export it for that size"
    )


def known_runtime(name: str | None) -> RuntimeName | None:
    """Return a runtime's name; None, which stands for the default, stays.

    Raises:
        ConfigError: when there is no such runtime.
    """
    with checking("runtime"):
        if name not in (None, *runtime_names()):
            raise unknown_choice("runtime", name, runtime_names())
    return name


def check_runtime(path: Path, runtime: RuntimeName) -> None:
    """Check that a runtime runs files of this ending.

    Raises:
        ArtifactError: when it runs others.
    """
    target, its_target = target_of(path), target_run_by(runtime)
    if target != its_target:
        own = TARGETS[target].runtimes if target else ()
        others = f"take one of {', '.join(own)}, or leave it out" if own else "leave it out"
        raise ArtifactError(
            f"{path} was to be run by {runtime}, which runs {TARGETS[its_target].ending} files; a runtime of its own "
            f"format was expected; {others}"
        )


def default_runtime(target: TargetName) -> RuntimeName:
    """Return the first runtime of a target that this system has."""
    from edge_deeplab.runtimes.coreml import core_ml_runs_here

    runtimes = TARGETS[target].runtimes
    return next(name for name in runtimes if name != "core-ml" or core_ml_runs_here())


def _open_checkpoint(path: Path, threads: int | None, size_hw: Size | None) -> Runtime:
    require("torch", package="torch", extra="train")
    from edge_deeplab.models.checkpoint import load_checkpoint
    from edge_deeplab.runtimes.torch import TorchRuntime

    return TorchRuntime(load_checkpoint(path), threads=threads, size_hw=size_hw)
