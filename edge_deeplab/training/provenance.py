"""What a run is made of: how its result tells it, what a resumed run must share, and data that fits a checkpoint."""

import json
from collections.abc import Collection, Sequence
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from edge_deeplab.config import Recipe
from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.data.folder import LabelledFolder
from edge_deeplab.errors import DataError
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.training.crops import check_rendered

_NOT_READ = ("model", "teacher")
"""Sections of the recipe that do not count: the checkpoint says which model it is, and is the teacher itself."""


def provenance_of(
    recipe: Recipe, sources: Sequence[SegmentationDataset], exclude: Collection[str] = ()
) -> dict[str, Any]:
    """Return what made a checkpoint: recipe, data and packages.

    Args:
        recipe: the run.
        sources: what it is trained on.
        exclude: sections of the recipe that the run does not read.
    """
    return {
        "recipe": recipe.model_dump(mode="json", exclude=set(exclude)),
        "data": [source.name for source in sources],
        "packages": {name: version(name) for name in ("torch", "timm", "accelerate")},
    }


def identity(
    recipe: Recipe,
    sources: Sequence[SegmentationDataset],
    start: str = "",
    exclude: Collection[str] = (),
    validation: str = "",
) -> str:
    """Return what a run must have in common with the one it resumes, in three lines: recipe and data sets, start, data.

    The third is JSON of what resuming compares by itself, so that it can say what differs; states of before lack it.

    Args:
        recipe: the run.
        sources: what it is trained on.
        start: names the weights that it was told to start from; empty where the recipe alone says.
        exclude: sections of the recipe that the run does not read.
        validation: a hash of what its epochs are scored on; empty where they are not.
    """
    names = ", ".join(f"{source.name} ({len(source)})" for source in sources)
    run = f"{recipe.model_dump_json(exclude=set(exclude))} on {names}"
    return f"{run}\n{start}\n{json.dumps(_told_data(sources, validation))}"


def _told_data(sources: Sequence[SegmentationDataset], validation: str) -> dict[str, str]:
    """Return hashes of what a run's data is, wherever it lies, by what a person would call that."""
    files = [s.fingerprint() if isinstance(s, LabelledFolder) else s.names for s in sources]
    told = {
        "classes or their order": [[each.name for each in source.classes] for source in sources],
        "ignore index": [source.ignore_index for source in sources],
        "images or masks": files,
        "validation images or masks": validation,
    }
    return {what: sha256(repr(value).encode()).hexdigest() for what, value in told.items()}


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
    checkpoint: Checkpoint,
    recipe: Recipe,
    sources: Sequence[SegmentationDataset],
    validation: str = "",
) -> str:
    """Return what a run that starts from a checkpoint must have in common with the one it resumes; as `identity`."""
    start = f"the checkpoint with sha256 {checkpoint.sha256}"
    return identity(recipe, sources, start, _NOT_READ, validation)
