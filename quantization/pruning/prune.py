"""Pruning itself: what each channel is worth, how far each layer is narrowed, and what the result says of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from edge_deeplab.config import PruneRecipe
from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.errors import ConfigError
from edge_deeplab.models.checkpoint import Checkpoint, CheckpointInfo
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.quantization.pruning.allot import (
    Budget,
    Steps,
    allot_greedily,
    allot_uniformly,
    losses_of,
    shares,
)
from edge_deeplab.quantization.pruning.cost import CostModel, LayerCost, multiply_adds, parameters
from edge_deeplab.quantization.pruning.groups import ChannelGroup, find_groups
from edge_deeplab.quantization.pruning.importance import (
    Labelled,
    batch_norm_scale,
    magnitude,
    random,
    taylor,
)
from edge_deeplab.quantization.pruning.latency import LatencyTable
from edge_deeplab.quantization.pruning.remove import (
    most_important,
    removable_groups,
    remove_channels,
)
from edge_deeplab.quantization.pruning.sensitivity import losses, sweep
from edge_deeplab.quantization.sparsity import sparsify
from edge_deeplab.sparsity_pattern import parse_sparsity
from edge_deeplab.training.crops import build_crops
from edge_deeplab.training.loss import build_loss
from edge_deeplab.training.provenance import provenance_after

_COUNTED: Mapping[str, LayerCost] = {"macs": multiply_adds, "params": parameters}


def prune(
    checkpoint: Checkpoint,
    recipe: PruneRecipe,
    sources: Sequence[SegmentationDataset],
    *,
    start: Checkpoint | None = None,
    latency: LatencyTable | None = None,
    progress: Progress = SILENT,
) -> Checkpoint:
    """Return a checkpoint with channels removed until the recipe's budgets are met, in memory and not fine-tuned.

    With sparsity, the smallest weights of what stays are zero; it needs no budget, and without one no channel goes.

    Args:
        checkpoint: the original: budgets and floors are shares of it.
        recipe: its pruning section says how.
        sources: data that importance by gradients, and sensitivity, are measured on.
        start: a pruned descendant of the original to go on from; None starts from the original.
        latency: needed with a latency budget.
        progress: told what is measured.

    Raises:
        ConfigError: when the checkpoint is quantized, no budget is named, or one cannot be met.
    """
    check_float(checkpoint)
    recipe = recipe.with_crops_for(checkpoint.info.size_hw)
    section, start = recipe.pruning, start or checkpoint
    pattern = None if section.sparsity is None else parse_sparsity(section.sparsity)
    tensors: Mapping[str, torch.Tensor] = start.tensors
    came_of_it: Mapping[str, Any] = {"budgets": {}, "removed": {}}
    if section.budgets() or pattern is None:
        tensors, came_of_it = _narrow(checkpoint, start, recipe, sources, latency, progress)
    info = _describe_pruned(checkpoint, recipe, sources)
    lineage = {**(info.pruning or {}), **came_of_it}
    pruned = replace(start, info=replace(info, pruning=lineage), tensors=tensors)
    return pruned if pattern is None else sparsify(pruned, pattern)


def _narrow(
    checkpoint: Checkpoint,
    start: Checkpoint,
    recipe: PruneRecipe,
    sources: Sequence[SegmentationDataset],
    latency: LatencyTable | None,
    progress: Progress,
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the tensors without the channels that go, and for the lineage what was asked, met and removed."""
    original = cost_model(checkpoint)
    budgets = build_budgets(recipe, original, latency)
    groups = removable_groups(start.build(), start.info.spec.parts, start.info.probe_hw)
    network = cost_model(start)
    importance = measure_importance(start, groups, recipe, sources, progress)
    steps = Steps(recipe.pruning.round_to, recipe.pruning.floor)
    progress.begin("choosing channels")
    if recipe.pruning.allot == "uniform":
        kept = allot_uniformly(network, budgets, steps, original.full)
    else:
        lost = _losses(start, groups, importance, recipe, sources, progress)
        kept = allot_greedily(network, budgets, lost, steps, original.full)
    tensors = remove_channels(start.tensors, groups, most_important(groups, importance, kept))
    return tensors, {
        "budgets": {
            name: {"asked": recipe.pruning.budgets()[name], "met": share}
            for name, share in shares(network, budgets, kept).items()
        },
        "remaining": {
            name: network.total(cost, kept) / original.total(cost, original.full)
            for name, cost in _COUNTED.items()
        },
        "removed": removed_channels(checkpoint.tensors, tensors),
    }


