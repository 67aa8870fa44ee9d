"""What the training verbs share: options, progress, and what is said at the end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_deeplab.cli.completion import names_of
from edge_deeplab.cli.output import reading_option, speaks
from edge_deeplab.cli.terminal import say
from edge_deeplab.files import STATE_FILE

if TYPE_CHECKING:
    from edge_deeplab.progress import Progress
    from edge_deeplab.recipes import AnyRecipe

FloatCheckpointArgument = Annotated[
    str | None,
    typer.Argument(
        help="Float checkpoint: file, run folder or shipped name.",
        autocompletion=names_of("checkpoint"),
    ),
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
TensorboardOption = Annotated[
    bool,
    typer.Option(
        "--tensorboard", help="Also write the numbers for TensorBoard, into the run's folder."
    ),
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
    from edge_deeplab.recipes import load_recipe_as

    for section, values in sections.items():
        for key, value in values.items():
            with reading_option(f"--{key.replace('_', '-')}"):
                load_recipe_as(kind, None, **{section: {key: value}})
    return load_recipe_as(kind, path, **sections)


@contextmanager
def resumable_progress(output: Path | None) -> Iterator["Progress"]:
    """Give what a run tells its progress to; one that is stopped says how to go on.

    Args:
        output: the run's folder; None of one that is resumed by itself.
    """
    from edge_deeplab.cli.progress import drawn_progress

    try:
        with drawn_progress() as progress:
            yield progress
    except KeyboardInterrupt:
        if speaks() and (output is None or any(output.rglob(STATE_FILE))):
            say("stopped; the same command with --resume goes on", err=True)
        raise
