"""The stages that a network goes through, and the steps that train it into the next one.

A training keeps its run folder inside its step's folder, so it goes on from its own state, exactly.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edge_deeplab.compress.job import Job
from edge_deeplab.compress.steps import Finished, Step
from edge_deeplab.config import PruneRecipe, PruningSection, QatRecipe, Recipe
from edge_deeplab.evaluation.layer_latency import latency_table
from edge_deeplab.evaluation.validation import open_validator
from edge_deeplab.files import STATE_FILE, replace_when_complete
from edge_deeplab.models.checkpoint import Checkpoint, load_checkpoint
from edge_deeplab.quantization.pruning.latency import read_table
from edge_deeplab.quantization.pruning.run import PruneRequest, train_pruned
from edge_deeplab.quantization.qat import QuantizeRequest, train_quantized
from edge_deeplab.targets import TARGETS
from edge_deeplab.training.loop import RunOptions

_PACKAGES = ("torch", "timm", "accelerate", "numpy", "pillow")
"""What every training depends on; Pillow decodes and resizes the images."""

_TRAININGS = {"prune": ("pruned", "torch-pruning"), "qat": ("int8", "nncf")}
"""By step, what its checkpoint's name has after its parent's, and the package that it needs beside those of all."""

_TIMES_FILE = "latency.json"


@dataclass(frozen=True)
class Stage:
    """A network on its way.

    Args:
        name: reference, pruned, int8 or pruned-int8.
        checkpoint: where it stands.
        made_by: the step that trained it; None for the one that came.
    """

    name: str
    checkpoint: Checkpoint
    made_by: Finished | None = None

    @property
    def is_quantized(self) -> bool:
        """Whether its files hold int8."""
        return self.checkpoint.quantization is not None


def prune(job: Job, parent: Stage, recipe: PruneRecipe) -> Stage:
    """Return the pruned and fine-tuned network; errors as for `train_pruned`."""
    recipe = recipe.with_crops_for(parent.checkpoint.info.size_hw)
    timed = None if recipe.pruning.latency is None else _time_layers(job, parent, recipe.pruning)

    def train(folder: Path, resume: bool) -> Path:
        times = None if timed is None else read_table(*timed.paths())
        sources = job.open_splits(recipe.data.splits)
        request = PruneRequest(parent.checkpoint, recipe, sources, folder, times)
        return train_pruned(request, _options(job, recipe, resume=resume)).checkpoint

    step = _training_step(job, "prune", parent, recipe, train)
    if timed is not None:
        step = replace(step, inputs={**step.inputs, **timed.outputs})
    return _reach("pruned", job.run(step))


def _time_layers(job: Job, parent: Stage, section: PruningSection) -> Finished:
    """Do the step that times layers for a latency budget, once: other times would give other widths."""

    def make(folder: Path, resume: bool) -> list[Path]:
        path = folder / _TIMES_FILE
        latency_table(parent.checkpoint, section, path, progress=job.progress)
        return [path]

    settings = {name: getattr(section, name) for name in ("runtime", "round_to", "floor")}
    inputs = {"checkpoint": parent.checkpoint.sha256}
    packages = ("torch", "timm", "numpy", *TARGETS[section.runtime].packages)
    return job.run(Step("latency", settings, inputs, packages, make))


def quantize_aware(job: Job, parent: Stage, recipe: QatRecipe) -> Stage:
    """Return the quantized network; errors as for `train_quantized`."""
    recipe = recipe.with_crops_for(parent.checkpoint.info.size_hw)

    def train(folder: Path, resume: bool) -> Path:
        sources = job.open_splits(recipe.data.splits)
        request = QuantizeRequest(parent.checkpoint, recipe, sources, folder)
        return train_quantized(request, _options(job, recipe, resume=resume)).checkpoint

    step = _training_step(job, "qat", parent, recipe, train)
    return _reach("int8" if parent.made_by is None else f"{parent.name}-int8", job.run(step))


def _options(job: Job, recipe: Recipe, *, resume: bool) -> RunOptions:
    validate = open_validator(job.data, recipe, job.progress)
    return RunOptions(resume, job.workers, validate, job.progress)


def _training_step(
    job: Job, name: str, parent: Stage, recipe: Recipe, train: Callable[[Path, bool], Path]
) -> Step:
    """Return the step that trains a stage's network.

    Args:
        job: whose data it is trained on.
        name: the step's, one of `_TRAININGS`.
        parent: the stage that it starts from.
        recipe: the run.
        train: trains in a folder, resuming or not, and returns the best checkpoint's path.
    """
    checkpoint, (suffix, package) = parent.checkpoint, _TRAININGS[name]
    kept = f"{checkpoint.name}-{suffix}"
    validated = [recipe.data.validation_split] if recipe.data.validation_split else []

    def make(folder: Path, resume: bool) -> list[Path]:
        best, path = train(folder, resume), folder / f"{kept}.safetensors"
        with replace_when_complete(path) as temporary:
            shutil.copyfile(best, temporary)
        return [path]

    return Step(
        name,
        {"name": kept, "recipe": recipe.model_dump(mode="json", exclude={"model"})},
        {"checkpoint": checkpoint.sha256, **job.hash_splits([*recipe.data.splits, *validated])},
        (*_PACKAGES, package),
        make,
        state_file=STATE_FILE,
    )


def _reach(name: str, made_by: Finished) -> Stage:
    (path,) = made_by.paths()
    return Stage(name, load_checkpoint(path), made_by)
