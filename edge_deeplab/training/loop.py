"""The training loop: the same code on a CPU, one GPU, or many under `torchrun`, through Accelerate.

One idea: everything random is a function of (seed, epoch, process), set anew at each epoch's start, so a run that stops
after any epoch and resumes gives the weights of one that did not stop. What differs between a first training,
fine-tuning after pruning and quantization-aware training is passed in as a `Training`.
"""

import gc
import math
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import parse_flag_from_env
from torch import nn
from torch.optim.swa_utils import AveragedModel

from edge_deeplab.config import Recipe
from edge_deeplab.errors import ConfigError
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.models.picture import resize
from edge_deeplab.models.spec import Parts
from edge_deeplab.models.torchvision_without_operators import load_timm
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.text import duration
from edge_deeplab.training.cpu import (
    computes_bfloat16,
    keep_depthwise_in_float32,
    reuse_freed_memory,
)
from edge_deeplab.training.crops import EpochCrops, build_loader
from edge_deeplab.training.loss import Objective
from edge_deeplab.training.optimiser import (
    batch_norms,
    build_optimiser,
    moving_average,
    poly_factor,
)
from edge_deeplab.training.run_folder import RunFolder, Validator
from edge_deeplab.training.state import OnEpoch, TrainingState
from edge_deeplab.training.tracking import open_tracker


@dataclass(frozen=True)
class RunOptions:
    """How a run is done, whatever it trains.

    Args:
        resume: go on from the state in the run's folder.
        workers: processes that draw crops.
        validate: scores a checkpoint file; without it the last model is the best.
        progress: told every stage, and a line an epoch.
        tensorboard: whether the run's numbers are written for TensorBoard too.
    """

    resume: bool = False
    workers: int = 1
    validate: Validator | None = None
    progress: Progress = SILENT
    tensorboard: bool = False

    @property
    def scored_on(self) -> str:
        """A hash of what epochs are scored on; empty where they are not."""
        return "" if self.validate is None else self.validate.data


@dataclass(frozen=True)
class Training:
    """What a run trains.

    Args:
        model: what is called and trained in place, from the weights that it has.
        crops: what it is trained on.
        objective: gives the loss.
        save: writes a checkpoint of the network that is kept (the moving average, where there is one) to a path.
        averaged: whether a moving average of the weights is what is kept; else the model itself is.
        parts: which layers are the backbone, which learns slower.
        keep_zeros: names of weights whose zeros stay zero.
        on_epoch: told each epoch, from 0, before it begins and in training mode; returns whether it has changed which
            parameters are trained.
    """

    model: nn.Module
    crops: EpochCrops
    objective: Objective
    save: Callable[[nn.Module, Path], None]
    parts: Parts
    averaged: bool = True
    keep_zeros: Collection[str] = ()
    on_epoch: OnEpoch = lambda _: False


@dataclass(frozen=True)
class Trained:
    """What a run has come to.

    Args:
        checkpoint: the best one's file.
        miou: its validation mIoU, in points; None where nothing was validated.
        epoch: the epoch that it is of, from 1; None where nothing was trained or validated.
        miou_before: validation mIoU of the checkpoint that the run started from.
    """

    checkpoint: Path
    miou: float | None
    epoch: int | None = None
    miou_before: float | None = None

    def tell(self, progress: Progress) -> None:
        """Note in one line what the run has changed, where that was validated."""
        if self.miou is None:
            return
        before = "" if self.miou_before is None else f"{self.miou_before:.2f} -> "
        of = "" if self.epoch is None else f", best in epoch {self.epoch}"
        progress.note(f"validation mIoU {before}{self.miou:.2f}{of}")

    def to_json(self) -> dict[str, str]:
        """Return the document of `train --json` and `qat --json`."""
        return {"checkpoint": str(self.checkpoint)}


def build_accelerator(recipe: Recipe) -> Accelerator:
    """Return what runs a recipe in its precision, on the devices at hand; bf16 only where it makes a step faster.

    Accelerate joins the processes of `torchrun` on a CPU only where it is told that they have nothing else; without
    that each of them would be a run of its own, in the same folder.
    """
    AcceleratorState._reset_state()  # else the first run of a process decides the precision of all
    cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
    emulated = PartialState(cpu=cpu).device.type == "cpu" and not computes_bfloat16()
    mixed = recipe.optimiser.precision == "bf16" and not emulated
    return Accelerator(cpu=cpu, mixed_precision="bf16" if mixed else "no")


def share_statistics(model: nn.Module, accelerator: Accelerator) -> nn.Module:
    """Return the model, its batch norms made to count over all GPUs where there are several."""
    if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
        return synchronised(model)
    return model


