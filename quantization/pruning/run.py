"""The pruning run: channels are removed until every budget is met, then the network is fine-tuned by distillation.

With several rounds a part of the way is gone in each, and each starts from what the round before has trained; a round
is a run folder of its own, so any round is resumed as any training is.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator

from edge_deeplab.config import PruneRecipe
from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.errors import ConfigError, require
from edge_deeplab.files import (
    BEST_FILE,
    STATE_FILE,
    check_writable,
    replace_when_complete,
    write_atomically,
)
from edge_deeplab.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.quantization.pruning.latency import LatencyTable
from edge_deeplab.quantization.pruning.prune import (
    check_float,
    measure_importance,
    prune,
    sweep_images,
)
from edge_deeplab.quantization.pruning.remove import removable_groups
from edge_deeplab.quantization.pruning.sensitivity import Sweep, save_plot, sweep
from edge_deeplab.quantization.sparsity import sparse_weights
from edge_deeplab.sparsity_pattern import parse_sparsity
from edge_deeplab.training.crops import build_crops
from edge_deeplab.training.lock import held_alone
from edge_deeplab.training.loop import (
    RunOptions,
    Trained,
    Training,
    build_accelerator,
    run_training,
    score,
    share_statistics,
)
from edge_deeplab.training.loss import Objective, build_loss
from edge_deeplab.training.provenance import check_sources, identity_after
from edge_deeplab.training.run_folder import RunFolder, check_unused, keep_recipe

PRUNED_FILE = "pruned.safetensors"
"""The pruned network before any fine-tuning."""


@dataclass(frozen=True)
class PruneRequest:
    """A float checkpoint to prune to a recipe's budgets, and how.

    Args:
        checkpoint: what is pruned, and what the result is distilled from.
        recipe: the run; its model section is not read.
        sources: labelled data sets with the checkpoint's classes.
        output: folder for `pruned.safetensors` and the run's files; earlier rounds are in `round-1` and so on below it.
        latency: times of layers; needed with a latency budget.

    Raises:
        ConfigError: when the checkpoint is quantized, the recipe contradicts itself, or rendered scenes are to be mixed
            into other classes.
        DataError: when a set has other classes.
        OutputError: when the folder cannot be written.
    """

    checkpoint: Checkpoint
    recipe: PruneRecipe
    sources: Sequence[SegmentationDataset]
    output: Path
    latency: LatencyTable | None = None

    def __post_init__(self) -> None:
        check_writable(self.output, "folder")
        check_float(self.checkpoint)
        section = self.recipe.pruning
        if section.rounds > 1 and self.recipe.optimiser.epochs == 0:
            raise ConfigError(
                f"{section.rounds} rounds came with 0 epochs; one of the two was expected; leave the other out"
            )
        check_sources(self.checkpoint, self.recipe, self.sources)


def train_pruned(request: PruneRequest, options: RunOptions) -> Trained:
    """Prune a float checkpoint to the recipe's budgets, fine-tune it, and return the best checkpoint.

    Args:
        request: what is pruned.
        options: how; only the last round is validated.

    Raises:
        ConfigError: when no budget is named, or one cannot be met, or the loss or its gradient is no longer finite.
        DataError: when an epoch has fewer crops than a batch.
        CheckpointError: when the run is to be resumed and left no state.
        OutputError: when a new run, or one without epochs, finds the state of another, or another is at work there.
        MissingDependencyError: without torch-pruning.
    """
    checkpoint = request.checkpoint
    request = replace(request, recipe=request.recipe.with_crops_for(checkpoint.info.size_hw))
    with held_alone(request.output, "training"):
        check_unstarted(request, resume=options.resume)
        trained = _train_rounds(request, options)
    trained.tell(options.progress)
    return trained


def _train_rounds(request: PruneRequest, options: RunOptions) -> Trained:
    """Prune and fine-tune in every round, and return the best of the last."""
    checkpoint = request.checkpoint
    start, rounds = checkpoint, request.recipe.pruning.rounds
    for number in range(1, rounds):
        folder, recipe = request.output / f"round-{number}", recipe_of_round(request.recipe, number)
        resume = options.resume and (number == 1 or (folder / STATE_FILE).is_file())
        options.progress.note(f"round {number} of {rounds}")
        trained = _train_round(
            replace(request, recipe=recipe, output=folder),
            start,
            replace(options, resume=resume, validate=None),
        )
        start = load_checkpoint(trained.checkpoint)
    resume = options.resume and (rounds == 1 or (request.output / STATE_FILE).is_file())
    return _train_round(request, start, replace(options, resume=resume))


def check_unstarted(request: PruneRequest, *, resume: bool) -> None:
    """Check that what a run writes anew is of no earlier run.

    Raises:
        ConfigError: when a run without epochs is to be resumed.
        OutputError: as for `check_unused`.
    """
    trains = request.recipe.optimiser.epochs > 0
    if not (resume and trains):
        check_unused(request.output)
    if not resume:
        for folder in sorted(request.output.glob("round-*")):
            check_unused(folder)
    elif not trains:
        raise ConfigError(
            "resume came with 0 epochs, which train nothing; one of the two was expected; leave the other out"
        )


def sweep_groups(request: PruneRequest, progress: Progress = SILENT) -> Sweep:
    """Return what pruning each group alone costs, and write it to OUTPUT/sensitivity.json and sensitivity.png.

    Args:
        request: what is measured; nothing is pruned.
        progress: told each stage.

    Raises:
        MissingDependencyError: without matplotlib or torch-pruning.
    """
    require("matplotlib", package="matplotlib", extra="compress")
    checkpoint, recipe, sources = request.checkpoint, request.recipe, request.sources
    model = checkpoint.build()
    groups = removable_groups(model, checkpoint.info.spec.parts, checkpoint.info.probe_hw)
    importance = measure_importance(checkpoint, groups, recipe, sources, progress)
    images = sweep_images(checkpoint, recipe, sources)
    swept = Sweep(tuple(sweep(model, groups, importance, images, progress=progress)))
    text = json.dumps(swept.to_json(), indent=2)
    write_atomically(request.output / "sensitivity.json", f"{text}\n")
    with replace_when_complete(request.output / "sensitivity.png") as path:
        save_plot(swept.points, path)
    return swept


def recipe_of_round(recipe: PruneRecipe, number: int) -> PruneRecipe:
    """Return the recipe of a round before the last: the n-th of N takes every budget to the power n / N of itself.

    Single weights are set to zero in the last round alone, because before it which channels stay is open.
    """
    section = recipe.pruning
    part = number / section.rounds
    budgets = {name: ratio**part for name, ratio in section.budgets().items()}
    pruning = section.model_copy(update={**budgets, "sparsity": None})
    optimiser = recipe.optimiser.model_copy(update={"epochs": section.round_epochs})
    return recipe.model_copy(update={"pruning": pruning, "optimiser": optimiser})


def _train_round(request: PruneRequest, start: Checkpoint, options: RunOptions) -> Trained:
    """Prune `start`, a descendant of the request's checkpoint or itself, fine-tune it, and return the best."""
    recipe, output = request.recipe, request.output
    accelerator = build_accelerator(recipe)
    if not options.resume:
        _save_pruned(request, start, accelerator, options.progress)
    pruned = load_checkpoint(output / PRUNED_FILE)
    before = score(request.checkpoint, options, accelerator)
    if recipe.optimiser.epochs > 0:
        belongs_to = identity_after(request.checkpoint, recipe, request.sources, options.scored_on)
        folder = RunFolder(output, recipe, belongs_to, options.validate)
        training = _build_training(request, pruned, accelerator, options.progress)
        trained = run_training(training, folder, accelerator, options)
    else:
        if accelerator.is_main_process:
            save_checkpoint(output / BEST_FILE, pruned.build(), pruned.info)
        accelerator.wait_for_everyone()
        trained = Trained(output / BEST_FILE, score(output / BEST_FILE, options, accelerator))
    return replace(trained, miou_before=before)


