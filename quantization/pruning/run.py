"""The pruning run: channels are removed until every budget is met, then the network is fine-tuned by distillation.

With several rounds a part of the way is gone in each, and each starts from what the round before has trained; a round
is a run folder of its own, so any round is resumed as any training is.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from edge_deeplab.config import PruneRecipe
from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.files import BEST_FILE
from edge_deeplab.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edge_deeplab.quantization.pruning.latency import LatencyTable
from edge_deeplab.quantization.pruning.prune import check_float, prune
from edge_deeplab.quantization.sparsity import parse_sparsity, sparse_weights
from edge_deeplab.training.crops import build_crops
from edge_deeplab.training.loss import build_loss, distillation
from edge_deeplab.training.provenance import check_sources, identity_after
from edge_deeplab.training.run_folder import STATE_FILE, RunFolder, Validator, check_unused
from edge_deeplab.training.train import Listener, build_accelerator, train_model

PRUNED_FILE = "pruned.safetensors"
"""The pruned network before any fine-tuning."""


def train_pruned(
    checkpoint: Checkpoint,
    recipe: PruneRecipe,
    sources: Sequence[SegmentationDataset],
    output: Path,
    *,
    latency: LatencyTable | None = None,
    resume: bool = False,
    workers: int = 1,
    validate: Validator | None = None,
    listen: Listener = lambda _: None,
) -> Path:
    """Prune a float checkpoint to the recipe's budgets, fine-tune it, and return the best checkpoint's path.

    Args:
        checkpoint: what is pruned, and what the result is distilled from.
        recipe: the run; its model section is not read.
        sources: labelled data sets with the checkpoint's classes.
        output: folder for `pruned.safetensors` and the run's files; earlier rounds are in `round-1` and so on below it.
        latency: times of layers; needed with a latency budget.
        resume: go on where the run in `output` stopped.
        workers: processes that draw crops.
        validate: scores a checkpoint file; without it the last model is the best.
        listen: called after every step.

    Raises:
        ConfigError: when the checkpoint is quantized, no budget is named, or one cannot be met, rendered scenes are to
            be mixed into other classes, or the loss or its gradient is no longer finite.
        DataError: when a set has other classes.
        CheckpointError: when `resume` finds no state of this run.
        OutputError: when a new run, or one without epochs, finds the state of another.
        MissingDependencyError: without torch-pruning.
    """
    check_float(checkpoint)
    check_sources(checkpoint, recipe, sources)
    recipe = recipe.with_crops_for(checkpoint.info.size_hw)
    _check_unused(output, recipe, resume=resume)
    start, rounds = checkpoint, recipe.pruning.rounds
    for number in range(1, rounds):
        folder = output / f"round-{number}"
        best = _train_round(
            checkpoint,
            start,
            recipe_of_round(recipe, number),
            sources,
            folder,
            latency=latency,
            resume=resume and (number == 1 or (folder / STATE_FILE).is_file()),
            workers=workers,
            validate=None,
            listen=listen,
        )
        start = load_checkpoint(best)
    return _train_round(
        checkpoint,
        start,
        recipe,
        sources,
        output,
        latency=latency,
        resume=resume and (rounds == 1 or (output / STATE_FILE).is_file()),
        workers=workers,
        validate=validate,
        listen=listen,
    )


def _check_unused(output: Path, recipe: PruneRecipe, *, resume: bool) -> None:
    """Check that what this run writes anew is of no earlier run; errors as for `check_unused`."""
    if not resume or recipe.optimiser.epochs == 0:
        check_unused(output)
    if not resume:
        for folder in sorted(output.glob("round-*")):
            check_unused(folder)


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


def _train_round(
    checkpoint: Checkpoint,
    start: Checkpoint,
    recipe: PruneRecipe,
    sources: Sequence[SegmentationDataset],
    output: Path,
    *,
    latency: LatencyTable | None,
    resume: bool,
    workers: int,
    validate: Validator | None,
    listen: Listener,
) -> Path:
    """Prune `start`, a descendant of `checkpoint` or itself, fine-tune it, and return the best checkpoint's path."""
    if not resume or recipe.optimiser.epochs == 0:
        descendant = None if start is checkpoint else start
        pruned = prune(checkpoint, recipe, sources, start=descendant, latency=latency)
    if recipe.optimiser.epochs == 0:
        for name in (PRUNED_FILE, BEST_FILE):
            save_checkpoint(output / name, pruned.build(), pruned.info)
        return output / BEST_FILE
    accelerator = build_accelerator(recipe)
    if not resume and accelerator.is_main_process:
        save_checkpoint(output / PRUNED_FILE, pruned.build(), pruned.info)
    accelerator.wait_for_everyone()
    pruned = load_checkpoint(output / PRUNED_FILE)
    torch.manual_seed(recipe.seed)
    device = accelerator.device
    teacher: Any = checkpoint.build()
    teacher.to(device, memory_format=torch.channels_last)
    section = recipe.pruning
    loss = build_loss(recipe, sources, len(pruned.info.classes)).to(device)
    belongs_to = identity_after(checkpoint, recipe, sources)
    model = pruned.build()
    return train_model(
        model,
        pruned.info,
        recipe,
        build_crops(sources, recipe, pruned.info),
        RunFolder(output, recipe, belongs_to, validate),
        accelerator,
        distillation(loss, teacher, section.distill, section.temperature, accelerator),
        keep_zeros=[]
        if section.sparsity is None
        else sparse_weights(model, parse_sparsity(section.sparsity)),
        resume=resume,
        workers=workers,
        listen=listen,
    )
