"""Quantization-aware training: a float checkpoint in, a quantized checkpoint out.

Calibration places and sizes the quantizers; then weights and ranges are trained together, against the labels and
against what the float model says of the same pictures. Two events on the way: batch norm stops following the batches,
and later the ranges are fixed as the files will hold them, so that the last epochs train exactly what is shipped.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from edge_deeplab.config import QatRecipe
from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.data.transforms import resize_image
from edge_deeplab.description import Normalisation
from edge_deeplab.errors import ConfigError, DataError
from edge_deeplab.files import BEST_FILE, check_writable, write_atomically
from edge_deeplab.models.checkpoint import Checkpoint, CheckpointInfo, save_checkpoint
from edge_deeplab.models.picture import normalise
from edge_deeplab.models.quantization import Quantization, activation_quantizer
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.quantization.calibration import calibrate, keep_ranges
from edge_deeplab.quantization.equalization import equalize
from edge_deeplab.quantization.network import Network
from edge_deeplab.quantization.placement import place_quantizers
from edge_deeplab.quantization.sensitivity import Ranking, rank_layers
from edge_deeplab.quantization.trainable import TrainableNetwork
from edge_deeplab.training.crops import build_crops
from edge_deeplab.training.lock import held_alone
from edge_deeplab.training.loop import (
    RunOptions,
    Trained,
    Training,
    build_accelerator,
    run_training,
    score,
)
from edge_deeplab.training.loss import Objective, build_loss
from edge_deeplab.training.provenance import check_sources, identity_after, provenance_after
from edge_deeplab.training.run_folder import RunFolder, check_unused, keep_recipe
from edge_deeplab.training.state import OnEpoch

_RANKING_IMAGES = 4


@dataclass(frozen=True)
class QuantizeRequest:
    """A float checkpoint to quantize, and how.

    Args:
        checkpoint: the float checkpoint, which is also what the network is distilled from.
        recipe: the run; its model section is not read. Without epochs the checkpoint is calibrated and not trained.
        sources: labelled data sets with the checkpoint's classes; ranges are calibrated on the first.
        output: folder for `best.safetensors`, `last.safetensors`, `state.safetensors` and `log.csv`.
        keep_float: module paths to leave in float.

    Raises:
        ConfigError: when the checkpoint is quantized already, or rendered scenes are to be mixed into other classes.
        DataError: when a set has other classes.
        OutputError: when the folder cannot be written.
    """

    checkpoint: Checkpoint
    recipe: QatRecipe
    sources: Sequence[SegmentationDataset]
    output: Path
    keep_float: Sequence[str] = ()

    def __post_init__(self) -> None:
        check_writable(self.output, "folder")
        check_quantizable(self.checkpoint, self.recipe, self.sources)


def train_quantized(request: QuantizeRequest, options: RunOptions) -> Trained:
    """Calibrate a network, train it with its quantizers, and return the best quantized checkpoint.

    Args:
        request: what is quantized.
        options: how; a run that is resumed reads its ranges from its state.

    Raises:
        ConfigError: when the network cannot be quantized, or the loss or its gradient is no longer finite.
        DataError: when the first set is empty, or an epoch has fewer crops than a batch.
        CheckpointError: when the run is to be resumed and left no state.
        OutputError: when a new run, or one without epochs, finds the state of another, or another is at work there.
        MissingDependencyError: without nncf, unless there are no epochs.
    """
    checkpoint, progress = request.checkpoint, options.progress
    request = replace(request, recipe=request.recipe.with_crops_for(checkpoint.info.size_hw))
    trains = request.recipe.optimiser.epochs > 0
    if not (options.resume and trains):
        check_unused(request.output)
    started = _start(request, options)
    accelerator = build_accelerator(request.recipe)
    info = describe_quantized(checkpoint, request.recipe, request.sources)
    with held_alone(request.output, "training"):
        if accelerator.is_main_process and not options.resume:
            check_unused(request.output)  # a run that has ended since
            keep_recipe(request.output, request.recipe)
        before = score(checkpoint, options, accelerator)
        if trains:
            belongs_to = identity_after(
                checkpoint, request.recipe, request.sources, options.scored_on
            )
            folder = RunFolder(request.output, request.recipe, belongs_to, options.validate)
            training = _build_training(request, started, info, accelerator, progress)
            trained = run_training(training, folder, accelerator, options)
        else:
            best = request.output / BEST_FILE
            save_checkpoint(best, started.build(), info, quantization=started.quantization)
            trained = Trained(best, score(best, options, accelerator))
    trained = replace(trained, miou_before=before)
    trained.tell(progress)
    return trained


def _start(request: QuantizeRequest, options: RunOptions) -> Checkpoint:
    """Return the calibrated checkpoint; to resume, one with quantizers whose ranges, like weights, the state holds."""
    if options.resume and request.recipe.optimiser.epochs > 0:
        restored = quantizers_to_restore(request.checkpoint, request.keep_float)
        return request.checkpoint.with_quantization(restored)
    return quantize(
        request.checkpoint,
        request.recipe,
        request.sources[0],
        keep_float=request.keep_float,
        progress=options.progress,
    )


def quantize(
    checkpoint: Checkpoint,
    recipe: QatRecipe,
    source: SegmentationDataset,
    *,
    keep_float: Sequence[str] = (),
    progress: Progress = SILENT,
) -> Checkpoint:
    """Return a float checkpoint with quantizers, calibrated: post-training quantization.

    Where the recipe asks for it, channels are equalized before, which changes weights and not what the float network
    computes. A network that has ranges from the file that it was imported from keeps these, and its weights.

    Args:
        checkpoint: the float checkpoint; what is returned has its name and hash.
        recipe: its quantization section says how many images are looked at, and what follows from them.
        source: images to look at, evenly spread over the set.
        keep_float: module paths to leave in float.
        progress: told each pass over the images.

    Raises:
        ConfigError: when the checkpoint is quantized already, or its network cannot be, or the recipe mixes rendered
            scenes into other classes.
        DataError: when the set is empty or has other classes.
    """
    check_quantizable(checkpoint, recipe, [source])
    section, info = recipe.quantization, checkpoint.info
    model = checkpoint.build()
    network = Network(model)
    placement = place_quantizers(network, keep_float)
    images = calibration_images(
        source, section.calibration_images, info.size_hw, info.normalisation, progress=progress
    )
    if section.equalize and info.ranges:
        progress.note(
            f"{checkpoint.name} keeps the ranges of the file that it was imported from, so channels are not equalized"
        )
    elif section.equalize:
        equalize(model, images, section.equalize, progress)
        checkpoint = checkpoint.with_weights(model)
    quantization = calibrate(
        network, placement, images, info.normalisation, section.estimator, progress=progress
    )
    return checkpoint.with_quantization(keep_ranges(quantization, info.ranges or {}))


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


def _build_training(
    request: QuantizeRequest,
    started: Checkpoint,
    info: CheckpointInfo,
    accelerator: Accelerator,
    progress: Progress,
) -> Training:
    """Return what is trained: the network with its quantizers, against the labels and the float network's opinion."""
    checkpoint, recipe, device = request.checkpoint, request.recipe, accelerator.device
    section = recipe.quantization
    torch.manual_seed(recipe.seed)
    progress.begin("loading the quantizers that are trained")
    crops = build_crops(request.sources, recipe, checkpoint.info)
    steps = recipe.optimiser.epochs * len(crops) // recipe.optimiser.batch_size
    assert started.quantization is not None
    network = TrainableNetwork(started.build(), started.quantization, device.type, steps)
    kept = checkpoint.build()

    def save(trained: nn.Module, path: Path) -> None:
        kept.load_state_dict(float_weights(trained))
        save_checkpoint(path, kept, info, quantization=network.quantization())

    loss = build_loss(recipe, request.sources, len(checkpoint.info.classes), progress).to(device)
    teacher = checkpoint.build().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Training(
        network.module,
        crops,
        Objective(loss, teacher, section.distill, section.temperature, accelerator.autocast),
        save,
        checkpoint.info.spec.parts,
        averaged=False,
        on_epoch=_events(network, recipe),
    )