def _save_pruned(
    request: PruneRequest, start: Checkpoint, accelerator: Accelerator, progress: Progress
) -> None:
    """Prune `start` and write what is to be fine-tuned, for all processes to read."""
    pruned = prune(
        request.checkpoint,
        request.recipe,
        request.sources,
        start=None if start is request.checkpoint else start,
        latency=request.latency,
        progress=progress,
    )
    if accelerator.is_main_process:
        keep_recipe(request.output, request.recipe)
        save_checkpoint(request.output / PRUNED_FILE, pruned.build(), pruned.info)
    accelerator.wait_for_everyone()


def _build_training(
    request: PruneRequest, pruned: Checkpoint, accelerator: Accelerator, progress: Progress
) -> Training:
    """Return what is trained: the pruned network, against the labels and the original's opinion."""
    recipe, section, device = request.recipe, request.recipe.pruning, accelerator.device
    torch.manual_seed(recipe.seed)
    loss = build_loss(recipe, request.sources, len(pruned.info.classes), progress).to(device)
    teacher = request.checkpoint.build()
    teacher.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    model, pattern = pruned.build(), section.sparsity
    return Training(
        share_statistics(model, accelerator),
        build_crops(request.sources, recipe, pruned.info),
        Objective(loss, teacher, section.distill, section.temperature, accelerator.autocast),
        lambda average, path: save_checkpoint(path, average, pruned.info),
        pruned.info.spec.parts,
        keep_zeros=[] if pattern is None else sparse_weights(model, parse_sparsity(pattern)),
    )
