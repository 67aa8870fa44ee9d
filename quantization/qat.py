"""Quantization-aware training: a float checkpoint in, a quantized checkpoint out.

Calibration places and sizes the quantizers; then weights and ranges are trained together, against the labels and
against what the float model says of the same pictures. Two events on the way: batch norm stops following the batches,
and later the ranges are fixed as the files will hold them, so that the last epochs train exactly what is shipped.
"""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edge_deeplab.config import QatRecipe
from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.data.transforms import resize_image
from edge_deeplab.description import Normalisation
from edge_deeplab.errors import ConfigError, DataError
from edge_deeplab.models.checkpoint import Checkpoint, CheckpointInfo, save_checkpoint
from edge_deeplab.models.picture import normalise
from edge_deeplab.models.quantization import Quantization, activation_quantizer
from edge_deeplab.models.shipped import BEST_FILE
from edge_deeplab.quantization.calibration import calibrate
from edge_deeplab.quantization.network import Network
from edge_deeplab.quantization.placement import place_quantizers
from edge_deeplab.quantization.trainable import TrainableNetwork
from edge_deeplab.training.cpu import keep_depthwise_in_float32, reuse_freed_memory
from edge_deeplab.training.crops import build_crops
from edge_deeplab.training.distillation import distillation
from edge_deeplab.training.finetune import check_sources, identity_after, provenance_after
from edge_deeplab.training.run_folder import RunFolder, Validator, check_unused
from edge_deeplab.training.state import TrainingState, epochs_done
from edge_deeplab.training.train import (
    Listener,
    build_accelerator,
    build_loader,
    build_loss,
    build_optimiser,
    train_epoch,
)


def quantize(
    checkpoint: Checkpoint,
    recipe: QatRecipe,
    source: SegmentationDataset,
    *,
    keep_float: Sequence[str] = (),
    progress: Callable[[], None] = lambda: None,
) -> Quantization:
    """Return the quantizers of a float checkpoint after calibration: post-training quantization.

    Args:
        checkpoint: the float checkpoint.
        recipe: its quantization section says how many images are looked at, and how ranges follow from them.
        source: images to look at, evenly spread over the set.
        keep_float: module paths to leave in float.
        progress: called after each image and pass.

    Raises:
        ConfigError: when the checkpoint is quantized already, or its network cannot be, or the recipe mixes rendered
            scenes into other classes.
        DataError: when the set is empty or has other classes.
    """
    check_quantizable(checkpoint, recipe, [source])
    network = Network(checkpoint.build())
    placement = place_quantizers(network, keep_float)
    images = calibration_images(
        source,
        recipe.quantization.calibration_images,
        checkpoint.info.size_hw,
        checkpoint.info.normalisation,
    )
    return calibrate(
        network,
        placement,
        images,
        checkpoint.info.normalisation,
        recipe.quantization.estimator,
        progress=progress,
    )


def quantizers_to_restore(checkpoint: Checkpoint, keep_float: Sequence[str] = ()) -> Quantization:
    """Return quantizers in their places without calibration, for a run that reads their ranges from its state.

    Args:
        checkpoint: the float checkpoint.
        keep_float: module paths to leave in float.

    Raises:
        ConfigError: when the network cannot be quantized.
    """
    model = checkpoint.build()
    placement = place_quantizers(Network(model), keep_float)
    weights = {path: model.get_parameter(f"{path}.weight") for path in placement.weights}
    return Quantization(
        tuple(activation_quantizer(tensors, 0.0, 1.0) for tensors in placement.activations),
        {path: torch.ones(len(weight)) for path, weight in weights.items()},
        placement.keep_float,
    )


def train_quantized(
    checkpoint: Checkpoint,
    quantization: Quantization,
    recipe: QatRecipe,
    sources: Sequence[SegmentationDataset],
    output: Path,
    *,
    resume: bool = False,
    workers: int = 1,
    validate: Validator | None = None,
    listen: Listener = lambda _: None,
) -> Path:
    """Train a calibrated network and return the path of the best quantized checkpoint.

    Args:
        checkpoint: the float checkpoint, which is also what the network is distilled from.
        quantization: from `quantize`; with no epochs it is what is saved; to resume, `quantizers_to_restore` will do.
        recipe: the run; its model section is not read.
        sources: labelled data sets with the checkpoint's classes.
        output: folder for `best.safetensors`, `last.safetensors`, `state.safetensors` and `log.csv`.
        resume: go on from `output/state.safetensors`.
        workers: processes that draw crops.
        validate: scores a checkpoint file; without it the last model is the best.
        listen: called after every step.

    Raises:
        ConfigError: when the checkpoint is quantized already, rendered scenes are to be mixed into other classes, or
            the loss or its gradient is no longer finite.
        DataError: when a set has other classes.
        CheckpointError: when `resume` finds no state of this run.
        OutputError: when a new run, or one without epochs, finds the state of another.
        MissingDependencyError: without nncf, unless there are no epochs.
    """
    check_quantizable(checkpoint, recipe, sources)
    recipe = recipe.with_crops_for(checkpoint.info.size_hw)
    if not resume or recipe.optimiser.epochs == 0:
        check_unused(output)
    info = describe_quantized(checkpoint, recipe, sources)
    if recipe.optimiser.epochs == 0:
        save_checkpoint(output / BEST_FILE, checkpoint.build(), info, quantization=quantization)
        return output / BEST_FILE
    folder = RunFolder(output, recipe, identity_after(checkpoint, recipe, sources), validate)
    run = _Run(checkpoint, quantization, recipe, sources, workers)
    if resume:
        run.restore(folder)
    while run.state.epoch < recipe.optimiser.epochs:
        started = time.monotonic()
        mean_loss = run.train_epoch(listen)
        if run.accelerator.is_main_process:
            folder.keep_epoch(run.state, lambda path: run.save(path, info), mean_loss, started)
        run.accelerator.wait_for_everyone()
    return folder.best


