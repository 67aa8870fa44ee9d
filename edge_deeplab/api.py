"""What `import edge_deeplab` offers: typed requests in, typed results out; nothing is printed.

One function a verb: it takes the fields of a frozen request as keywords, validates them once, and raises the errors
of `errors.py`. Work that takes long tells a `Progress`. What is heavy is imported when a function is called.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import require
from edge_deeplab.progress import SILENT, Progress

if TYPE_CHECKING:
    from edge_deeplab.checker.report import CheckResult
    from edge_deeplab.child.limits import Allowance
    from edge_deeplab.compress.report import ChainReport
    from edge_deeplab.config import CompressRecipe, Recipe
    from edge_deeplab.converters.export import ExportedArtifact
    from edge_deeplab.data.dataset import FolderDataset
    from edge_deeplab.description import Normalisation
    from edge_deeplab.evaluation.class_map import ClassMap
    from edge_deeplab.evaluation.cost import ModelList
    from edge_deeplab.evaluation.doctor import Diagnosis
    from edge_deeplab.evaluation.latency import BenchReport
    from edge_deeplab.evaluation.pruned import Pruned
    from edge_deeplab.evaluation.scores import Evaluation
    from edge_deeplab.evaluation.verdict import ParityReport
    from edge_deeplab.models.checkpoint import Checkpoint
    from edge_deeplab.quantization.pruning.run import PruneRequest
    from edge_deeplab.quantization.pruning.sensitivity import Sweep
    from edge_deeplab.quantization.qat import QuantizeRequest
    from edge_deeplab.quantization.sensitivity import Ranking
    from edge_deeplab.runtimes.base import Runtime
    from edge_deeplab.targets import RuntimeName
    from edge_deeplab.training.loop import RunOptions, Trained

    NamedCheckpoint = Checkpoint | str | Path | None
    """A checkpoint, or what names one: a file, a run's folder, a shipped name; None for the default shipped one."""

    NamedRecipe = Recipe | Mapping[str, object] | str | Path | None
    """A recipe of the verb's kind, what its file would hold, the file's path, or None for the defaults."""

    NamedChain = CompressRecipe | Mapping[str, object] | str | Path
    """The recipe of a chain, what its file would hold, or the file's path."""


Given = TypeVar("Given")


class Exported(Protocol):
    """What lies in a file: what `export` returns has its path."""

    @property
    def path(self) -> Path: ...


Artifacts = str | Path | Exported | Sequence[str | Path | Exported]
"""Exported files: what `export` returned, their paths, or folders that it wrote; one or several."""

# -- load, models, doctor


