"""The training loop: the same code on a CPU, one GPU, or many under `torchrun`, through Accelerate.

One idea: everything random is a function of (seed, epoch, process), set anew at each epoch's start, so a run that stops
after any epoch and resumes gives the weights of one that did not stop.
"""

import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from edge_deeplab.config import Recipe
from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.errors import ConfigError, DataError
from edge_deeplab.files import check_writable
from edge_deeplab.models.backbones import get_backbone
from edge_deeplab.models.checkpoint import Checkpoint, CheckpointInfo, save_checkpoint
from edge_deeplab.models.deeplab import backbone_of
from edge_deeplab.training.cpu import keep_depthwise_in_float32, reuse_freed_memory
from edge_deeplab.training.crops import EpochCrops, build_crops, build_loader
from edge_deeplab.training.loss import Objective, build_loss
from edge_deeplab.training.optimiser import build_optimiser, moving_average, poly_factor
from edge_deeplab.training.provenance import identity, provenance_of
from edge_deeplab.training.run_folder import RunFolder, Validator, check_unused
from edge_deeplab.training.start import build_started, build_to_restore, name_start
from edge_deeplab.training.state import TrainingState


@dataclass(frozen=True)
class Progress:
    """What the loop reports after each step."""

    epoch: int
    step: int
    total_steps: int
    loss: float
    learning_rate: float


Listener = Callable[[Progress], None]


def train(
    recipe: Recipe,
    sources: Sequence[SegmentationDataset],
    output: Path,
    *,
    init: Checkpoint | None = None,
    backbone_weights: Path | None = None,
    resume: bool = False,
    workers: int = 1,
    validate: Validator | None = None,
    listen: Listener = lambda _: None,
) -> Path:
    """Train a model and return the path of the best checkpoint.

    Args:
        recipe: the run.
        sources: labelled data sets; all with the classes of the first.
        output: folder for `best.safetensors`, `last.safetensors`, `state.safetensors` and `log.csv`.
        init: start from these weights instead of ImageNet's; a classifier for another number of classes starts afresh.
        backbone_weights: start the backbone from this archive of folded convolutions instead (`models.folded_weights`).
        resume: go on from `output/state.safetensors`, whose run started from the same weights.
        workers: processes that draw crops.
        validate: scores the averaged model every `validate_every` epochs; without it the last model is the best.
        listen: called after every step.

    Raises:
        DataError: when there are fewer crops in an epoch than in a batch.
        CheckpointError: when `resume` finds no state of this run, or weights to start from do not fit.
        OutputError: when the folder cannot be written, or a new run finds the state of another.
        ConfigError: when rendered scenes are to be mixed into other classes, or the loss or its gradient is no longer
            finite.
    """
    check_writable(output, "folder")
    if not resume:
        check_unused(output)
    recipe = recipe.with_crops_for(recipe.data.size_hw)
    belongs_to = identity(recipe, sources, name_start(init, backbone_weights))
    accelerator = build_accelerator(recipe)
    torch.manual_seed(recipe.seed)
    folder = RunFolder(output, recipe, belongs_to, validate)
    info = describe_run(recipe, sources, init, backbone_weights)
    crops = build_crops(sources, recipe, info)
    model = (
        build_to_restore(recipe.model, info)
        if resume
        else build_started(recipe.model, info, init, backbone_weights, crops)
    )
    loss = build_loss(recipe, sources, len(info.classes)).to(accelerator.device)
    return train_model(
        model,
        info,
        recipe,
        crops,
        folder,
        accelerator,
        lambda logits, _, masks: loss(logits, masks),
        resume=resume,
        workers=workers,
        listen=listen,
    )


def train_model(
    model: torch.nn.Module,
    info: CheckpointInfo,
    recipe: Recipe,
    crops: EpochCrops,
    folder: RunFolder,
    accelerator: Accelerator,
    objective: Objective,
    *,
    keep_zeros: Collection[str] = (),
    resume: bool = False,
    workers: int = 1,
    listen: Listener = lambda _: None,
) -> Path:
    """Train a ready model in place, keep its moving average in the run's folder, and return the best checkpoint's path.

    Args:
        model: what is trained, from the weights that it has.
        info: what its checkpoints say of themselves.
        recipe: the run; its model section is not read.
        crops: what it is trained on.
        folder: where the run keeps what it makes.
        accelerator: where it runs.
        objective: gives the loss.
        keep_zeros: names of weights whose zeros stay zero.
        resume: go on from the folder's state.
        workers: processes that draw crops.
        listen: called after every step.

    Raises:
        DataError: when there are fewer crops in an epoch than in a batch.
        CheckpointError: when `resume` finds no state of this run.
        ConfigError: when the loss or its gradient is no longer finite.
    """
    loader = build_loader(crops, recipe, workers, accelerator)
    state, average = _build_state(recipe, model, accelerator)
    if resume:
        state.restore(folder.state, folder.identity)
    if accelerator.device.type == "cpu":
        reuse_freed_memory()
        keep_depthwise_in_float32(state.model)
    staying = [(w, w.detach() != 0) for w in map(state.model.get_parameter, keep_zeros)]
    prepared, optimiser = accelerator.prepare(state.model, state.optimiser)

    def after_step() -> None:
        with torch.no_grad():
            for weight, mask in staying:
                weight.mul_(mask)
        average.update_parameters(accelerator.unwrap_model(prepared))

    crops.remember()
    for epoch in range(state.epoch, recipe.optimiser.epochs):
        started = time.monotonic()
        prepared.train()
        mean_loss = train_epoch(
            epoch,
            recipe,
            accelerator,
            prepared,
            optimiser,
            loader,
            crops,
            objective,
            after_step,
            listen,
        )
        state.epoch = epoch + 1
        if accelerator.is_main_process:
            folder.keep_epoch(
                state, lambda path: save_checkpoint(path, average.module, info), mean_loss, started
            )
        accelerator.wait_for_everyone()
    return folder.best


