"""What can be known to fail is said before the first step: hours of training must not end at a missing folder."""

from pathlib import Path

from edge_deeplab.compress.job import Job
from edge_deeplab.compress.sections import check_sections
from edge_deeplab.config import (
    CompressRecipe,
    ExportSection,
    ParitySection,
    PruneRecipe,
    QatRecipe,
    Recipe,
)
from edge_deeplab.converters.capture import SIZE_MULTIPLE, nearest_good_size
from edge_deeplab.converters.request import ExportRequest
from edge_deeplab.errors import ConfigError, DataError, require
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.quantization.qat import quantizers_to_restore
from edge_deeplab.training.crops import build_crops, check_batch
from edge_deeplab.training.provenance import check_sources
from edge_deeplab.versions import check_installed


def check_chain(checkpoint: Checkpoint, recipe: CompressRecipe, job: Job) -> None:
    """Check that a chain can run as far as that can be told without running it.

    Args:
        checkpoint: where it starts.
        recipe: its steps.
        job: whose data it needs.

    Raises:
        ConfigError: when the checkpoint is quantized, cannot be, or cannot be exported, or sections contradict each
            other.
        DataError: when a split is missing, has other classes, or fewer images than a batch.
        MissingDependencyError: when a step's package is not installed.
    """
    check_sections(recipe)
    if checkpoint.quantization is not None:
        raise ConfigError(
            f"{checkpoint.name} is quantized; a float checkpoint was expected; "
            "compress the one that it was trained from"
        )
    if recipe.prune is not None:
        _check_prune(checkpoint, recipe.prune, job)
    if recipe.qat is not None:
        _check_qat(checkpoint, recipe.qat, job)
    if recipe.export is not None:
        _check_export(checkpoint, recipe.export, job.output)
    if recipe.parity is not None:
        _check_parity(checkpoint, recipe.parity, job)


def _check_prune(checkpoint: Checkpoint, recipe: PruneRecipe, job: Job) -> None:
    require("torch_pruning", package="torch-pruning", extra="compress")
    if recipe.pruning.latency is not None:
        check_installed(recipe.pruning.runtime)
    trains = recipe.optimiser.epochs > 0 or recipe.pruning.rounds > 1
    _check_training(checkpoint, recipe, job, trains=trains)


def _check_qat(checkpoint: Checkpoint, recipe: QatRecipe, job: Job) -> None:
    trains = recipe.optimiser.epochs > 0
    if trains:
        require("nncf", package="nncf", extra="compress")
    _check_training(checkpoint, recipe, job, trains=trains)
    quantizers_to_restore(checkpoint)  # pruning changes widths, not what can be quantized


def _check_training(checkpoint: Checkpoint, recipe: Recipe, job: Job, *, trains: bool) -> None:
    sources = job.open_splits(recipe.data.splits)
    check_sources(checkpoint, recipe, sources)
    if recipe.data.validation_split:
        job.open_splits([recipe.data.validation_split])
    if trains:
        crops = build_crops(sources, recipe, checkpoint.info)
        check_batch(crops, recipe, processes=1)


def _check_export(checkpoint: Checkpoint, section: ExportSection, output: Path) -> None:
    size_hw = checkpoint.info.size_hw
    good_hw = nearest_good_size(size_hw)
    if size_hw != good_hw:
        raise ConfigError(
            f"{checkpoint.name} is of size {size_hw[0]}x{size_hw[1]}, which its files would have; height and width "
            f"that are multiples of {SIZE_MULTIPLE} were expected; train it at {good_hw[0]}x{good_hw[1]}, or leave "
            "[export] out and export it at another size"
        )
    request = ExportRequest(
        section.targets, head=section.head, profiles=section.profiles, output=output
    )
    request.check(checkpoint)


def _check_parity(checkpoint: Checkpoint, section: ParitySection, job: Job) -> None:
    require("matplotlib", package="matplotlib", extra="compress")
    (source,) = job.open_splits([section.split])
    wanted, found = [c.name for c in checkpoint.info.classes], [c.name for c in source.classes]
    if sorted(wanted) != sorted(found):
        raise DataError(
            f"{source.name} has the classes {', '.join(found)}; those of {checkpoint.name} were expected in any order "
            f"({', '.join(wanted)}); pass data with these, or leave [parity] out"
        )