def synchronised(model: nn.Module) -> nn.Module:
    """Return the model with batch norms that count over all processes.

    It is timm's conversion: torch's would drop the activations that timm's batch norms carry.
    """
    converted: nn.Module = load_timm().layers.convert_sync_batchnorm(model)
    return converted


def score(
    checkpoint: Path | Checkpoint, options: RunOptions, accelerator: Accelerator
) -> float | None:
    """Return a checkpoint's validation mIoU, in points; of several processes the first alone measures it."""
    miou = None
    if options.validate is not None and accelerator.is_main_process:
        miou = options.validate(checkpoint)
    accelerator.wait_for_everyone()
    return miou


def run_training(
    training: Training, folder: RunFolder, accelerator: Accelerator, options: RunOptions
) -> Trained:
    """Train a model in place, keep every epoch in the run's folder, and return the best checkpoint.

    Args:
        training: what is trained.
        folder: where the run keeps what it makes; its recipe's model section is not read.
        accelerator: where it runs.
        options: how.

    Raises:
        DataError: when there are fewer crops in an epoch than in a batch.
        CheckpointError: when the run is to be resumed and the folder holds no state of it.
        ConfigError: when the loss or its gradient is no longer finite.
        MissingDependencyError: when numbers are to be written for TensorBoard, which is not installed.
    """
    if folder.recipe.optimiser.precision == "bf16" and accelerator.mixed_precision == "no":
        options.progress.note("this processor has no bf16: training in fp32, which is faster on it")
    return _Loop(training, folder, accelerator, options).run()


