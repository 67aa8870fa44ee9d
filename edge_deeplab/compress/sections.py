"""What a recipe's sections say together: which contradict each other, and which gain nothing by one another."""

from edge_deeplab.config import CompressRecipe, PruneRecipe
from edge_deeplab.errors import ConfigError
from edge_deeplab.quantization.sparsity import say_who_gains_nothing
from edge_deeplab.targets import STABLE


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


def sparsity_warnings(recipe: CompressRecipe) -> list[str]:
    """Return a line for everything that the recipe's sparsity is lost on."""
    if recipe.prune is None or recipe.prune.pruning.sparsity is None:
        return []
    targets = STABLE if recipe.export is None else recipe.export.targets
    unhelped = say_who_gains_nothing(targets)
    lines = [] if unhelped is None else [unhelped]
    if recipe.qat is not None and recipe.qat.optimiser.epochs:
        lines.append(
            "warning: [qat] trains all weights again, those that [prune.pruning] sparsity set to zero as well: "
            "int8 files are dense"
        )
    return lines


def _check_pruning(recipe: PruneRecipe) -> None:
    """Check that every round has something to remove."""
    section = recipe.pruning
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
