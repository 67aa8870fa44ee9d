"""Every verb that reads image files refuses one that is larger than asked for, by its path."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge_deeplab.cli.app import app
from tests.data.png_files import write_bomb

RECIPE = """
[data]
crop_hw = [32, 32]
[optimiser]
epochs = 1
batch_size = 2
precision = "fp32"
"""
VERBS = {
    "evaluate": "evaluate CHECKPOINT --data DATA --split train",
    "parity": "parity CHECKPOINT --reference CHECKPOINT --data DATA --split train",
    "train": "train --data DATA --recipe RECIPE --init CHECKPOINT --model NETWORK --output OUT --workers 0",
    "prune": "prune CHECKPOINT --data DATA --macs 0.7 --recipe RECIPE --output OUT --workers 0",
    "qat": "qat CHECKPOINT --data DATA --recipe RECIPE --output OUT --workers 0",
    "export": "export CHECKPOINT --calibrate DATA --target onnx --output OUT",
    "compress": "compress CHECKPOINT --data DATA --recipe CHAIN --output OUT --workers 0",
    "demo": "demo --artifact CHECKPOINT --source DATA/train/images --headless",
}


@pytest.mark.parametrize("verb", VERBS)
def test_command_with_an_image_above_max_pixels_names_it(
    verb: str, data: Path, checkpoint: Path, shallow: str, tmp_path: Path
) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "chain.toml").write_text("[qat.optimiser]\nepochs = 0\n")
    places = {
        "CHECKPOINT": checkpoint,
        "NETWORK": shallow,
        "RECIPE": tmp_path / "recipe.toml",
        "CHAIN": tmp_path / "chain.toml",
        "OUT": tmp_path / "out",
        "DATA": data,
    }
    line = VERBS[verb]
    for name, path in places.items():
        line = line.replace(name, str(path))
    result = CliRunner().invoke(app, [*line.split(), "--max-pixels", "100"])
    assert result.exit_code == 1
    assert "train/images/0.png is too large: Image size (1920 pixels); at most 100" in result.output


def test_evaluate_of_a_small_file_of_many_pixels_names_it(data: Path, checkpoint: Path) -> None:
    bomb = write_bomb(data / "train" / "images" / "0.png", 13300)
    assert bomb.stat().st_size < 30_000
    command = ["evaluate", str(checkpoint), "--data", str(data), "--split", "train"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert f"{bomb} is too large: Image size (176890000 pixels)" in result.output


def test_evaluate_of_a_large_image_reads_it_when_told(data: Path, checkpoint: Path) -> None:
    write_bomb(data / "train" / "images" / "0.png", 8001)
    command = ["evaluate", str(checkpoint), "--data", str(data), "--split", "train"]
    result = CliRunner().invoke(app, [*command, "--max-pixels", str(8001**2)])
    assert "masks/0.png is 40x48 but its image 0.png is 8001x8001" in result.output
