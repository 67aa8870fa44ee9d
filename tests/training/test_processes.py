"""Training in two processes: the losses of one process on the same crops."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from edge_deeplab.cli.app import app
from tests.torchrun import start_in_two_processes

RECIPE = """
[model]
name = "deeplabv3plus_efficientnet_lite0"
options.aspp.dropout = 0.0
[data]
validation_split = ""
size_hw = [32, 48]
crop_hw = [32, 32]
[optimiser]
epochs = 20
batch_size = 4
precision = "fp32"
freeze_batch_norm = true
method = "sgd"
learning_rate = 0.05
backbone_learning_rate = 0.02
warmup_steps = 0
ema_decay = 0.0
[loss]
lovasz = 0.0
class_weights = "log"
"""


def run_alone(*arguments: str) -> None:
    result = CliRunner().invoke(app, [*arguments, "--workers", "0"])
    assert result.exit_code == 0, result.stderr


def losses_of(run: Path) -> list[float]:
    lines = (run / "log.csv").read_text().splitlines()
    return [float(row["loss"]) for row in csv.DictReader(lines)]


def test_two_processes_have_the_losses_of_one(
    make_dataset: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty steps of four crops, of which each ignores another share of its pixels."""
    data = make_dataset(count=4)
    for index, path in enumerate(sorted((data / "train" / "masks").iterdir())):
        mask = np.array(Image.open(path))
        mask[: 9 * index] = 9
        Image.fromarray(mask).save(path)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.toml").write_text(RECIPE.replace("batch_norm = true", "batch_norm = false"))
    run_alone("train", "--data", str(data), "--recipe", "first.toml", "--output", "first")
    paths = ("--data", str(data), "--recipe", "recipe.toml", "--init", "first")
    command = ["train", *paths, "--output"]
    run_alone(*command, "alone")
    start_in_two_processes(tmp_path, *command, "shared")
    one, two = (losses_of(tmp_path / run) for run in ("alone", "shared"))
    assert len(set(one)) == 20
    assert max(one) - min(one) > 0.1, "what the crops teach differs"
    assert two == pytest.approx(one, abs=1e-4)
