"""A data folder and a float checkpoint trained on it, for the commands that take both."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edge_deeplab.config import Recipe
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.training.loop import RunOptions
from edge_deeplab.training.train import TrainRequest, train

MakeDataset = Callable[..., Path]


@pytest.fixture
def data(make_dataset: MakeDataset) -> Path:
    make_dataset("val", count=2)
    return make_dataset("train", count=2)


@pytest.fixture
def checkpoint(data: Path, shallow: str, tmp_path: Path) -> Path:
    recipe = Recipe.model_validate(
        {
            "model": {"name": shallow, "pretrained": False},
            "data": {"size_hw": (32, 48), "crop_hw": (32, 32)},
            "optimiser": {"epochs": 1, "batch_size": 2, "precision": "fp32"},
        }
    )
    request = TrainRequest(recipe, [open_dataset(data, "train")], tmp_path / "float")
    return train(request, RunOptions(workers=0)).checkpoint
