"""What a training is named with, kept so that the run can go on by its folder alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_deeplab.api.named import NamedClasses, to_class_list, to_path, types
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import CheckpointError, ConfigError
from edge_deeplab.progress import Progress

if TYPE_CHECKING:
    from edge_deeplab.training.started import StartedWith


@dataclass(frozen=True)
class Beginning:
    """The keywords of `train` that name things; None where nothing was named."""

    data: str | Path | None
    output: str | Path | None
    recipe: "types.NamedRecipe" = None
    init: "types.NamedCheckpoint" = None
    backbone_weights: str | Path | None = None
    teacher: "types.NamedCheckpoint" = None
    label_map: "types.NamedLabelMap" = None
    classes: NamedClasses = None
    max_pixels: int | None = None

    def resumed(self, progress: Progress) -> "Beginning":
        """Return it with what the run's folder says of what was not named; without one, that of the run that is left.

        Raises:
            CheckpointError: when no run or several are left, or the folder does not say its data.
        """
        from edge_deeplab.training.run_folder import RECIPE_FILE
        from edge_deeplab.training.started import StartedWith, find_unfinished

        output = find_unfinished(Path()) if self.output is None else to_path("output", self.output)
        if self.output is None:
            progress.note(f"resuming {output}")
        recipe = output / RECIPE_FILE
        found = replace(self, output=output)
        if self.recipe is None and recipe.is_file():
            found = replace(found, recipe=recipe)
        try:
            told = StartedWith.read(output)
        except CheckpointError:
            if self.data is None:
                raise
            return found
        return replace(
            found,
            data=self.data or told.data,
            init=self.init or told.init or None,
            backbone_weights=self.backbone_weights or told.backbone_weights or None,
            teacher=self.teacher or told.teacher or None,
            label_map=self.label_map or told.label_map or None,
            classes=self.classes or told.classes,
            max_pixels=self.max_pixels or told.max_pixels,
        )

    @property
    def pixels(self) -> int:
        """Of the largest image that is read."""
        return self.max_pixels or MAX_PIXELS

    def checked(self) -> tuple[str | Path, str | Path]:
        """Return data and output.

        Raises:
            ConfigError: when one was not named.
        """
        if self.data is None or self.output is None:
            lacking = "data" if self.data is None else "output"
            raise ConfigError(
                f"no {lacking} came; a folder was expected; name it, or resume a run, whose folder says it"
            )
        return self.data, self.output

    def told(self, epochs: int) -> "StartedWith | None":
        """Return what a run's folder keeps of it; None where something of it has no name.

        Args:
            epochs: of the recipe.
        """
        from edge_deeplab.training.started import StartedWith

        if isinstance(self.label_map, Mapping):
            return None
        return StartedWith(
            data=_name(self.data),
            epochs=epochs,
            init=_name(self.init),
            backbone_weights=_name(self.backbone_weights),
            teacher=_name(self.teacher),
            label_map=_name(self.label_map),
            max_pixels=self.pixels,
            classes=to_class_list(self.classes),
        )


def _name(given: "types.NamedCheckpoint") -> str:
    """Return what names a thing from any working directory: a path in full, or a shipped name."""
    if given is None:
        return ""
    path = given if isinstance(given, str | Path) else given.path
    return str(Path(path).resolve()) if Path(path).exists() else str(path)
