"""The face's verbs that train: train, prune, quantize, and what each part of a network would cost."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from edge_deeplab.api.files import load
from edge_deeplab.api.keywords import checked
from edge_deeplab.api.named import (
    to_folder,
    to_names,
    to_path,
    to_path_or_none,
    to_size,
    types,
)
from edge_deeplab.api.resuming import Beginning
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import ConfigError, checking
from edge_deeplab.progress import SILENT, Progress

if TYPE_CHECKING:
    from edge_deeplab.config import Recipe
    from edge_deeplab.data.folder import DataFolder, LabelledFolder
    from edge_deeplab.training.choosing import Given
    from edge_deeplab.training.loop import RunOptions

Chosen = TypeVar("Chosen", bound="Recipe")


@checked
def train(
    data: str | Path | None = None,
    output: str | Path | None = None,
    *,
    recipe: "types.NamedRecipe" = None,
    model: str | None = None,
    epochs: int | None = None,
    size_hw: tuple[int, int] | None = None,
    batch_size: int | None = None,
    classes: "Sequence[str | types.ClassInfo] | str | Path | None" = None,
    init: "types.NamedCheckpoint" = None,
    backbone_weights: str | Path | None = None,
    teacher: "types.NamedCheckpoint" = None,
    resume: bool = False,
    workers: int = 1,
    tensorboard: bool = False,
    max_pixels: int | None = None,
    label_map: "types.NamedLabelMap" = None,
    progress: Progress = SILENT,
) -> "types.Trained":
    """Train a DeepLabV3+ and return its best checkpoint.

    Args:
        data: a folder with dataset.toml, PASCAL VOC or Cityscapes.
        output: the run's folder: checkpoints, state, log.csv.
        recipe: a `Recipe`, what its file would hold, its path, or None: size, crops, batch, rates and epochs are chosen
            by the data and the machine, and told. The run's folder holds what it was in recipe.toml.
        model: trains this model instead of the recipe's.
        epochs: in place of the recipe's.
        size_hw: of the checkpoint, in place of the recipe's.
        batch_size: crops a step, in place of the recipe's.
        classes: what the ids in the masks mean, in their order, for a folder that does not say it: names, or their file
            as for `import_checkpoint`; 255 is ignored, or what a dataset.toml among such files says.
        init: starts from this checkpoint, as for `load`; None starts the backbone from ImageNet's weights. Its network
            and size are taken where neither recipe nor keyword names others; an imported network always.
        backbone_weights: starts the backbone from this archive of folded convolutions instead.
        teacher: a checkpoint, as for `load`, of any model with the same classes, whose opinion is followed too.
        resume: goes on where the run in `output` stopped; data, recipe, start and what else is not named is as its
            folder says, and without an output it is the one run with epochs left in this folder or its `runs`.
        workers: processes that draw crops.
        tensorboard: also writes the numbers for TensorBoard, into the folder `tensorboard` (extra `tensorboard`).
        max_pixels: a larger image is refused; None is 64 million, or what a run that is resumed was started with.
        label_map: the data's classes in other words, those that are trained, or the TOML file that says so.
        progress: told every stage, and a line an epoch.

    Raises:
        ConfigError: when data or output is not named, the recipe cannot be used, or the loss or its gradient is no
            longer finite.
        DataError: when a split is missing or does not fit.
        CheckpointError: when a checkpoint cannot be read or does not fit, or there is nothing to resume.
        OutputError: when the folder cannot be written, or a new run finds the state of another.
    """
    progress.begin("loading torch")
    from edge_deeplab.config import Recipe
    from edge_deeplab.training.loop import RunOptions
    from edge_deeplab.training.start import started_recipe
    from edge_deeplab.training.train import TrainRequest, with_model
    from edge_deeplab.training.train import train as run

    with_model(Recipe(), model)  # a name that cannot be meant is refused before anything is read
    begun = Beginning(
        data, output, recipe, init, backbone_weights, teacher, label_map, classes, max_pixels
    )
    begun = begun.resumed(progress) if resume else begun
    data, output = begun.checked()
    start = None if begun.init is None else load(begun.init)
    teacher = None if begun.teacher is None else load(begun.teacher)
    told = begun.recipe, begun.backbone_weights, begun.label_map, begun.classes
    if not resume:
        _check_apart(output, *told, start, teacher)
    folder = to_folder(data, begun.pixels, begun.label_map, begun.classes)
    given = _given(epochs, size_hw, batch_size, start)
    if begun.recipe is None and size_hw is None and start is not None:
        given = replace(given, size_hw=start.info.size_hw)
    named = _named_recipe(begun.recipe, given, folder, progress)
    chosen = with_model(started_recipe(named, start, takes_model=model is None), model)
    if model is not None and start is not None and start.info.is_imported:
        raise ConfigError(
            f"model {model} came with {start.name}, an imported network, which is what is trained; one of the two was "
            "expected; leave the model out"
        )
    request = TrainRequest(
        chosen,
        _open_splits(folder, chosen),
        to_path("output", output),
        start,
        to_path_or_none("backbone_weights", begun.backbone_weights),
        teacher,
        begun.told(chosen.optimiser.epochs),
    )
    own = RunOptions(resume, workers, tensorboard=tensorboard)
    return run(request, _run_options(folder, chosen, own, progress))


@checked
def prune(
    checkpoint: "types.NamedCheckpoint" = None,
    *,
    data: str | Path,
    output: str | Path,
    macs: float | None = None,
    params: float | None = None,
    latency: float | None = None,
    epochs: int | None = None,
    recipe: "types.NamedRecipe" = None,
    resume: bool = False,
    workers: int = 1,
    tensorboard: bool = False,
    max_pixels: int = MAX_PIXELS,
    label_map: "types.NamedLabelMap" = None,
    progress: Progress = SILENT,
) -> "types.Pruned":
    """Remove channels until every budget is met, fine-tune, and return the result beside the original.

    Args:
        checkpoint: a float checkpoint, as for `load`.
        data: as for `train`.
        output: with a latency budget the times of layers are kept there too.
        macs: share of the multiply-adds that may remain, in place of the recipe's.
        params: share of the parameters.
        latency: share of the latency, predicted from layers that are timed here.
        epochs: of fine-tuning; 0 only prunes.
        recipe: a `PruneRecipe`; budgets stand in its pruning section, as {"pruning": {"macs": 0.5}}.
        resume: goes on where the run in `output` stopped.
        workers: processes that draw crops.
        tensorboard: also writes the numbers for TensorBoard, into the folder `tensorboard` (extra `tensorboard`).
        max_pixels: a larger image is refused.
        label_map: the data's classes in other words, those that are trained, or the TOML file that says so.
        progress: told every stage, and a line an epoch.

    Raises:
        ConfigError: when the checkpoint is quantized, no budget is named, or one cannot be met.
        MissingDependencyError: without torch-pruning, or what a latency budget is measured with.
        EdgeDeepLabError: as for `train`.
    """
    progress.begin("loading torch")
    from edge_deeplab.config import PruneRecipe
    from edge_deeplab.evaluation.layer_latency import latency_table
    from edge_deeplab.evaluation.pruned import compare_pruned
    from edge_deeplab.quantization.pruning.run import (
        PRUNED_FILE,
        PruneRequest,
        check_unstarted,
        train_pruned,
    )
    from edge_deeplab.quantization.sparsity import say_who_gains_nothing
    from edge_deeplab.recipes import recipe_from
    from edge_deeplab.targets import STABLE
    from edge_deeplab.training.loop import RunOptions

    budgets = {"macs": macs, "params": params, "latency": latency}
    chosen = recipe_from(PruneRecipe, recipe, pruning=budgets, optimiser={"epochs": epochs})
    folder = to_folder(data, max_pixels, label_map)
    request = PruneRequest(*_opened(checkpoint, chosen, folder, output))
    original, section = request.checkpoint, chosen.pruning
    if not resume:
        _check_apart(output, recipe, label_map, original, others=(PRUNED_FILE,))
    check_unstarted(request, resume=resume)
    own = RunOptions(resume, workers, tensorboard=tensorboard)
    options = _run_options(folder, chosen, own, progress)
    if section.sparsity is not None and (warning := say_who_gains_nothing(STABLE)):
        progress.note(warning)
    if section.latency is not None:
        kept = request.output / "latency.json"
        times = latency_table(original, section, kept, progress=progress)
        request = replace(request, latency=times)
    pruned = load(train_pruned(request, options).checkpoint)
    return compare_pruned(original, pruned, request.latency, progress=progress)


@checked
def sweep_groups(
    checkpoint: "types.NamedCheckpoint" = None,
    *,
    data: str | Path,
    output: str | Path,
    recipe: "types.NamedRecipe" = None,
    max_pixels: int = MAX_PIXELS,
    label_map: "types.NamedLabelMap" = None,
    progress: Progress = SILENT,
) -> "types.Sweep":
    """Return what pruning each group of channels alone would cost, and write it to `output`.

    Nothing is pruned; arguments and errors as for `prune`.
    """
    progress.begin("loading torch")
    from edge_deeplab.config import PruneRecipe
    from edge_deeplab.quantization.pruning.run import PruneRequest
    from edge_deeplab.quantization.pruning.run import sweep_groups as run
    from edge_deeplab.recipes import recipe_from

    chosen = recipe_from(PruneRecipe, recipe)
    folder = to_folder(data, max_pixels, label_map)
    request = PruneRequest(*_opened(checkpoint, chosen, folder, output))
    return run(request, progress)


@checked
def quantize(
    checkpoint: "types.NamedCheckpoint" = None,
    *,
    data: str | Path,
    output: str | Path,
    epochs: int | None = None,
    recipe: "types.NamedRecipe" = None,
    keep_float: Sequence[str] = (),
    resume: bool = False,
    workers: int = 1,
    tensorboard: bool = False,
    max_pixels: int = MAX_PIXELS,
    label_map: "types.NamedLabelMap" = None,
    progress: Progress = SILENT,
) -> "types.Trained":
    """Calibrate a float checkpoint, train it quantization-aware, and return its best quantized checkpoint.

    Args:
        checkpoint: a float checkpoint, as for `load`.
        data: as for `train`.
        output: the run's folder.
        epochs: in place of the recipe's; 0 only calibrates.
        recipe: a `QatRecipe`.
        keep_float: paths of modules to leave in float.
        resume: goes on where the run in `output` stopped.
        workers: processes that draw crops.
        tensorboard: also writes the numbers for TensorBoard, into the folder `tensorboard` (extra `tensorboard`).
        max_pixels: a larger image is refused.
        label_map: the data's classes in other words, those that are trained, or the TOML file that says so.
        progress: told every stage, and a line an epoch.

    Raises:
        ConfigError: when the checkpoint is quantized already or cannot be.
        MissingDependencyError: without nncf, unless there are no epochs.
        EdgeDeepLabError: as for `train`.
    """
    progress.begin("loading torch")
    from edge_deeplab.config import QatRecipe
    from edge_deeplab.quantization.qat import QuantizeRequest, train_quantized
    from edge_deeplab.recipes import recipe_from
    from edge_deeplab.training.loop import RunOptions

    chosen = recipe_from(QatRecipe, recipe, optimiser={"epochs": epochs})
    folder = to_folder(data, max_pixels, label_map)
    opened = _opened(checkpoint, chosen, folder, output)
    if not resume:
        _check_apart(output, recipe, label_map, opened[0])
    request = QuantizeRequest(*opened, keep_float=to_names("keep_float", keep_float))
    own = RunOptions(resume, workers, tensorboard=tensorboard)
    options = _run_options(folder, chosen, own, progress)
    return train_quantized(request, options)


@checked
def rank_quantizers(
    checkpoint: "types.NamedCheckpoint" = None,
    *,
    data: str | Path,
    output: str | Path,
    recipe: "types.NamedRecipe" = None,
    keep_float: Sequence[str] = (),
    max_pixels: int = MAX_PIXELS,
    label_map: "types.NamedLabelMap" = None,
    progress: Progress = SILENT,
) -> "types.Ranking":
    """Return what each quantizer alone would cost, and write it to `output`.

    Nothing is trained; arguments and errors as for `quantize`.
    """
    progress.begin("loading torch")
    from edge_deeplab.config import QatRecipe
    from edge_deeplab.quantization.qat import QuantizeRequest
    from edge_deeplab.quantization.qat import rank_quantizers as run
    from edge_deeplab.recipes import recipe_from

    chosen = recipe_from(QatRecipe, recipe)
    folder = to_folder(data, max_pixels, label_map)
    opened = _opened(checkpoint, chosen, folder, output)
    request = QuantizeRequest(*opened, keep_float=to_names("keep_float", keep_float))
    return run(request, progress)


def _given(
    epochs: int | None,
    size_hw: tuple[int, int] | None,
    batch_size: int | None,
    start: "types.Checkpoint | None",
) -> "Given":
    from edge_deeplab.training.choosing import Given

    with checking("size_hw"):
        size = to_size(size_hw)
    return Given(epochs, size, batch_size, starts_trained=start is not None)


def _named_recipe(
    recipe: "types.NamedRecipe", given: "Given", folder: "DataFolder", progress: Progress
) -> "Recipe":
    """Return the recipe of a run: the one that was named, or one that is chosen, and then told."""
    from edge_deeplab.config import Recipe
    from edge_deeplab.recipes import recipe_from
    from edge_deeplab.training.choosing import Machine, choose_recipe, tell_choice

    said: dict[str, dict[str, Any]] = {
        "data": {"size_hw": given.size_hw},
        "optimiser": {"epochs": given.epochs, "batch_size": given.batch_size},
    }
    if recipe is not None:
        return recipe_from(Recipe, recipe, **said)
    recipe_from(Recipe, None, **said)  # what cannot be meant is refused before anything is read
    images, machine = folder.open("train").photographs, Machine.here()
    validated = len(folder.open("val")) if folder.has("val") else None
    sections = choose_recipe(images, validated, given, machine)
    progress.note(tell_choice(sections, len(images), machine))
    return recipe_from(Recipe, None, **sections)


def _opened(
    checkpoint: "types.NamedCheckpoint", recipe: Chosen, folder: "DataFolder", output: str | Path
) -> "tuple[types.Checkpoint, Chosen, list[LabelledFolder], Path]":
    """Return what every request that starts from a checkpoint begins with."""
    sources = _open_splits(folder, recipe)
    return load(checkpoint), recipe, sources, to_path("output", output)


def _check_apart(output: str | Path, *named: object, others: tuple[str, ...] = ()) -> None:
    """Check that a new run writes over no file that it is named with; errors as for `check_apart`."""
    from edge_deeplab.training.run_folder import check_apart

    paths = [getattr(each, "path", each) for each in named]
    read = [Path(path) for path in paths if isinstance(path, str | Path)]
    check_apart(to_path("output", output), read, *others)


def _open_splits(folder: "DataFolder", recipe: "Recipe") -> "list[LabelledFolder]":
    return [folder.open(split) for split in recipe.data.splits]


def _run_options(
    folder: "DataFolder", recipe: "Recipe", own: "RunOptions", progress: Progress
) -> "RunOptions":
    """Return how a run is done: what its caller has said, with what scores it."""
    from edge_deeplab.data.inspection.glance import tell_data
    from edge_deeplab.evaluation.validation import open_validator
    from edge_deeplab.training.tracking import check_tensorboard

    if own.tensorboard:
        check_tensorboard()
    if not own.resume:
        tell_data(folder, recipe.data.splits, progress)
    validate = open_validator(folder, recipe, progress)
    return replace(own, validate=validate, progress=progress)
