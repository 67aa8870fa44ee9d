"""What a recipe's sections say together: which contradict each other."""

from edge_deeplab.config import CompressRecipe, PruneRecipe
from edge_deeplab.errors import ConfigError
from edge_deeplab.quantization.sparsity import parse_sparsity


def check_sections(recipe: CompressRecipe) -> None:
    """Check that a recipe's sections do not contradict each other.

    Raises:
        ConfigError: naming the first that do.
    """
    if recipe.prune is None and recipe.qat is None and recipe.export is None:
        raise ConfigError(
            "the recipe has no step; at least one of [prune], [qat] and [export] was expected; "
            "recipes/camvid-efficientnet-lite0-compress.toml has all"
        )
    if recipe.prune is not None:
        _check_pruning(recipe.prune)
    for name in ("parity", "bench"):
        if getattr(recipe, name) is not None and recipe.export is None:
            raise ConfigError(
                f"[{name}] came without [export]; files are what it measures; add [export], or leave [{name}] out"
            )
    if recipe.export is not None:
        _check_precisions(recipe, recipe.export.precisions)


def _check_pruning(recipe: PruneRecipe) -> None:
    """Check that every round has something to remove."""
    section = recipe.pruning
    if section.sparsity is not None:
        parse_sparsity(section.sparsity)
    if section.budgets():
        return
    if section.sparsity is None:
        raise ConfigError(
            "[prune] came without a budget; at least one was expected; "
            "set macs or params in [prune.pruning], for example macs = 0.5"
        )
    if section.rounds > 1:
        raise ConfigError(
            f"[prune.pruning] came with sparsity, {section.rounds} rounds and no budget; sparsity is for the last "
            "round, and a budget was expected for those before it; set macs or params, or rounds = 1"
        )


def _check_precisions(recipe: CompressRecipe, precisions: tuple[str, ...]) -> None:
    """Check that every precision has numbers, and every training files."""
    if not precisions:
        raise ConfigError(
            "export.precisions came as []; at least one of fp32, fp16 and int8 was expected; "
            "name one, or leave [export] out"
        )
    if "int8" in precisions and recipe.qat is None:
        raise ConfigError(
            "export.precisions has int8 and there is no [qat]; quantizers were expected to come from it; "
            'add [qat], or set precisions = ["fp32"]'
        )
    if recipe.qat is not None and "int8" not in precisions:
        raise ConfigError(
            "[qat] came and export.precisions lacks int8; files were expected of what it trains; "
            "add int8 to the precisions, or leave [qat] out"
        )
    if recipe.bench is not None and "fp32" not in precisions:
        raise ConfigError(
            "[bench] came and export.precisions lacks fp32; times are told as ratios to the unpruned fp32 file; "
            "add fp32 to the precisions, or leave [bench] out"
        )
