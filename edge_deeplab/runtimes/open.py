"""Open a file in a runtime. What executes a format is imported when a file of that format is opened, not before."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_deeplab.child.limits import Allowance
from edge_deeplab.description import Normalisation
from edge_deeplab.errors import ArtifactError, require, unknown_choice
from edge_deeplab.runtime_names import RuntimeName
from edge_deeplab.runtimes.base import Runtime


@dataclass(frozen=True)
class OpenOptions:
    """How a file is to be run.

    Args:
        threads: number of CPU threads; None takes every CPU this process may use.
        normalisation: of a float or int8 input of a file that does not describe itself.
        allowance: memory and time that it may take; None for the defaults.
        runtime: a key of `RUNTIMES`; None takes the default of the file's format.
    """

    threads: int | None = None
    normalisation: Normalisation | None = None
    allowance: Allowance | None = None
    runtime: RuntimeName | None = None


def open_artifact(
    path: Path,
    *,
    threads: int | None = None,
    normalisation: Normalisation | None = None,
    allowance: Allowance | None = None,
    runtime: RuntimeName | None = None,
) -> Runtime:
    """Load an exported file or a checkpoint; an exported file in a process of its own.

    Args:
        path: a file with one of the endings in `OPENERS`, this project's or another's.
        threads: number of CPU threads; None takes every CPU this process may use.
        normalisation: what pixels of a float or int8 input are normalised with (in units of 0..255), for a file of
            another project; a file that describes itself needs none, and its own holds. A uint8 input takes pixels as
            they are.
        allowance: memory and time that an exported file may take; None for the defaults.
        runtime: what is to run an exported file, a key of `RUNTIMES`; None takes the default of its format.

    Raises:
        ArtifactError: when the file is absent, of an unknown kind or one that the runtime does not run, damaged, or no
            segmentation of one RGB picture.
        CheckpointError: when a checkpoint is damaged.
        ChildError: when an exported file crashes its process, or takes more than it may.
        ConfigError: for an unknown runtime.
        MissingDependencyError: when the runtime of this format is not installed.
        UnsupportedOperatorError: when the MIL reference evaluator does not know an operator.
    """
    if path.suffix not in OPENERS:
        raise ArtifactError(
            f"{path} ends in {path.suffix or 'nothing'!r}; one of {', '.join(OPENERS)} was expected; "
            "pass an exported file or a checkpoint"
        )
    if runtime is not None:
        check_runtime(path, runtime)
    if not path.exists():
        raise ArtifactError(f"{path} does not exist; pass a file that edge-deeplab export wrote")
    return OPENERS[path.suffix](path, OpenOptions(threads, normalisation, allowance, runtime))


def check_runtime(path: Path, runtime: RuntimeName) -> None:
    """Check that a runtime runs files of this ending.

    Raises:
        ArtifactError: when it runs others.
        ConfigError: when there is no such runtime.
    """
    if runtime not in RUNTIMES:
        raise unknown_choice("runtime", runtime, tuple(RUNTIMES))
    if RUNTIMES[runtime] != path.suffix:
        own = [name for name, ending in RUNTIMES.items() if ending == path.suffix]
        others = f"take one of {', '.join(own)}, or leave it out" if own else "leave it out"
        raise ArtifactError(
            f"{path} was to be run by {runtime}, which runs {RUNTIMES[runtime]} files; a runtime of its own "
            f"format was expected; {others}"
        )


def _open_exported(path: Path, options: OpenOptions) -> Runtime:
    """Open a file in a bounded child: it may be anyone's."""
    from edge_deeplab.runtimes.artifact import ArtifactRuntime
    from edge_deeplab.runtimes.child_engine import ChildEngine

    name = options.runtime or _default_runtime(path.suffix)
    if name == "mil-reference":
        require("torch", package="torch", extra="train")
    engine = ChildEngine(name, path, options.threads, options.allowance)
    return ArtifactRuntime(path, engine, options.normalisation)


def _default_runtime(ending: str) -> RuntimeName:
    """Return the first runtime of a format that this system has."""
    from edge_deeplab.runtimes.coreml import core_ml_runs_here

    return next(
        name
        for name, its_ending in RUNTIMES.items()
        if its_ending == ending and (name != "core-ml" or core_ml_runs_here())
    )


def _open_checkpoint(path: Path, options: OpenOptions) -> Runtime:
    require("torch", package="torch", extra="train")
    from edge_deeplab.models.checkpoint import load_checkpoint
    from edge_deeplab.runtimes.torch import TorchRuntime

    return TorchRuntime(load_checkpoint(path), threads=options.threads)


RUNTIMES: Mapping[RuntimeName, str] = {
    "onnxruntime": ".onnx",
    "interpreter": ".tflite",
    "interpreter-builtin": ".tflite",
    "compiled-model": ".tflite",
    "core-ml": ".mlpackage",
    "mil-reference": ".mlpackage",
}
"""Endings of the exported files that a runtime runs, by the name that `--runtime` takes and that
`engine_service.ENGINES` knows it by; the first of a format that this system has is its default.

Of .tflite files: LiteRT's interpreter with XNNPACK, the same with its own kernels alone, and LiteRT's CompiledModel.
"""

OPENERS: Mapping[str, Callable[[Path, OpenOptions], Runtime]] = {
    ".onnx": _open_exported,
    ".tflite": _open_exported,
    ".mlpackage": _open_exported,
    ".safetensors": _open_checkpoint,
}
"""Endings of the files that can be run, and what opens each."""