def _events(network: TrainableNetwork, recipe: QatRecipe) -> OnEpoch:
    """Return what freezes batch norm's statistics and fixes the ranges when their epochs have come."""
    section, epochs = recipe.quantization, recipe.optimiser.epochs
    ranges_from = round(section.ranges_epochs * epochs)
    statistics_from = min(round(section.statistics_epochs * epochs), ranges_from)

    def on_epoch(epoch: int) -> bool:
        if epoch == ranges_from:
            network.fix_ranges()
        if epoch >= statistics_from:
            network.freeze_statistics()
        return epoch == ranges_from

    return on_epoch


def rank_quantizers(request: QuantizeRequest, progress: Progress = SILENT) -> Ranking:
    """Return what each quantizer alone costs after calibration, and write it to OUTPUT/sensitivity.json.

    Args:
        request: what is quantized; nothing is trained.
        progress: told each stage.

    Raises:
        ConfigError: when the network cannot be quantized.
        DataError: when the first set is empty.
    """
    checkpoint, source = request.checkpoint, request.sources[0]
    quantized = quantize(
        checkpoint, request.recipe, source, keep_float=request.keep_float, progress=progress
    )
    assert quantized.quantization is not None
    info = checkpoint.info
    images = calibration_images(
        source, _RANKING_IMAGES, info.size_hw, info.normalisation, progress=progress
    )
    ranked = rank_layers(quantized.build(), quantized.quantization, images, progress=progress)
    ranking = Ranking(tuple(ranked))
    text = json.dumps(ranking.to_json(), indent=2)
    write_atomically(request.output / "sensitivity.json", f"{text}\n")
    return ranking


def float_weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return a trained network's weights and batch norm statistics, without what belongs to quantizers."""
    return {
        name: tensor
        for name, tensor in network.state_dict().items()
        if not name.startswith("activation_quantizers.") and ".weight_quantizer." not in name
    }


def calibration_images(
    source: SegmentationDataset,
    count: int,
    size_hw: tuple[int, int],
    normalisation: Normalisation,
    progress: Progress = SILENT,
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
    progress.begin("reading images", len(chosen), "images")
    images = []
    for index in chosen.tolist():
        images.append(normalise(resize_image(source[index].image_hwc, size_hw), normalisation))
        progress.advance()
    return images


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
        ranges=None,
        sparsity=None,
        provenance=provenance_after(checkpoint, recipe, sources),
    )