class _Loop:
    """One run: what it consists of, and its steps."""

    def __init__(
        self, training: Training, folder: RunFolder, accelerator: Accelerator, options: RunOptions
    ) -> None:
        self.training, self.folder = training, folder
        self.accelerator, self.options = accelerator, options
        self.section, self.progress = folder.recipe.optimiser, options.progress
        self.told_of_curve = False
        self.loader = build_loader(training.crops, folder.recipe, options.workers, accelerator)
        self.frozen = batch_norms(training.model) if self.section.freeze_batch_norm else []
        for layer in self.frozen:
            layer.requires_grad_(False)
        self.state = self._build_state()
        if options.resume:
            self.state.restore(folder.state, folder.identity, training.on_epoch)
        model = self.state.model
        if accelerator.device.type == "cpu":
            reuse_freed_memory()
            keep_depthwise_in_float32(model)
        self.staying = [(w, w.detach() != 0) for w in map(model.get_parameter, training.keep_zeros)]
        self.prepared, self.optimiser = accelerator.prepare(model, self.state.optimiser)

    def _build_state(self) -> TrainingState:
        model = self.training.model
        model.to(self.accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        average = None
        if self.training.averaged:
            decay = moving_average(self.section.ema_decay)
            average = AveragedModel(model, multi_avg_fn=decay, use_buffers=True)
        return TrainingState(
            model, average, build_optimiser(model, self.training.parts, self.folder.recipe)
        )

    def run(self) -> Trained:
        """Train every epoch that is left."""
        if self.options.tensorboard and self.accelerator.is_main_process:
            self.accelerator.trackers = [open_tracker(self.folder.path)]
        self.training.crops.remember(progress=self.progress)
        began, first = time.monotonic(), self.state.epoch
        try:
            for epoch in range(first, self.section.epochs):
                line = self._keep_epoch(time.monotonic(), self._train_epoch(epoch))
                pace = (time.monotonic() - began) / (epoch + 1 - first)
                left = pace * (self.section.epochs - epoch - 1)
                self.progress.note(f"{line}, {duration(left)} left" if left else line)
        except KeyboardInterrupt:
            done, every = self.state.epoch, self.section.epochs
            self.progress.note(f"stopped; epochs that are done and kept: {done} of {every}")
            raise
        finally:
            for tracker in self.accelerator.trackers:
                tracker.finish()
        return Trained(self.folder.best, self.state.best_miou, self.state.best_epoch)

    def _keep_epoch(self, began: float, mean_loss: float) -> str:
        """Save and validate what an epoch has made, and return the line that tells it."""
        line = ""
        if self.accelerator.is_main_process:
            state = self.state
            kept = state.model if state.average is None else state.average.module
            line, miou = self.folder.keep_epoch(
                state, lambda path: self.training.save(kept, path), mean_loss, began
            )
            scored = {} if miou is None else {"validation mIoU": miou}
            self._draw()
            self.accelerator.log({"training loss": mean_loss, **scored}, step=state.epoch)
        self.accelerator.wait_for_everyone()
        return line

    def _draw(self) -> None:
        """Draw the curves, and tell once that they cannot be drawn."""
        failure = self.folder.draw()
        if failure is not None and not self.told_of_curve:
            self.progress.note(failure)
            self.told_of_curve = True

    def _train_epoch(self, epoch: int) -> float:
        """Show every crop of an epoch once and return the mean loss.

        Raises:
            ConfigError: when the loss or its gradient is no longer finite; the weights are as before that step.
        """
        self.prepared.train()
        if self.training.on_epoch(epoch) and self.accelerator.num_processes > 1:
            self._wrap_anew()
        for layer in self.frozen:
            layer.eval()
        self.training.crops.epoch = epoch
        seed, process = self.folder.recipe.seed, self.accelerator.process_index
        torch.manual_seed((seed * 100_003 + epoch) * 1_009 + process)
        steps, done = len(self.loader) // self.section.accumulate, 0.0
        self.progress.begin(f"epoch {epoch + 1}/{self.section.epochs}", steps, "steps")
        parts = iter(self.loader)
        for index in range(steps):
            self._set_rates(epoch * steps + index, steps * self.section.epochs)
            loss, norm = self._descend(list(islice(parts, self.section.accumulate)))
            _check_finite(loss, norm, epoch, index)
            self.optimiser.step()
            self._after_step()
            done += loss
            self.progress.advance()
        self.state.epoch = epoch + 1
        return done / steps

    def _set_rates(self, step: int, total_steps: int) -> None:
        factor = poly_factor(
            step,
            total_steps=total_steps,
            warmup_steps=self.section.warmup_steps,
            power=self.section.power,
        )
        for group in self.optimiser.param_groups:
            group["lr"] = group["base_lr"] * factor

    def _descend(self, parts: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> tuple[float, float]:
        """Compute a step's gradient, clipped, and return its loss over all processes and the gradient's norm before.

        Args:
            parts: images and masks that this process adds to the step.
        """
        objective, shares = self.training.objective, self._shares(parts)
        self.optimiser.zero_grad(set_to_none=True)
        done = torch.zeros((), device=self.accelerator.device)
        for index, (images, masks) in enumerate(parts):
            is_last = index + 1 == len(parts)
            with nullcontext() if is_last else self.accelerator.no_sync(self.prepared):
                shown = images.contiguous(memory_format=torch.channels_last)
                logits = resize(self.prepared(shown).float(), masks.shape[-2:])
                loss = objective(logits, shown, masks, shares[index]) / len(parts)
                self.accelerator.backward(loss)
            done += loss.detach()
        norm = self.accelerator.clip_grad_norm_(self.prepared.parameters(), self.section.clip_norm)
        return self._over_processes(done).item(), float(norm)

    def _shares(
        self, parts: Sequence[tuple[torch.Tensor, torch.Tensor]]
    ) -> Sequence[torch.Tensor | float]:
        """Return each part's weight against the mean of the step's parts; 1 where it is the whole step."""
        if len(parts) * self.accelerator.num_processes == 1:
            return [1.0]
        weights = torch.stack([self.training.objective.loss.weigh(masks) for _, masks in parts])
        mean = self._over_processes(weights.mean())
        return [weight / mean if mean > 0 else 1.0 for weight in weights]

    def _over_processes(self, value: torch.Tensor) -> torch.Tensor:
        """Return the mean of a number over all processes."""
        mean: torch.Tensor = self.accelerator.reduce(value, reduction="mean")
        return mean

    def _after_step(self) -> None:
        with torch.no_grad():
            for weight, mask in self.staying:
                weight.mul_(mask)
        if self.state.average is not None:
            self.state.average.update_parameters(self.state.model)

    def _wrap_anew(self) -> None:
        """Wrap the network for several processes again: DDP waits for the parameters that it was made with."""
        del self.prepared
        self.accelerator.free_memory()
        gc.collect()  # the old wrapper's hooks on the parameters go with it
        self.prepared = self.accelerator.prepare(self.state.model)


def _check_finite(loss: float, norm: float, epoch: int, index: int) -> None:
    if not math.isfinite(loss) or not math.isfinite(norm):
        raise ConfigError(
            f"training fails in epoch {epoch + 1}, step {index + 1}: the loss came as {loss:g} and its gradient's "
            f"length as {norm:g}; finite numbers were expected; lower optimiser.learning_rate and "
            "optimiser.backbone_learning_rate, or start from other weights; the epochs before are kept"
        )
