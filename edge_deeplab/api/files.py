"""The face's verbs about files: checkpoints are loaded, imported and exported, exported files opened."""

from collections.abc import Sequence
from pathlib import Path

from edge_deeplab.api.keywords import checked
from edge_deeplab.api.named import (
    to_class_list,
    to_names,
    to_path,
    to_path_or_none,
    to_size,
    to_sizes,
    types,
)
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import ConfigError, require
from edge_deeplab.progress import SILENT, Progress


@checked
def load(
    source: "types.NamedCheckpoint" = None,
    *,
    allow_pickle: bool = False,
    unsafe_pickle: bool = False,
) -> "types.Checkpoint":
    """Load a checkpoint.

    Args:
        source: a file, a run's folder, a shipped name, or None for the default shipped checkpoint; one that is loaded
            already is returned as it is.
        allow_pickle: also read the tensors of a pickle, a file that is not `.safetensors`.
        unsafe_pickle: unpickle such a file in full, which runs code that its author chose.

    Raises:
        CheckpointError: when there is none, or it cannot be read.
        ConfigError: when it names none.
        MissingDependencyError: without torch.
    """
    from edge_deeplab.models.shipped import open_checkpoint

    if source is not None and not isinstance(source, str | Path):
        from edge_deeplab.models.checkpoint import Checkpoint

        if isinstance(source, Checkpoint):
            return source
        raise ConfigError(
            f"a checkpoint came as {source!r:.60}; a file, a run's folder or a shipped name was expected"
        )
    named = None if source is None else str(source)
    return open_checkpoint(named, allow_pickle=allow_pickle, unsafe_pickle=unsafe_pickle)


@checked
def import_checkpoint(
    file: str | Path,
    *,
    output: str | Path,
    source: str | None = None,
    spec: str | Path | None = None,
    size_hw: Sequence[int] | None = None,
    allow_pickle: bool = False,
    unsafe_pickle: bool = False,
    classes: str | Path | None = None,
    class_map: "types.ClassMap | str | Path | None" = None,
    normalisation: "types.Normalisation | None" = None,
    decoder: bool = False,
    licence: str | None = None,
    data: str | Path | None = None,
    split: str = "test",
    limit: int | None = 5,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = SILENT,
) -> "types.Imported":
    """Write somebody else's network as a checkpoint, which trains, prunes, quantizes and exports as others do.

    Keywords are the fields of `evaluation.importing.ImportRequest`; results and errors are those of
    `evaluation.importing.import_checkpoint`.
    """
    progress.begin("loading torch")
    require("torch", package="torch", extra="train")
    from edge_deeplab.evaluation import importing as layer

    request = layer.ImportRequest(
        file=to_path("file", file),
        output=to_path("output", output),
        source=source,
        spec=to_path_or_none("spec", spec),
        size_hw=to_size(size_hw),
        allow_pickle=allow_pickle,
        unsafe_pickle=unsafe_pickle,
        classes=to_path_or_none("classes", classes),
        class_map=class_map,
        normalisation=normalisation,
        decoder=decoder,
        licence=licence,
        data=to_path_or_none("data", data),
        split=split,
        limit=limit,
        max_pixels=max_pixels,
    )
    return layer.import_checkpoint(request, progress)


@checked
def wrap(
    module: "types.Module",
    *,
    classes: "Sequence[str | types.ClassInfo] | str | Path | None" = None,
    normalisation: "types.Normalisation | None" = None,
    size_hw: Sequence[int] | None = None,
    weights: str | Path | None = None,
    output: str | Path | None = None,
    name: str | None = None,
    classifier: str | None = None,
    backbone: str | None = None,
    ignore_index: int | None = None,
    licence: str | None = None,
) -> "types.Checkpoint":
    """Return a module of your own as a checkpoint, which train, prune, quantize, export and parity take.

    No file holds the module's code. What is written of it (here, by training, pruning or quantization) is opened by a
    program that has the module and wraps it again: `ed.wrap(module, weights=FILE)`; from then on its path opens too.

    Args:
        module: maps normalised (1, 3, H, W) RGB to scores (1, K, h, w), a channel a class, which are enlarged to the
            picture where they are smaller; it is copied, with its weights, to float32 on the CPU.
        classes: in the order of its channels: names, `ClassInfo`s, or a file, as for `import_checkpoint`.
        normalisation: what it expects of pixels of 0..255.
        size_hw: height and width in pixels of evaluation and export; export asks for multiples of 16.
        weights: a checkpoint of the same module, which then tells all the others; a pruned one takes the module in its
            full widths.
        output: where the checkpoint is written as well; without it, it is in memory alone.
        name: of the network and of its exported files; the type's name by default.
        classifier: path of what gives the scores; by default the last convolution with a channel a class. Its classes
            are what pruning leaves alone.
        backbone: path of what learns at the recipe's rate for backbones; without it all learns at the other.
        ignore_index: mask value that is not scored; None is what the file of the classes says, if it says one.
        licence: of the weights.

    Raises:
        ConfigError: when something is missing, or does not fit the module, or the module is not that of the weights.
        CheckpointError: when the weights cannot be read, or values are not finite.
        OutputError: when the checkpoint cannot be written.
        MissingDependencyError: without torch.
    """
    require("torch", package="torch", extra="train")
    from edge_deeplab.models import wrapping as layer

    listed = to_class_list(classes)
    if listed is not None and ignore_index is None:
        ignore_index = listed.ignore_index
    request = layer.WrapRequest(
        None if listed is None else listed.classes,
        normalisation,
        to_size(size_hw),
        to_path_or_none("output", output),
        name,
        classifier,
        backbone,
        ignore_index,
        licence,
    )
    if weights is None:
        return layer.wrap(module, request)
    return layer.reopen(module, to_path("weights", weights), request)