class _Run:
    """One quantization-aware training run: what it consists of, and its steps."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        quantization: Quantization,
        recipe: QatRecipe,
        sources: Sequence[SegmentationDataset],
        workers: int,
    ) -> None:
        self.recipe = recipe
        self.accelerator = build_accelerator(recipe)
        torch.manual_seed(recipe.seed)
        device = self.accelerator.device
        self.crops = build_crops(sources, recipe, checkpoint.info)
        self.loader = build_loader(self.crops, recipe, workers, self.accelerator)
        model = checkpoint.build()
        self.network = TrainableNetwork(model, quantization, device.type)
        module: Any = self.network.module
        module.to(device, memory_format=torch.channels_last)
        if device.type == "cpu":
            reuse_freed_memory()
            keep_depthwise_in_float32(module)
        self.model, self.optimiser = self.accelerator.prepare(
            module, build_optimiser(module, recipe)
        )
        self.state = TrainingState(module, None, self.optimiser)
        self.master = checkpoint.build()
        teacher = checkpoint.build().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        loss = build_loss(recipe, sources, len(checkpoint.info.classes)).to(device)
        section = recipe.quantization
        self.objective = distillation(
            loss, teacher, section.distill, section.temperature, self.accelerator
        )
        epochs = recipe.optimiser.epochs
        self.ranges_from = round(recipe.quantization.ranges_epochs * epochs)
        statistics_from = round(recipe.quantization.statistics_epochs * epochs)
        self.statistics_from = min(statistics_from, self.ranges_from)
        self.crops.remember()

    def restore(self, folder: RunFolder) -> None:
        """Go on from the state in the run's folder."""
        if epochs_done(folder.state, folder.identity) > self.ranges_from:
            self._fix_ranges()
        self.state.restore(folder.state, folder.identity)

    def train_epoch(self, listen: Listener) -> float:
        """Train one epoch and return the mean loss."""
        epoch = self.state.epoch
        if epoch == self.ranges_from:
            self._fix_ranges()
        self.model.train()
        if epoch >= self.statistics_from:
            self.network.freeze_statistics()
        mean_loss = train_epoch(
            epoch,
            self.recipe,
            self.accelerator,
            self.model,
            self.optimiser,
            self.loader,
            self.crops,
            self.objective,
            lambda: None,
            listen,
        )
        self.state.epoch = epoch + 1
        return mean_loss

    def save(self, path: Path, info: CheckpointInfo) -> None:
        """Write the quantized checkpoint as the run stands."""
        self.master.load_state_dict(float_weights(self.network.module))
        save_checkpoint(path, self.master, info, quantization=self.network.quantization())

    def _fix_ranges(self) -> None:
        self.network.fix_ranges()
        if self.accelerator.num_processes > 1:
            self._wrap_anew()

    def _wrap_anew(self) -> None:
        """Wrap the network for several processes again: DDP waits for the parameters that it was made with."""
        del self.model
        self.accelerator.free_memory()
        gc.collect()  # the old wrapper's hooks on the parameters go with it
        self.model = self.accelerator.prepare(self.network.module)


def float_weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return a trained network's weights and batch norm statistics, without what belongs to quantizers."""
    return {
        name: tensor
        for name, tensor in network.state_dict().items()
        if not name.startswith("activation_quantizers.") and ".weight_quantizer." not in name
    }


def calibration_images(
    source: SegmentationDataset, count: int, size_hw: tuple[int, int], normalisation: Normalisation
) -> list[torch.Tensor]:
    """Return up to `count` images, evenly spread over a set, each (1, 3, H, W) float32 normalised.

    Raises:
        DataError: when the set is empty.
    """
    if not len(source):
        raise DataError(
            f"data set {source.name} has no images to calibrate with; some were expected; pass a split that has"
        )
    chosen = np.unique(np.linspace(0, len(source) - 1, min(count, len(source))).round().astype(int))
    return [
        normalise(resize_image(source[index].image_hwc, size_hw), normalisation)
        for index in chosen.tolist()
    ]


def check_quantizable(
    checkpoint: Checkpoint, recipe: QatRecipe, sources: Sequence[SegmentationDataset]
) -> None:
    """Check that a checkpoint can be quantized with data sets.

    Raises:
        ConfigError: when it is quantized already, or rendered scenes are to be mixed into other classes.
        DataError: when the classes differ.
    """
    if checkpoint.quantization is not None:
        raise ConfigError(
            f"{checkpoint.name} is quantized already; a float checkpoint was expected; "
            "quantize the one that it was trained from"
        )
    check_sources(checkpoint, recipe, sources)


def describe_quantized(
    checkpoint: Checkpoint, recipe: QatRecipe, sources: Sequence[SegmentationDataset]
) -> CheckpointInfo:
    """Return what the quantized checkpoint says of itself: the float one's story, and this run's.

    Training moves all weights, those that were pruned to zero too; calibration alone leaves them.
    """
    pruning = checkpoint.info.pruning
    if pruning is not None and recipe.optimiser.epochs > 0:
        pruning = {**pruning, "sparsity": None}
    return replace(
        checkpoint.info,
        results={},
        pruning=pruning,
        sparsity=None,
        provenance=provenance_after(checkpoint, recipe, sources),
    )