def cost_model(checkpoint: Checkpoint) -> CostModel:
    """Return what a checkpoint's network costs by widths, at the size it was trained for."""
    model = checkpoint.build()
    info = checkpoint.info
    return CostModel(model, find_groups(model, info.spec.parts, info.probe_hw), info.size_hw)


def build_budgets(
    recipe: PruneRecipe, original: CostModel, latency: LatencyTable | None = None
) -> list[Budget]:
    """Return the budgets that a recipe names.

    Raises:
        ConfigError: when it names none, or latency without a table.
    """
    ratios = recipe.pruning.budgets()
    if not ratios:
        raise ConfigError(
            "no budget came; at least one was expected; name macs, params or latency, for example macs 0.5 "
            "(sparsity needs none, in one round)"
        )
    budgets = []
    for name, ratio in ratios.items():
        cost, fixed = _cost_of(name, latency)
        whole = fixed + original.total(cost, original.full)
        budgets.append(Budget(name, ratio, whole, cost, fixed))
    return budgets


def measure_importance(
    checkpoint: Checkpoint,
    groups: Sequence[ChannelGroup],
    recipe: PruneRecipe,
    sources: Sequence[SegmentationDataset],
    progress: Progress = SILENT,
) -> list[torch.Tensor]:
    """Return the importance of each group's channels by the recipe's measure: (channels,) by group."""
    section, model = recipe.pruning, checkpoint.build()
    if section.importance == "random":
        return random(groups, recipe.seed)
    if section.importance == "magnitude":
        return magnitude(model, groups)
    if section.importance == "batch-norm":
        return batch_norm_scale(model, groups)
    loss = build_loss(recipe, sources, len(checkpoint.info.classes), progress)
    crops = _crops(checkpoint, recipe, sources, section.images)
    return taylor(model, groups, crops, loss, progress)


def sweep_images(
    checkpoint: Checkpoint, recipe: PruneRecipe, sources: Sequence[SegmentationDataset]
) -> list[torch.Tensor]:
    """Return the crops that sensitivity is measured on, each (1, 3, H, W) normalised."""
    return [image for image, _ in _crops(checkpoint, recipe, sources, recipe.pruning.sweep_images)]


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


def _losses(
    checkpoint: Checkpoint,
    groups: Sequence[ChannelGroup],
    importance: Sequence[torch.Tensor],
    recipe: PruneRecipe,
    sources: Sequence[SegmentationDataset],
    progress: Progress,
) -> list[torch.Tensor]:
    """Return what each group loses with so many channels gone, by importance or as the sweep measures it."""
    if recipe.pruning.allot == "importance":
        return losses_of(importance)
    images = sweep_images(checkpoint, recipe, sources)
    return losses(sweep(checkpoint.build(), groups, importance, images, progress=progress))


def _crops(
    checkpoint: Checkpoint,
    recipe: PruneRecipe,
    sources: Sequence[SegmentationDataset],
    count: int,
) -> list[Labelled]:
    """Return up to `count` crops of the run's first epoch, evenly spread over it, each a batch of one."""
    crops = build_crops(sources, recipe, checkpoint.info)
    shown = np.unique(np.linspace(0, len(crops) - 1, count).round().astype(int)).tolist()
    return [(image[None], mask[None]) for image, mask in (crops[index] for index in shown)]


def _cost_of(name: str, latency: LatencyTable | None) -> tuple[LayerCost, float]:
    """Return what a layer costs, and what the network costs beside its layers."""
    if name != "latency":
        return _COUNTED[name], 0.0
    if latency is None:
        raise ConfigError(
            "a latency budget came without times of layers; a table of them was expected; time them first"
        )
    return latency.cost, latency.rest_ms


def _describe_pruned(
    checkpoint: Checkpoint, recipe: PruneRecipe, sources: Sequence[SegmentationDataset]
) -> CheckpointInfo:
    """Return what the pruned checkpoint says of itself: the original's story, this run's, and its line of descent."""
    section = recipe.pruning
    lineage: dict[str, Any] = {
        "parent": checkpoint.name,
        "parent_sha256": checkpoint.sha256,
        "importance": section.importance,
        "allot": section.allot,
        "rounds": section.rounds,
        "sparsity": section.sparsity,
    }
    if checkpoint.info.pruning is not None:
        lineage["parent_pruning"] = checkpoint.info.pruning
    provenance = provenance_after(checkpoint, recipe, sources)
    return replace(
        checkpoint.info,
        results={},
        pruning=lineage,
        ranges=None,
        sparsity=None,
        provenance=provenance,
    )
