"""What the training verbs share: options, and the score that decides which checkpoint is kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_deeplab.cli.output import print_json, reading_option, speaks
from edge_deeplab.cli.terminal import say

if TYPE_CHECKING:
    from edge_deeplab.config import AnyRecipe, Recipe
    from edge_deeplab.training.run_folder import Validator

FloatCheckpointArgument = Annotated[
    str | None, typer.Argument(help="Float checkpoint: file, run folder or shipped name.")
]
TrainingDataOption = Annotated[
    Path, typer.Option("--data", help="Folder with dataset.toml, PASCAL VOC or Cityscapes.")
]
RunOption = Annotated[
    Path, typer.Option("--output", help="Folder of the run: checkpoints, state, log.csv.")
]
RecipeOption = Annotated[
    Path | None, typer.Option("--recipe", help="Recipe in TOML (recipes/ has some).")
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on where the run in --output stopped.")
]
WorkersOption = Annotated[int, typer.Option("--workers", min=0, help="Processes that draw crops.")]


def recipe_with_options(
    kind: type["AnyRecipe"], path: Path | None, **sections: Mapping[str, Any]
) -> "AnyRecipe":
    """Return a recipe with what options change of it.

    Args:
        kind: of the recipe.
        path: its file; None gives the defaults.
        **sections: by section and key, what options came with; None for those that did not come.

    Raises:
        typer.BadParameter: when an option's value is not one that its key takes.
        ConfigError: when the file cannot be read or used.
    """
    from edge_deeplab.config import load_recipe_as

    for section, values in sections.items():
        for key, value in values.items():
            with reading_option(f"--{key.replace('_', '-')}"):
                load_recipe_as(kind, None, **{section: {key: value}})
    return load_recipe_as(kind, path, **sections)


def validator_of(data: Path, recipe: "Recipe", max_pixels: int) -> "Validator | None":
    """Score checkpoints on the recipe's validation split; None where the recipe names none."""
    from edge_deeplab.evaluation.validation import open_validator

    return open_validator(data, recipe, max_pixels=max_pixels)


def print_best(best: Path, *, kind: str, as_json: bool) -> None:
    """Print where a run's best checkpoint lies; `kind` says what it is, for people."""
    if not speaks():
        return
    if as_json:
        print_json({"checkpoint": str(best)})
    else:
        say(f"{kind} checkpoint: {best}")
