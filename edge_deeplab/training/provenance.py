"""What made a checkpoint, as the checkpoint itself tells it."""

from collections.abc import Collection, Sequence
from importlib.metadata import version
from typing import Any

from edge_deeplab.config import Recipe
from edge_deeplab.data.dataset import SegmentationDataset


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