def build_accelerator(recipe: Recipe) -> Accelerator:
    """Return what runs a recipe in its precision, on the devices at hand."""
    return Accelerator(mixed_precision="bf16" if recipe.optimiser.precision == "bf16" else "no")


def describe_run(
    recipe: Recipe,
    sources: Sequence[SegmentationDataset],
    init: Checkpoint | None = None,
    backbone_weights: Path | None = None,
) -> CheckpointInfo:
    """Return what the checkpoint of this run says of itself; one that starts from another carries its story."""
    backbone = backbone_of(recipe.model.name)
    first = sources[0]
    for source in sources[1:]:
        if [c.name for c in source.classes] != [c.name for c in first.classes]:
            raise DataError(
                f"{source.name} has other classes than {first.name}; train on one label set"
            )
    arguments: dict[str, Any] = {"output_stride": recipe.model.output_stride}
    if recipe.model.separable is not None:
        arguments["separable"] = recipe.model.separable
    return CheckpointInfo(
        model=recipe.model.name,
        arguments=arguments,
        classes=first.classes,
        ignore_index=first.ignore_index,
        normalisation=get_backbone(backbone).normalisation,
        size_hw=recipe.data.size_hw,
        licence=recipe.licence or first.licence,
        provenance={
            **provenance_of(recipe, sources),
            **({} if init is None else {"starts_from": init.info.provenance}),
            **({} if backbone_weights is None else {"backbone_weights": backbone_weights.name}),
        },
    )


def _build_state(
    recipe: Recipe, model: torch.nn.Module, accelerator: Accelerator
) -> tuple[TrainingState, AveragedModel]:
    if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
        model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    model = model.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = AveragedModel(
        model, multi_avg_fn=moving_average(recipe.optimiser.ema_decay), use_buffers=True
    )
    return TrainingState(model, average, build_optimiser(model, recipe)), average


def train_epoch(
    epoch: int,
    recipe: Recipe,
    accelerator: Accelerator,
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    loader: DataLoader[tuple[torch.Tensor, torch.Tensor]],
    crops: EpochCrops,
    objective: Objective,
    after_step: Callable[[], None],
    listen: Listener,
) -> float:
    """Show every crop of an epoch once and return the mean loss.

    Args:
        epoch: number of the epoch, from 0.
        recipe: the run.
        accelerator: where it runs.
        model: what is trained, prepared, in the mode it trains in.
        optimiser: prepared; each group has its `base_lr`.
        loader: gives (images, masks) of `crops`.
        crops: told which epoch it is.
        objective: gives the loss.
        after_step: called after every step of the optimiser.
        listen: called after every step.

    Raises:
        ConfigError: when the loss or its gradient is no longer finite; the weights are as before that step.
    """
    crops.epoch = epoch
    torch.manual_seed((recipe.seed * 100_003 + epoch) * 1_009 + accelerator.process_index)
    section, total, done = recipe.optimiser, len(loader) * recipe.optimiser.epochs, 0.0
    for index, (images, masks) in enumerate(loader):
        step = epoch * len(loader) + index
        factor = poly_factor(
            step, total_steps=total, warmup_steps=section.warmup_steps, power=section.power
        )
        for group in optimiser.param_groups:
            group["lr"] = group["base_lr"] * factor
        shown = images.contiguous(memory_format=torch.channels_last)
        value = objective(model(shown).float(), shown, masks)
        optimiser.zero_grad(set_to_none=True)
        accelerator.backward(value)
        norm = accelerator.clip_grad_norm_(model.parameters(), section.clip_norm)
        loss = value.item()
        _check_finite(loss, float(norm), epoch, index)
        optimiser.step()
        after_step()
        done += loss
        listen(Progress(epoch + 1, step + 1, total, loss, section.learning_rate * factor))
    return done / len(loader)


def _check_finite(loss: float, norm: float, epoch: int, index: int) -> None:
    if not math.isfinite(loss) or not math.isfinite(norm):
        raise ConfigError(
            f"training fails in epoch {epoch + 1}, step {index + 1}: the loss came as {loss:g} and its gradient's "
            f"length as {norm:g}; finite numbers were expected; lower optimiser.learning_rate and "
            "optimiser.backbone_learning_rate, or start from other weights; the epochs before are kept"
        )
