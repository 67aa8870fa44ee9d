"""The pruning run: channels are removed until every budget is met, then the network is fine-tuned by distillation.

With several rounds a part of the way is gone in each, and each starts from what the round before has trained; a round
is a run folder of its own, so any round is resumed as any training is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_deeplab.config import PruneRecipe
from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.errors import ConfigError
from edge_deeplab.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edge_deeplab.quantization.pruning.allot import (
    Budget,
    Steps,
    allot_greedily,
    allot_uniformly,
    shares,
)
from edge_deeplab.quantization.pruning.cost import CostModel, LayerCost, multiply_adds, parameters
from edge_deeplab.quantization.pruning.groups import ChannelGroup, find_groups
from edge_deeplab.quantization.pruning.importance import (
    batch_norm_scale,
    magnitude,
    random,
    taylor,
)
from edge_deeplab.quantization.pruning.remove import most_important, remove_channels
from edge_deeplab.training.crops import build_crops
from edge_deeplab.training.distillation import distillation
from edge_deeplab.training.finetune import check_classes, provenance_after
from edge_deeplab.training.run_folder import BEST_FILE, STATE_FILE, RunFolder, Validator, identity
from edge_deeplab.training.train import Listener, build_accelerator, build_loss, train_model

PRUNED_FILE = "pruned.safetensors"
"""The pruned network before any fine-tuning."""


def train_pruned(
    checkpoint: Checkpoint,
    recipe: PruneRecipe,
    sources: Sequence[SegmentationDataset],
    output: Path,
    *,
    latency: LayerCost | None = None,
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
        latency: cost of a layer in milliseconds; needed with a latency budget.
        resume: go on where the run in `output` stopped.
        workers: processes that draw crops.
        validate: scores a checkpoint file; without it the last model is the best.
        listen: called after every step.

    Raises:
        ConfigError: when the checkpoint is quantized, no budget is named, or one cannot be met.
        DataError: when a set has other classes.
        CheckpointError: when `resume` finds no state of this run.
        MissingDependencyError: without torch-pruning.
    """
    check_float(checkpoint)
    for source in sources:
        check_classes(checkpoint, source)
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


def recipe_of_round(recipe: PruneRecipe, number: int) -> PruneRecipe:
    """Return the recipe of a round before the last: the n-th of N takes every budget to the power n / N of itself."""
    section = recipe.pruning
    part = number / section.rounds
    budgets = {name: ratio**part for name, ratio in section.budgets().items()}
    pruning = section.model_copy(update=budgets)
    optimiser = recipe.optimiser.model_copy(update={"epochs": section.round_epochs})
    return recipe.model_copy(update={"pruning": pruning, "optimiser": optimiser})


def prune(
    checkpoint: Checkpoint,
    recipe: PruneRecipe,
    sources: Sequence[SegmentationDataset],
    *,
    start: Checkpoint | None = None,
    latency: LayerCost | None = None,
) -> Checkpoint:
    """Return a checkpoint with channels removed until the recipe's budgets are met, in memory and not fine-tuned.

    Args:
        checkpoint: the original: budgets and floors are shares of it.
        recipe: its pruning section says how.
        sources: data that importance by gradients is measured on.
        start: an already pruned descendant of the original to go on from.
        latency: cost of a layer in milliseconds; needed with a latency budget.

    Raises:
        ConfigError: when the checkpoint is quantized, no budget is named, or one cannot be met.
    """
    check_float(checkpoint)
    section = recipe.pruning
    original = checkpoint.build()
    groups = find_groups(original)
    whole = CostModel(original, groups, checkpoint.info.size_hw)
    budgets = build_budgets(recipe, whole, latency)
    steps = Steps(section.round_to, section.floor)
    network = whole
    if start is not None:
        groups = find_groups(start.build())
        network = CostModel(start.build(), groups, checkpoint.info.size_hw)
    importance = measure_importance(start or checkpoint, groups, recipe, sources)
    if section.allot == "uniform":
        kept = allot_uniformly(network, budgets, steps, whole.full)
    else:
        kept = allot_greedily(network, budgets, importance, steps, whole.full)
    staying = most_important(groups, importance, kept)
    tensors = remove_channels((start or checkpoint).tensors, groups, staying)
    every = [Budget(n, 1.0, whole.total(c, whole.full), c) for n, c in _COSTS.items()]
    lineage = {
        "parent": checkpoint.name,
        "parent_sha256": checkpoint.sha256,
        "importance": section.importance,
        "allot": section.allot,
        "rounds": section.rounds,
        "budgets": {
            name: {"asked": section.budgets()[name], "met": share}
            for name, share in shares(network, budgets, kept).items()
        },
        "remaining": shares(network, every, kept),
        "removed": removed_channels(checkpoint.tensors, tensors),
    }
    info = replace(
        checkpoint.info,
        results={},
        pruning=lineage,
        provenance=provenance_after(checkpoint, recipe, sources),
    )
    return replace(start or checkpoint, info=info, tensors=tensors)