def load(
    source: "NamedCheckpoint" = None, *, allow_pickle: bool = False, unsafe_pickle: bool = False
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

    if source is not None and not isinstance(source, str | Path):
        return source
    named = None if source is None else str(source)
    return open_checkpoint(named, allow_pickle=allow_pickle, unsafe_pickle=unsafe_pickle)


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


def train(
    data: str | Path,
    output: str | Path,
    *,
    recipe: "NamedRecipe" = None,
    model: str | None = None,
    init: "NamedCheckpoint" = None,
    backbone_weights: str | Path | None = None,
    resume: bool = False,
    workers: int = 1,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = SILENT,
) -> "Trained":
    """Train a DeepLabV3+ and return its best checkpoint.

    Args:
        data: a folder with dataset.toml, PASCAL VOC or Cityscapes.
        output: the run's folder: checkpoints, state, log.csv.
        recipe: a `Recipe`, what its file would hold, its path, or None for the defaults.
        model: trains this model instead of the recipe's.
        init: starts from this checkpoint, as for `load`; None starts the backbone from ImageNet's weights.
        backbone_weights: starts the backbone from this archive of folded convolutions instead.
        resume: goes on where the run in `output` stopped.
        workers: processes that draw crops.
        max_pixels: a larger image is refused.
        progress: told every stage, and a line an epoch.

    Raises:
        ConfigError: when the recipe cannot be used, or the loss or its gradient is no longer finite.
        DataError: when a split is missing or does not fit.
        CheckpointError: when a checkpoint cannot be read or does not fit, or there is nothing to resume.
        OutputError: when the folder cannot be written, or a new run finds the state of another.
    """
    progress.begin("loading torch")
    from edge_deeplab.config import Recipe, recipe_from
    from edge_deeplab.training.train import TrainRequest, with_model
    from edge_deeplab.training.train import train as run

    chosen = with_model(recipe_from(Recipe, recipe), model)
    request = TrainRequest(
        chosen,
        _open_splits(data, chosen, max_pixels),
        Path(output),
        None if init is None else load(init),
        None if backbone_weights is None else Path(backbone_weights),
    )
    return run(request, _run_options(data, chosen, resume, workers, max_pixels, progress))


def prune(
    checkpoint: "NamedCheckpoint" = None,
    *,
    data: str | Path,
    output: str | Path,
    recipe: "NamedRecipe" = None,
    resume: bool = False,
    workers: int = 1,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = SILENT,
) -> "Pruned":
    """Remove channels until every budget is met, fine-tune, and return the result beside the original.

    Args:
        checkpoint: a float checkpoint, as for `load`.
        data: as for `train`.
        output: with a latency budget the times of layers are kept there too.
        recipe: a `PruneRecipe`; its pruning section names the budgets, as {"pruning": {"macs": 0.5}}.
        resume: goes on where the run in `output` stopped.
        workers: processes that draw crops.
        max_pixels: a larger image is refused.
        progress: told every stage, and a line an epoch.

    Raises:
        ConfigError: when the checkpoint is quantized, no budget is named, or one cannot be met.
        MissingDependencyError: without torch-pruning, or what a latency budget is measured with.
        EdgeDeepLabError: as for `train`.
    """
    request = _prune_request(checkpoint, data, output, recipe, max_pixels, progress)
    from edge_deeplab.evaluation.layer_latency import latency_table
    from edge_deeplab.evaluation.pruned import compare_pruned
    from edge_deeplab.quantization.pruning.run import check_unstarted, train_pruned
    from edge_deeplab.quantization.sparsity import say_who_gains_nothing
    from edge_deeplab.targets import TARGETS

    original, section = request.checkpoint, request.recipe.pruning
    check_unstarted(request, resume=resume)
    options = _run_options(data, request.recipe, resume, workers, max_pixels, progress)
    if section.sparsity is not None and (warning := say_who_gains_nothing(sorted(TARGETS))):
        progress.note(warning)
    if section.latency is not None:
        kept = request.output / "latency.json"
        times = latency_table(original, section, kept, progress=progress)
        request = replace(request, latency=times)
    pruned = load(train_pruned(request, options).checkpoint)
    return compare_pruned(original, pruned, request.latency, progress=progress)


def sweep_groups(
    checkpoint: "NamedCheckpoint" = None,
    *,
    data: str | Path,
    output: str | Path,
    recipe: "NamedRecipe" = None,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = SILENT,
) -> "Sweep":
    """Return what pruning each group of channels alone would cost, and write it to `output`.

    Nothing is pruned; arguments and errors as for `prune`.
    """
    request = _prune_request(checkpoint, data, output, recipe, max_pixels, progress)
    from edge_deeplab.quantization.pruning.run import sweep_groups as run

    return run(request, progress)


def quantize(
    checkpoint: "NamedCheckpoint" = None,
    *,
    data: str | Path,
    output: str | Path,
    recipe: "NamedRecipe" = None,
    keep_float: Sequence[str] = (),
    resume: bool = False,
    workers: int = 1,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = SILENT,
) -> "Trained":
    """Calibrate a float checkpoint, train it quantization-aware, and return its best quantized checkpoint.

    Args:
        checkpoint: a float checkpoint, as for `load`.
        data: as for `train`.
        output: the run's folder.
        recipe: a `QatRecipe`; with no epochs the checkpoint is calibrated and not trained.
        keep_float: paths of modules to leave in float.
        resume: goes on where the run in `output` stopped.
        workers: processes that draw crops.
        max_pixels: a larger image is refused.
        progress: told every stage, and a line an epoch.

    Raises:
        ConfigError: when the checkpoint is quantized already or cannot be.
        MissingDependencyError: without nncf, unless there are no epochs.
        EdgeDeepLabError: as for `train`.
    """
    request = _quantize_request(checkpoint, data, output, recipe, max_pixels, progress)
    from edge_deeplab.quantization.qat import train_quantized

    options = _run_options(data, request.recipe, resume, workers, max_pixels, progress)
    return train_quantized(replace(request, keep_float=keep_float), options)


def rank_quantizers(
    checkpoint: "NamedCheckpoint" = None,
    *,
    data: str | Path,
    output: str | Path,
    recipe: "NamedRecipe" = None,
    keep_float: Sequence[str] = (),
    max_pixels: int = MAX_PIXELS,
    progress: Progress = SILENT,
) -> "Ranking":
    """Return what each quantizer alone would cost, and write it to `output`.

    Nothing is trained; arguments and errors as for `quantize`.
    """
    request = _quantize_request(checkpoint, data, output, recipe, max_pixels, progress)
    from edge_deeplab.quantization.qat import rank_quantizers as run

    return run(replace(request, keep_float=keep_float), progress)


def _prune_request(
    checkpoint: "NamedCheckpoint",
    data: str | Path,
    output: str | Path,
    recipe: "NamedRecipe",
    max_pixels: int,
    progress: Progress,
) -> "PruneRequest":
    progress.begin("loading torch")
    from edge_deeplab.config import PruneRecipe, recipe_from
    from edge_deeplab.quantization.pruning.run import PruneRequest

    chosen, original = recipe_from(PruneRecipe, recipe), load(checkpoint)
    return PruneRequest(original, chosen, _open_splits(data, chosen, max_pixels), Path(output))


def _quantize_request(
    checkpoint: "NamedCheckpoint",
    data: str | Path,
    output: str | Path,
    recipe: "NamedRecipe",
    max_pixels: int,
    progress: Progress,
) -> "QuantizeRequest":
    progress.begin("loading torch")
    from edge_deeplab.config import QatRecipe, recipe_from
    from edge_deeplab.quantization.qat import QuantizeRequest

    chosen, original = recipe_from(QatRecipe, recipe), load(checkpoint)
    return QuantizeRequest(original, chosen, _open_splits(data, chosen, max_pixels), Path(output))


def _open_splits(data: str | Path, recipe: "Recipe", max_pixels: int) -> "list[FolderDataset]":
    from edge_deeplab.data.dataset import open_dataset

    splits = recipe.data.splits
    return [open_dataset(Path(data), split, max_pixels=max_pixels) for split in splits]


def _run_options(
    data: str | Path,
    recipe: "Recipe",
    resume: bool,
    workers: int,
    max_pixels: int,
    progress: Progress,
) -> "RunOptions":
    from edge_deeplab.evaluation.validation import open_validator
    from edge_deeplab.training.loop import RunOptions

    validate = open_validator(Path(data), recipe, max_pixels=max_pixels, progress=progress)
    return RunOptions(resume, workers, validate, progress)


# -- export


def export(
    model: "NamedCheckpoint" = None,
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


def check(
    artifacts: Artifacts,
    *,
    profiles: Sequence[str] = (),
    observe: str = "auto",
    merge: Path | None = None,
    progress: Progress = SILENT,
) -> "tuple[CheckResult, ...]":
    """Return the operator report of each file: verdicts by profile, and what tools were seen to do beside them.

    Args:
        artifacts: exported files, of this project or anyone's; a folder of exports stands for its files.
        profiles: runtimes and devices to hold files against; none takes each format's default.
        observe: "auto" asks the observers that need nothing more, "all" those of every profile, "none" no one.
        merge: what a Mac said of one `.mlpackage`, as the script of `check --mac-script` wrote it; it decides verdicts.
        progress: told of each file.

    Returns:
        One entry a file, in order; a file that cannot be read has an `UnreadArtifact` with the reason.

    Raises:
        ArtifactError: when the Mac's answer cannot be read, or is about another package.
        ConfigError: for an unknown profile or way to observe, a profile that reads none of the files, an answer for
            several files, or an observer that all were to be asked and is not available.
        MissingDependencyError: when the package that knows a format is not installed.
    """
    from edge_deeplab.checker.mac.bundle import only_package
    from edge_deeplab.checker.report import check_artifacts
    from edge_deeplab.formats.artifacts import expand_artifacts
    from edge_deeplab.runtimes.observers.mac import MacAnswer
    from edge_deeplab.runtimes.observers.registry import (
        available_observers,
        check_observe,
        demand_observers,
    )

    check_observe(observe)
    paths = expand_artifacts(_paths(artifacts))
    answer = None if merge is None else MacAnswer.about(only_package(paths, "--merge"), merge)
    if observe == "all":
        demand_observers(paths, profiles, answer)
    observers = {} if observe == "none" else available_observers(answer)
    return check_artifacts(paths, profiles, observers, progress=progress)


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


def compress(
    checkpoint: "NamedCheckpoint" = None,
    *,
    data: str | Path,
    recipe: "NamedChain",
    output: str | Path,
    workers: int = 1,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = SILENT,
) -> "ChainReport":
    """Prune, quantize, export, check, score and time in steps that are never done twice; stopped anywhere it goes on.

    Args:
        checkpoint: a float checkpoint, as for `load`; also the reference of all scores.
        data: as for `train`.
        recipe: a `CompressRecipe`, what its file would hold, or its path; a section that is left out leaves its steps
            out.
        output: folder of checkpoints, exports, report.json, report.md and pareto.png.
        workers: processes that draw crops.
        max_pixels: a larger image is refused.
        progress: told a line a step, and what a step tells.

    Raises:
        ConfigError: when the recipe or the checkpoint cannot be used.
        DataError: when a split is missing, has other classes, or fewer images than a batch.
        MissingDependencyError: when a step's package is not installed.
        StepError: when a step fails; the steps before it are kept.
        OutputError: when another chain is at work in the folder, or it cannot be written.
    """
    progress.begin("loading torch")
    from edge_deeplab.compress.chain import compress as run
    from edge_deeplab.compress.job import Job
    from edge_deeplab.config import CompressRecipe, recipe_from
    from edge_deeplab.files import check_writable

    chosen = recipe_from(CompressRecipe, recipe)
    check_writable(Path(output), "folder")
    start = load(checkpoint)
    return run(
        start, chosen, Job(Path(data), Path(output), workers, progress, max_pixels=max_pixels)
    )


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