@checked
def export(
    model: "types.NamedCheckpoint" = None,
    targets: str | Sequence[str] = ("all",),
    *,
    precision: str | None = None,
    calibrate: str | Path | None = None,
    sparsity: str | None = None,
    head: str | None = None,
    size_hw: Sequence[int] | Sequence[Sequence[int]] | None = None,
    atrous: str = "native",
    profiles: str | Sequence[str] = (),
    backend: str | None = None,
    any_size: bool = False,
    output: str | Path = "exports",
    max_pixels: int = MAX_PIXELS,
    allow_pickle: bool = False,
    unsafe_pickle: bool = False,
    progress: Progress = SILENT,
) -> "tuple[types.ExportedArtifact, ...]":
    """Export a checkpoint to files that describe themselves, count verdicts, and write `manifest.json` beside them.

    Keywords that are not told here are the fields of `converters.request.ExportRequest`; results and errors are those
    of `converters.export.export_checkpoint`.

    Args:
        model: as for `load`; None is the shipped checkpoint, for int8 without `calibrate` the shipped quantized one.
        size_hw: (H, W), or several of them, each of which has files of its own; None is the size of the training.
        allow_pickle: as for `load`.
        unsafe_pickle: as for `load`.
        progress: told every stage.
    """
    progress.begin("loading torch")
    from edge_deeplab.converters.export import export_checkpoint
    from edge_deeplab.converters.request import ExportRequest
    from edge_deeplab.models.shipped import DEFAULT_QUANTIZED
    from edge_deeplab.runtimes.once import run_once

    request = ExportRequest(
        targets=to_names("targets", targets),
        precision=precision,
        sizes_hw=to_sizes(size_hw),
        head=head,
        atrous=atrous,
        profiles=to_names("profiles", profiles),
        backend=backend,
        any_size=any_size,
        output=to_path("output", output),
        calibrate=to_path_or_none("calibrate", calibrate),
        max_pixels=max_pixels,
        sparsity=sparsity,
    )
    if model is None and precision == "int8" and calibrate is None:
        model = DEFAULT_QUANTIZED
    checkpoint = load(model, allow_pickle=allow_pickle, unsafe_pickle=unsafe_pickle)
    return export_checkpoint(checkpoint, request, progress, run_once)


@checked
def open_artifact(
    path: str | Path,
    *,
    size_hw: Sequence[int] | None = None,
    threads: int | None = None,
    normalisation: "types.Normalisation | None" = None,
    threshold: float | None = None,
    runtime: str | None = None,
    allowance: "types.Allowance | None" = None,
) -> "types.Runtime":
    """Load an exported file, or a checkpoint; `predict` of the result maps pictures to class maps.

    It maps (N, H, W, 3) uint8 RGB to (N, H, W) uint8 class ids, where H and W are the file's own (`size_hw`). Pictures
    of another size are a DataError: how to resize is the caller's to say (`evaluate` and the demo do it bilinearly).
    Keywords that are not told here, and errors, are those of `runtimes.open.open_artifact`.

    Args:
        path: the file.
        threshold: of a file of another project that gives one channel, a mask of one class: from this value on, in its
            own units, a pixel is of class 1, below it of class 0.
    """
    from edge_deeplab.runtimes import open as layer
    from edge_deeplab.runtimes.artifact import ArtifactRuntime

    opened = layer.open_artifact(
        to_path("path", path),
        size_hw=to_size(size_hw),
        threads=threads,
        normalisation=normalisation,
        runtime=runtime,
        allowance=allowance,
    )
    if threshold is not None and isinstance(opened, ArtifactRuntime):
        opened.read_as_mask(threshold)
    return opened
