"""What can be known to fail is said before the first step: hours of training must not end at a missing folder."""

from pathlib import Path

from edge_deeplab.compress.job import Job
from edge_deeplab.config import CompressRecipe, ExportSection, Recipe
from edge_deeplab.converters.export import resolve_targets
from edge_deeplab.converters.heads import check_head_size, resolve_head
from edge_deeplab.converters.mending import profiles_of
from edge_deeplab.converters.versions import check_installed
from edge_deeplab.errors import ConfigError, OutputError, require
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.quantization.sparsity import parse_sparsity
from edge_deeplab.training.finetune import check_classes


def check_chain(checkpoint: Checkpoint, recipe: CompressRecipe, job: Job) -> None:
    """Check that a chain can run as far as that can be told without running it.

    Args:
        checkpoint: where it starts.
        recipe: its steps.
        job: whose data it needs.

    Raises:
        ConfigError: when the checkpoint is quantized, or sections contradict each other.
        DataError: when a split is missing or has other classes.
        OutputError: when the run's folder cannot be made.
        MissingDependencyError: when a step's package is not installed.
    """
    _check_sections(recipe)
    _check_output(job.output)
    if checkpoint.quantization is not None:
        raise ConfigError(
            f"{checkpoint.name} is quantized; a float checkpoint was expected; "
            "compress the one that it was trained from"
        )
    if recipe.prune is not None:
        require("torch_pruning", package="torch-pruning", extra="compress")
        _check_training(checkpoint, recipe.prune, job)
    if recipe.qat is not None:
        if recipe.qat.optimiser.epochs:
            require("nncf", package="nncf", extra="compress")
        _check_training(checkpoint, recipe.qat, job)
    if recipe.export is not None:
        _check_export(checkpoint, recipe.export)
    if recipe.parity is not None:
        job.open_splits([recipe.parity.split])
        require("matplotlib", package="matplotlib", extra="compress")


def _check_output(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be made ({error.strerror}); a folder to write to was expected; choose another --output"
        ) from error


def _check_sections(recipe: CompressRecipe) -> None:
    if recipe.prune is None and recipe.qat is None and recipe.export is None:
        raise ConfigError(
            "the recipe has no step; at least one of [prune], [qat] and [export] was expected; "
            "recipes/camvid-efficientnet-lite0-compress.toml has all"
        )
    section = recipe.prune.pruning if recipe.prune else None
    if section is not None and section.sparsity is not None:
        parse_sparsity(section.sparsity)
    elif section is not None and not section.budgets():
        raise ConfigError(
            "[prune] came without a budget; at least one was expected; "
            "set macs or params in [prune.pruning], for example macs = 0.5"
        )
    for name in ("parity", "bench"):
        if getattr(recipe, name) is not None and recipe.export is None:
            raise ConfigError(
                f"[{name}] came without [export]; files are what it measures; add [export], or leave [{name}] out"
            )
    precisions = recipe.export.precisions if recipe.export else ()
    if "int8" in precisions and recipe.qat is None:
        raise ConfigError(
            "export.precisions has int8 and there is no [qat]; quantizers were expected to come from it; "
            'add [qat], or set precisions = ["fp32"]'
        )
    if recipe.bench is not None and "fp32" not in precisions:
        raise ConfigError(
            "[bench] came and export.precisions lacks fp32; times are told as ratios to the unpruned fp32 file; "
            "add fp32 to the precisions, or leave [bench] out"
        )


def _check_training(checkpoint: Checkpoint, recipe: Recipe, job: Job) -> None:
    for source in job.open_splits(recipe.data.splits):
        check_classes(checkpoint, source)
    if recipe.data.validation_split:
        job.open_splits([recipe.data.validation_split])


def _check_export(checkpoint: Checkpoint, section: ExportSection) -> None:
    targets = resolve_targets(section.targets)
    resolve_head(section.head)
    check_head_size(section.head, checkpoint.info.size_hw)
    profiles_of(section.profiles, targets)
    for target in targets:
        check_installed(target)
