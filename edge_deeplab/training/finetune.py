"""What every run that starts from a checkpoint shares: data that fits it, and the story that the result tells."""

from collections.abc import Sequence
from typing import Any

from edge_deeplab.config import Recipe
from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.errors import DataError
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.training.crops import check_rendered
from edge_deeplab.training.provenance import provenance_of
from edge_deeplab.training.run_folder import identity

_NOT_READ = ("model",)
"""Sections of the recipe that do not count: the checkpoint says which model it is."""


def check_sources(
    checkpoint: Checkpoint, recipe: Recipe, sources: Sequence[SegmentationDataset]
) -> None:
    """Check that data sets have a checkpoint's classes, and that a recipe mixes nothing else into them.

    Raises:
        ConfigError: when rendered scenes are to be mixed into other classes than theirs.
        DataError: when a data set's classes differ.
    """
    wanted = [c.name for c in checkpoint.info.classes]
    for source in sources:
        found = [c.name for c in source.classes]
        if wanted != found:
            raise DataError(
                f"{source.name} has the classes {', '.join(found)}; those of {checkpoint.name} were expected "
                f"({', '.join(wanted)}); pass the data it was trained on"
            )
    check_rendered(recipe.data, sources)


def provenance_after(
    checkpoint: Checkpoint, recipe: Recipe, sources: Sequence[SegmentationDataset]
) -> dict[str, Any]:
    """Return what made a checkpoint that starts from another: this run, and the story of the other."""
    return {
        **provenance_of(recipe, sources, exclude=_NOT_READ),
        "starts_from": {
            "checkpoint": checkpoint.name,
            "sha256": checkpoint.sha256,
            **checkpoint.info.provenance,
        },
    }


def identity_after(
    checkpoint: Checkpoint, recipe: Recipe, sources: Sequence[SegmentationDataset]
) -> str:
    """Return what a run that starts from a checkpoint must have in common with the one it resumes."""
    start = f"the checkpoint with sha256 {checkpoint.sha256}"
    return identity(recipe, sources, start, exclude=_NOT_READ)
