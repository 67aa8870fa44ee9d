"""What `import edge_deeplab` offers: typed requests in, typed results out; nothing is printed.

One function a verb: it takes the fields of a frozen request as keywords, validates them once, and raises the errors
of `errors.py`. Work that takes long tells a `Progress`. What is heavy is imported when a function is called.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import require
from edge_deeplab.progress import SILENT, Progress

if TYPE_CHECKING:
    from edge_deeplab.converters.export import ExportedArtifact
    from edge_deeplab.models.checkpoint import Checkpoint

# -- load, models, doctor


def load(
    source: "Checkpoint | str | Path | None" = None,
    *,
    allow_pickle: bool = False,
    unsafe_pickle: bool = False,
) -> "Checkpoint":
    """Load a checkpoint.

    Args:
        source: a file, a run's folder, a shipped name, or None for the default shipped checkpoint; one that is loaded
            already is returned as it is.
        allow_pickle: also read the tensors of a pickle, a file that is not `.safetensors`.
        unsafe_pickle: unpickle such a file in full, which runs code that its author chose.

    Raises:
        CheckpointError: when there is none, or it cannot be read.
        MissingDependencyError: without torch.
    """
    from edge_deeplab.models.shipped import open_checkpoint

    if source is None or isinstance(source, str | Path):
        return open_checkpoint(
            None if source is None else str(source),
            allow_pickle=allow_pickle,
            unsafe_pickle=unsafe_pickle,
        )
    return source


# -- train, prune, quantize

# -- export


def export(
    model: "Checkpoint | str | Path | None" = None,
    targets: str | Sequence[str] = ("all",),
    *,
    precision: str | None = None,
    calibrate: str | Path | None = None,
    sparsity: str | None = None,
    head: str = "exact",
    size_hw: tuple[int, int] | None = None,
    atrous: str = "native",
    profiles: str | Sequence[str] = (),
    any_size: bool = False,
    output: str | Path = "exports",
    max_pixels: int = MAX_PIXELS,
    allow_pickle: bool = False,
    unsafe_pickle: bool = False,
    progress: Progress = SILENT,
) -> "tuple[ExportedArtifact, ...]":
    """Export a checkpoint to files that describe themselves, count verdicts, and write `manifest.json` beside them.

    Keywords that are not told here are the fields of `converters.export.ExportRequest`; results and errors are those of
    `converters.export.export_checkpoint`.

    Args:
        model: as for `load`; None is the shipped checkpoint, for int8 without `calibrate` the shipped quantized one.
        allow_pickle: as for `load`.
        unsafe_pickle: as for `load`.
        progress: told every stage.
    """
    progress.begin("loading torch")
    require("torch", package="torch", extra="train")
    from edge_deeplab.converters.export import export_checkpoint
    from edge_deeplab.converters.request import ExportRequest
    from edge_deeplab.models.shipped import DEFAULT_QUANTIZED

    request = ExportRequest(
        targets=(targets,) if isinstance(targets, str) else tuple(targets),
        precision=precision,
        size_hw=size_hw,
        head=head,
        atrous=atrous,
        profiles=(profiles,) if isinstance(profiles, str) else tuple(profiles),
        any_size=any_size,
        output=Path(output),
        calibrate=None if calibrate is None else Path(calibrate),
        max_pixels=max_pixels,
        sparsity=sparsity,
    )
    if model is None and precision == "int8" and calibrate is None:
        model = DEFAULT_QUANTIZED
    checkpoint = load(model, allow_pickle=allow_pickle, unsafe_pickle=unsafe_pickle)
    return export_checkpoint(checkpoint, request, progress)


# -- check

# -- evaluate, parity, bench, open_artifact

# -- compress
