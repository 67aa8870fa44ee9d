"""What `import edge_deeplab` offers: typed requests in, typed results out; nothing is printed.

One function a verb: it takes the fields of a frozen request as keywords, validates them once, and raises the errors
of `errors.py`. Work that takes long tells a `Progress`. What is heavy is imported when a function is called.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import require
from edge_deeplab.progress import SILENT, Progress

if TYPE_CHECKING:
    from edge_deeplab.child.limits import Allowance
    from edge_deeplab.description import Normalisation
    from edge_deeplab.evaluation.class_map import ClassMap
    from edge_deeplab.evaluation.cost import ModelList
    from edge_deeplab.evaluation.doctor import Diagnosis
    from edge_deeplab.evaluation.latency import BenchReport
    from edge_deeplab.evaluation.scores import Evaluation
    from edge_deeplab.evaluation.verdict import ParityReport
    from edge_deeplab.models.checkpoint import Checkpoint
    from edge_deeplab.runtimes.base import Runtime
    from edge_deeplab.targets import RuntimeName


Given = TypeVar("Given")


class Exported(Protocol):
    """What lies in a file: what `export` returns has its path."""

    @property
    def path(self) -> Path: ...


Artifacts = str | Path | Exported | Sequence[str | Path | Exported]
"""Exported files: what `export` returned, their paths, or folders that it wrote; one or several."""

# -- load, models, doctor


def models(*, progress: Progress = SILENT) -> "ModelList":
    """Return which networks can be built, what each costs, and the shipped checkpoints with their measured scores.

    Args:
        progress: told of each model that is counted.

    Raises:
        MissingDependencyError: without torch.
    """
    require("torch", package="torch", extra="train")
    from edge_deeplab.evaluation.cost import list_models

    return list_models(progress)


def doctor(*, progress: Progress = SILENT) -> "Diagnosis":
    """Export a tiny model to each target, run it and compare it with torch: whether the installed set works.

    Args:
        progress: told of each target.

    Raises:
        MissingDependencyError: without torch.
    """
    require("torch", package="torch", extra="train")
    from edge_deeplab.evaluation.doctor import examine

    return examine(progress)


# -- train, prune, quantize

# -- export

# -- check

# -- evaluate, parity, bench, open_artifact


def evaluate(
    model: "str | Path | Checkpoint | None" = None,
    *,
    data: str | Path | None = None,
    split: str = "test",
    limit: int | None = None,
    max_pixels: int = MAX_PIXELS,
    output_stride: int | None = None,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    size_hw: tuple[int, int] | None = None,
    class_map: "ClassMap | str | Path | None" = None,
    normalisation: "Normalisation | None" = None,
    runtime: "RuntimeName | None" = None,
    allowance: "Allowance | None" = None,
    allow_pickle: bool = False,
    unsafe_pickle: bool = False,
    progress: Progress = SILENT,
) -> "Evaluation":
    """Score a checkpoint, or an exported file, on a labelled set.

    Keywords are the fields of `evaluation.evaluate.EvaluateRequest`; results and errors are those of
    `evaluation.evaluate.evaluate`.
    """
    from edge_deeplab.evaluation import evaluate as layer

    request = layer.EvaluateRequest(
        model=str(model) if isinstance(model, Path) else model,
        data=_path(data),
        split=split,
        limit=limit,
        max_pixels=max_pixels,
        output_stride=output_stride,
        scales=tuple(scales),
        flip=flip,
        size_hw=size_hw,
        class_map=_path(class_map),
        normalisation=normalisation,
        runtime=runtime,
        allowance=allowance,
        allow_pickle=allow_pickle,
        unsafe_pickle=unsafe_pickle,
    )
    return layer.evaluate(request, progress)


def parity(
    artifacts: Artifacts | None = None,
    *,
    reference: "str | Path | Checkpoint | None" = None,
    canonical: bool = False,
    data: str | Path | None = None,
    split: str = "test",
    limit: int | None = None,
    max_pixels: int = MAX_PIXELS,
    max_drop: float = 0.5,
    class_map: "ClassMap | str | Path | None" = None,
    normalisation: "Normalisation | None" = None,
    runtime: "RuntimeName | None" = None,
    allowance: "Allowance | None" = None,
    explain: bool = False,
    plot: str | Path | None = None,
    progress: Progress = SILENT,
) -> "ParityReport":
    """Score exported files against the checkpoint that they were exported from, on the same images.

    Keywords are the fields of `evaluation.parity.ParityRequest`; results and errors are those of
    `evaluation.parity.parity`. A file that fails is an entry of the result, not an exception.
    """
    from edge_deeplab.evaluation import parity as layer

    named = reference if isinstance(reference, str | Path | None) else reference.path
    request = layer.ParityRequest(
        artifacts=None if artifacts is None else _paths(artifacts),
        reference=None if named is None else str(named),
        canonical=canonical,
        data=_path(data),
        split=split,
        limit=limit,
        max_pixels=max_pixels,
        max_drop=max_drop,
        class_map=_path(class_map),
        normalisation=normalisation,
        runtime=runtime,
        allowance=allowance,
        explain=explain,
        plot=_path(plot),
    )
    return layer.parity(request, progress)


def bench(
    artifacts: Artifacts,
    *,
    threads: int | None = None,
    rounds: int = 30,
    runtime: "RuntimeName | None" = None,
    allowance: "Allowance | None" = None,
    progress: Progress = SILENT,
) -> "BenchReport":
    """Time exported files side by side, in one interleaved run.

    Keywords are the fields of `evaluation.bench.BenchRequest`; results and errors are those of
    `evaluation.bench.bench`. A file that fails is a row of the result, not an exception.
    """
    from edge_deeplab.evaluation import bench as layer

    request = layer.BenchRequest(
        artifacts=_paths(artifacts),
        threads=threads,
        rounds=rounds,
        runtime=runtime,
        allowance=allowance,
    )
    return layer.bench(request, progress)


def open_artifact(
    path: str | Path,
    *,
    threads: int | None = None,
    normalisation: "Normalisation | None" = None,
    runtime: "RuntimeName | None" = None,
    allowance: "Allowance | None" = None,
) -> "Runtime":
    """Load an exported file, or a checkpoint; `predict` of the result maps pictures to class maps.

    It maps (N, H, W, 3) uint8 RGB to (N, H, W) uint8 class ids, where H and W are the file's own (`size_hw`). Pictures
    of another size are a DataError: how to resize is the caller's to say (`evaluate` and the demo do it bilinearly).
    Keywords and errors are those of `runtimes.open.open_artifact`.
    """
    from edge_deeplab.runtimes import open as layer

    return layer.open_artifact(
        Path(path),
        threads=threads,
        normalisation=normalisation,
        runtime=runtime,
        allowance=allowance,
    )


# -- compress

# -- what the keywords of several verbs mean


def _path(given: "Given | str") -> "Given | Path":
    """Return a path that came as text; everything else as it is."""
    return Path(given) if isinstance(given, str) else given


def _paths(artifacts: Artifacts) -> tuple[Path, ...]:
    """Return the paths of exported files."""
    several = (
        artifacts
        if isinstance(artifacts, Sequence) and not isinstance(artifacts, str)
        else [artifacts]
    )
    return tuple(Path(each) if isinstance(each, str | Path) else each.path for each in several)
