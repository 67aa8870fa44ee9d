"""The face's verbs that train: train, prune, quantize, and what each part of a network would cost."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_deeplab.api.files import load
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.progress import SILENT, Progress

if TYPE_CHECKING:
    from edge_deeplab.api.named import NamedCheckpoint, NamedRecipe
    from edge_deeplab.config import Recipe
    from edge_deeplab.data.dataset import FolderDataset
    from edge_deeplab.evaluation.pruned import Pruned
    from edge_deeplab.quantization.pruning.run import PruneRequest
    from edge_deeplab.quantization.pruning.sensitivity import Sweep
    from edge_deeplab.quantization.qat import QuantizeRequest
    from edge_deeplab.quantization.sensitivity import Ranking
    from edge_deeplab.training.loop import RunOptions, Trained


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
