"""A data folder and a float checkpoint trained on it, for the commands that take both."""

import shutil
from pathlib import Path

import pytest

from edge_deeplab.config import Recipe
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.training.loop import RunOptions
from edge_deeplab.training.train import TrainRequest, train
from tests.conftest import write_dataset


def write_both_splits(root: Path) -> Path:
    write_dataset(root, "val", count=2)
    return write_dataset(root, "train", count=2)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_both_splits(tmp_path / "data")


@pytest.fixture(scope="module")
def trained(shallow: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a training on such data, in its run."""
    data = write_both_splits(tmp_path_factory.mktemp("trained") / "data")
    recipe = Recipe.model_validate(
        {
            "model": {"name": shallow, "pretrained": False},
            "data": {"size_hw": (32, 48), "crop_hw": (32, 32)},
            "optimiser": {"epochs": 1, "batch_size": 2, "precision": "fp32"},
        }
    )
    request = TrainRequest(recipe, [open_dataset(data, "train")], data.with_name("float"))
    return train(request, RunOptions(workers=0)).checkpoint


@pytest.fixture
def checkpoint(trained: Path, tmp_path: Path) -> Path:
    """It, in a copy of the run."""
    return shutil.copytree(trained.parent, tmp_path / "float") / trained.name
