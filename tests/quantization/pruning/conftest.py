"""A trained tiny MobileNetV2 checkpoint and its data."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edge_deeplab.config import PruneRecipe, Recipe
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.models.checkpoint import Checkpoint, load_checkpoint
from edge_deeplab.training.train import train

DATA = {"size_hw": (32, 48), "crop_hw": (32, 32), "scale": (1.0, 1.0)}


@pytest.fixture
def prune_recipe() -> Callable[..., PruneRecipe]:
    """Return a function that makes a small recipe; keywords are of its pruning section."""

    def make(epochs: int = 0, **pruning: object) -> PruneRecipe:
        return PruneRecipe.model_validate(
            {
                "data": DATA,
                "optimiser": {"epochs": epochs, "batch_size": 2, "precision": "fp32"},
                "pruning": {"images": 2, **pruning},
            }
        )

    return make


@pytest.fixture
def folder(make_dataset: Callable[..., Path]) -> Path:
    return make_dataset(count=4)


@pytest.fixture
def checkpoint(folder: Path, tmp_path: Path) -> Checkpoint:
    """A float MobileNetV2 checkpoint, trained for one epoch."""
    start = Recipe.model_validate(
        {
            "model": {"name": "deeplabv3plus_mobilenetv2_100", "pretrained": False},
            "data": DATA,
            "optimiser": {"epochs": 1, "batch_size": 2, "precision": "fp32", "ema_decay": 0.0},
        }
    )
    return load_checkpoint(
        train(start, [open_dataset(folder, "train")], tmp_path / "float", workers=0)
    )
