"""Training a model on labelled data, from random weights, ImageNet's, or those of a checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from edge_deeplab.config import Recipe
from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.errors import DataError, checking
from edge_deeplab.files import check_writable
from edge_deeplab.models.backbones import get_backbone
from edge_deeplab.models.checkpoint import Checkpoint, CheckpointInfo, save_checkpoint
from edge_deeplab.models.family import find_spec
from edge_deeplab.models.origins import origins_of, with_terms
from edge_deeplab.models.views import Views
from edge_deeplab.progress import Progress
from edge_deeplab.training.crops import build_crops
from edge_deeplab.training.lock import held_alone
from edge_deeplab.training.loop import (
    RunOptions,
    Trained,
    Training,
    build_accelerator,
    run_training,
    share_statistics,
)
from edge_deeplab.training.loss import Objective, build_loss
from edge_deeplab.training.provenance import identity, provenance_of
from edge_deeplab.training.run_folder import RunFolder, check_unused, keep_recipe
from edge_deeplab.training.start import (
    build_started,
    build_to_restore,
    choose_spec,
    name_start,
    started_from,
)
from edge_deeplab.training.started import StartedWith
from edge_deeplab.training.teacher import build_teacher, check_teacher, told_of


@dataclass(frozen=True)
class TrainRequest:
    """A model to train.

    Args:
        recipe: the run.
        sources: labelled data sets; all with the classes of the first.
        output: folder for `best.safetensors`, `last.safetensors`, `state.safetensors` and `log.csv`.
        init: start from these weights instead of ImageNet's; a classifier keeps the rows of classes that both have. An
            imported network is what is trained, whatever model the recipe names.
        backbone_weights: start the backbone from this archive of folded convolutions instead (`models.folded_weights`).
        teacher: its opinion is followed beside the labels, as far as the recipe's `teacher` section says.
        started: what the run was named with, kept in its folder; None keeps nothing.

    Raises:
        ConfigError: when the recipe names no model that there is, or options that it cannot have.
        DataError: when data sets differ in their classes.
        CheckpointError: when the teacher's classes are others.
        OutputError: when the folder cannot be written.
    """

    recipe: Recipe
    sources: Sequence[SegmentationDataset]
    output: Path
    init: Checkpoint | None = None
    backbone_weights: Path | None = None
    teacher: Checkpoint | None = None
    started: StartedWith | None = None

    def __post_init__(self) -> None:
        check_writable(self.output, "folder")
        choose_spec(self.recipe.model)
        _check_classes(self.sources)
        if self.teacher is not None:
            check_teacher(self.teacher, self.sources[0].classes)


def train(request: TrainRequest, options: RunOptions) -> Trained:
    """Train a model and return the best checkpoint.

    Args:
        request: what is trained.
        options: how; a run that is resumed must have started from the same weights, and have the same teacher.

    Raises:
        DataError: when there are fewer crops in an epoch than in a batch.
        CheckpointError: when the run is to be resumed and left no state, or weights to start from do not fit.
        OutputError: when a new run finds the state of another, or another is at work in the folder.
        ConfigError: when rendered scenes are to be mixed into other classes, or the loss or its gradient is no longer
            finite.
    """
    if not options.resume:
        check_unused(request.output)
    recipe = request.recipe.with_crops_for(request.recipe.data.size_hw)
    sources, progress = request.sources, options.progress
    start = name_start(request.init, request.backbone_weights, request.teacher)
    belongs_to = identity(recipe, sources, start, validation=options.scored_on)
    accelerator = build_accelerator(recipe)
    torch.manual_seed(recipe.seed)
    info = describe_run(recipe, sources, request.init, request.backbone_weights, request.teacher)
    crops = build_crops(sources, recipe, info)
    progress.begin(f"building {info.model}")
    model = (
        build_to_restore(info, request.init)
        if options.resume
        else build_started(
            info,
            request.init,
            request.backbone_weights,
            crops,
            pretrained=recipe.model.pretrained,
        )
    )
    training = Training(
        share_statistics(model, accelerator),
        crops,
        _build_objective(request, info, accelerator, progress),
        lambda average, path: save_checkpoint(path, average, info),
        parts=info.spec.parts,
    )
    folder = RunFolder(request.output, recipe, belongs_to, options.validate)
    with held_alone(request.output, "training"):
        if accelerator.is_main_process and not options.resume:
            check_unused(request.output)  # a run that has ended since
            keep_recipe(request.output, recipe)
            if request.started is not None:
                request.started.write(request.output)
        trained = run_training(training, folder, accelerator, options)
    trained.tell(progress)
    return trained


def _build_objective(
    request: TrainRequest, info: CheckpointInfo, accelerator: Accelerator, progress: Progress
) -> Objective:
    """Return the loss against the labels and, where there is one, the teacher's opinion."""
    recipe, device = request.recipe, accelerator.device
    loss = build_loss(recipe, request.sources, len(info.classes), progress).to(device)
    if request.teacher is None:
        return Objective(loss)
    section = recipe.teacher
    views = Views(section.scales, section.flip)
    teacher = build_teacher(request.teacher, info.normalisation, views)
    teacher.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Objective(loss, teacher, section.weight, section.temperature, accelerator.autocast)


def with_model(recipe: Recipe, model: str | None) -> Recipe:
    """Return a recipe that names its model in full, or another.

    Args:
        recipe: the run.
        model: as `find_spec` takes it; None keeps the recipe's.

    Raises:
        ConfigError: when there is none of that name; it says whether `model` is at fault.
    """
    if model is not None:
        with checking("model"):
            find_spec(model)
    name = find_spec(model or recipe.model.name).name
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"name": name})})


def describe_run(
    recipe: Recipe,
    sources: Sequence[SegmentationDataset],
    init: Checkpoint | None = None,
    backbone_weights: Path | None = None,
    teacher: Checkpoint | None = None,
) -> CheckpointInfo:
    """Return what the checkpoint of this run says of itself; one that starts from another carries its story."""
    first, spec = sources[0], choose_spec(recipe.model)
    provenance: dict[str, Any] = {
        **provenance_of(recipe, sources),
        **({} if init is None else {"starts_from": init.info.provenance}),
        **({} if backbone_weights is None else {"backbone_weights": backbone_weights.name}),
        **({} if teacher is None else {"taught_by": told_of(teacher)}),
    }
    info = CheckpointInfo(
        spec=spec,
        classes=first.classes,
        ignore_index=first.ignore_index,
        normalisation=get_backbone(spec.backbone).normalisation,
        size_hw=recipe.data.size_hw,
        licence=with_terms(recipe.licence or first.licence, origins_of(provenance)),
        provenance=provenance,
    )
    return started_from(info, init)


def _check_classes(sources: Sequence[SegmentationDataset]) -> None:
    first, *others = sources
    for source in others:
        if [c.name for c in source.classes] != [c.name for c in first.classes]:
            raise DataError(
                f"{source.name} has other classes than {first.name}; train on one label set"
            )
