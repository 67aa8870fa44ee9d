"""Training in two processes: the losses of one process on the same crops."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_deeplab import api
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
accumulate = 2
precision = "fp32"
freeze_batch_norm = true
method = "sgd"
learning_rate = 0.01
backbone_learning_rate = 0.005
warmup_steps = 0
ema_decay = 0.0
[loss]
lovasz = 0.0
class_weights = "log"
"""


def losses_of(run: Path) -> list[float]:
    lines = (run / "log.csv").read_text().splitlines()
    return [float(row["loss"]) for row in csv.DictReader(lines)]


def test_two_processes_have_the_losses_of_one(
    make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    """Twenty steps of four crops, of which each ignores another share of its pixels."""
    data = make_dataset(count=4)
    for index, path in enumerate(sorted((data / "train" / "masks").iterdir())):
        mask = np.array(Image.open(path))
        mask[: 9 * index] = 9
        Image.fromarray(mask).save(path)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    first = RECIPE.replace("batch_norm = true", "batch_norm = false").replace("accumulate = 2", "")
    (tmp_path / "first.toml").write_text(first)
    start = tmp_path / "first"
    api.train(data, start, recipe=tmp_path / "first.toml", workers=0)
    api.train(data, tmp_path / "alone", recipe=tmp_path / "recipe.toml", init=start, workers=0)
    paths = ("--data", str(data), "--recipe", "recipe.toml", "--init", "first")
    start_in_two_processes(tmp_path, "train", *paths, "--output", "shared")
    ranks = [json.loads((tmp_path / "ranks" / f"{number}.json").read_text()) for number in range(2)]
    assert len(set(ranks[0])) == 20, "each step moved the weights that the two have in common"
    assert ranks[0] == ranks[1]
    one, two = (losses_of(tmp_path / run) for run in ("alone", "shared"))
    assert len(set(one)) == 20
    assert max(one) - min(one) > 0.1, "what the crops teach differs"
    assert two == pytest.approx(one, abs=1e-4)