_COSTS: Mapping[str, LayerCost] = {"macs": multiply_adds, "params": parameters}


def build_budgets(
    recipe: PruneRecipe, original: CostModel, latency: LayerCost | None = None
) -> list[Budget]:
    """Return the budgets that a recipe names.

    Raises:
        ConfigError: when it names none.
    """
    ratios = recipe.pruning.budgets()
    if not ratios:
        raise ConfigError(
            "no budget came; at least one was expected; pass --macs, --params or --latency, for example --macs 0.5"
        )
    costs = {**_COSTS, **({} if latency is None else {"latency": latency})}
    return [
        Budget(name, ratio, original.total(costs[name], original.full), costs[name])
        for name, ratio in ratios.items()
    ]


def measure_importance(
    checkpoint: Checkpoint,
    groups: Sequence[ChannelGroup],
    recipe: PruneRecipe,
    sources: Sequence[SegmentationDataset],
) -> list[torch.Tensor]:
    """Return the importance of each group's channels by the recipe's measure: (channels,) by group."""
    section, model = recipe.pruning, checkpoint.build()
    if section.importance == "random":
        return random(groups, recipe.seed)
    if section.importance == "magnitude":
        return magnitude(model, groups)
    if section.importance == "batch-norm":
        return batch_norm_scale(model, groups)
    crops = build_crops(sources, recipe.data, checkpoint.info.normalisation, recipe.seed)
    shown = np.unique(np.linspace(0, len(crops) - 1, section.images).round().astype(int))
    loss = build_loss(recipe, sources, len(checkpoint.info.classes))
    batches = ((image[None], mask[None]) for image, mask in (crops[int(i)] for i in shown))
    return taylor(model, groups, batches, loss)


def removed_channels(
    before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]
) -> dict[str, list[int]]:
    """Return [before, after] output channels of every convolution that lost some, by module path."""
    return {
        name.removesuffix(".weight"): [len(before[name]), len(tensor)]
        for name, tensor in after.items()
        if tensor.ndim == 4 and len(tensor) < len(before[name])
    }


def check_float(checkpoint: Checkpoint) -> None:
    """Check that a checkpoint can be pruned.

    Raises:
        ConfigError: when it is quantized.
    """
    if checkpoint.quantization is not None:
        raise ConfigError(
            f"{checkpoint.name} is quantized; a float checkpoint was expected; prune the one that it was trained "
            "from, then run edge-deeplab qat on the result"
        )


def _train_round(
    checkpoint: Checkpoint,
    start: Checkpoint,
    recipe: PruneRecipe,
    sources: Sequence[SegmentationDataset],
    output: Path,
    *,
    latency: LayerCost | None,
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
    belongs_to = f"{identity(recipe, sources)} from {checkpoint.sha256}"
    return train_model(
        pruned.build(),
        pruned.info,
        recipe,
        build_crops(sources, recipe.data, pruned.info.normalisation, recipe.seed),
        RunFolder(output, recipe, belongs_to, validate),
        accelerator,
        distillation(loss, teacher, section.distill, section.temperature, accelerator),
        resume=resume,
        workers=workers,
        listen=listen,
    )
