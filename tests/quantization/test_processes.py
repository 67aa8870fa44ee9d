"""Quantization-aware training in two processes: they stay one model, also after the ranges are fixed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_deeplab.config import Recipe
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.models.checkpoint import load_checkpoint
from edge_deeplab.training.loop import RunOptions
from edge_deeplab.training.train import TrainRequest, train
from tests.torchrun import start_in_two_processes

RECIPE = """
[data]
validation_split = ""
size_hw = [32, 48]
crop_hw = [32, 32]
[optimiser]
epochs = 4
batch_size = 4
[quantization]
calibration_images = 2
statistics_epochs = 0.25
ranges_epochs = 0.5
"""


@pytest.mark.slow  # two processes with the losses of one run every time, in tests/training
def test_two_processes_train_the_same_weights_before_and_after_ranges_are_fixed(
    make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    data = make_dataset(count=8)
    start = Recipe.model_validate(
        {
            "model": {"name": "deeplabv3plus_mobilenetv2_100", "pretrained": False},
            "data": {"size_hw": (32, 48), "crop_hw": (32, 32)},
            "optimiser": {"epochs": 1, "batch_size": 4, "precision": "fp32"},
        }
    )
    request = TrainRequest(start, [open_dataset(data, "train")], tmp_path / "float")
    checkpoint = train(request, RunOptions(workers=0)).checkpoint
    (tmp_path / "recipe.toml").write_text(RECIPE)
    paths = ["--data", str(data), "--output", "run", "--recipe", "recipe.toml"]
    stdout = start_in_two_processes(tmp_path, "qat", str(checkpoint), *paths)
    assert json.loads(stdout) == {"checkpoint": "run/best.safetensors"}, "one document, not two"
    first, second = (json.loads((tmp_path / "ranks" / f"{n}.json").read_text()) for n in range(2))
    assert len(set(first)) == 8, "two steps in each of four epochs, each of which moved the weights"
    assert first == second
    assert len((tmp_path / "run" / "log.csv").read_text().splitlines()) == 5
    assert load_checkpoint(tmp_path / "run" / "best.safetensors").quantization is not None
