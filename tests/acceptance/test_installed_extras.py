"""Every extra alone, from the built wheel in a fresh environment: what it is for runs with nothing else there."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY, MakeDataset
from tests.demo.conftest import export_brightest
from tests.slow import or_slow

SOURCES = ("edge_deeplab", "converters", "quantization", "demo")
TARGETS = ("onnx", "tflite", "coreml")
OFFLINE = "Failed to establish a new connection"
RECIPE = """
[model]
name = "deeplabv3plus_mobilenetv2_100"
pretrained = false
[data]
size_hw = [32, 48]
crop_hw = [32, 32]
[optimiser]
epochs = 1
batch_size = 2
precision = "fp32"
"""
TRAIN = "train --data data --recipe recipe.toml --output run"
COMMANDS = {
    "": ("check --explain tflite-gpu.argmax", "train --help"),
    "demo": (
        "demo --artifact {tflite} --source pictures --headless --record film.mp4",
        "demo {tflite} --replay pictures --output masks",
        "demo {tflite} --contract contract",
    ),
    "onnx": ("check {onnx}", "bench {onnx} --rounds 1"),
    "tflite": ("check {tflite}", "bench {tflite} --rounds 1"),
    "coreml": ("check {coreml}",),
    "train": (TRAIN, "evaluate --limit 1"),
    "compress": (TRAIN, "prune run --data data --macs 0.5 --epochs 0 --output pruned"),
}
"""What each extra is for, told by commands."""
SMALL = ("",)
"""Extras that are installed in a few seconds; the others are for `make slow`."""


def run(command: Sequence[str | Path], folder: Path) -> str:
    """Run a command in a folder, without this environment's modules; return what it printed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    result = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode and OFFLINE in result.stdout:
        pytest.skip("no package index can be reached")
    assert result.returncode == 0, f"{command}: {result.stdout}"
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built from a copy so that nothing is left in it."""
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        shutil.copytree(
            REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    run([sys.executable, "-m", "build", "--wheel", "."], source)
    (built,) = (source / "dist").iterdir()
    return built


@pytest.fixture
def folder(tmp_path: Path, make_dataset: MakeDataset) -> Path:
    """A folder with what the commands name: two splits of data, a recipe, a picture."""
    make_dataset("train", count=2)
    assert make_dataset("val", count=2) == tmp_path / "data"
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "pictures").mkdir()
    Image.fromarray(np.zeros((32, 48, 3), np.uint8)).save(tmp_path / "pictures" / "black.png")
    return tmp_path


@pytest.mark.parametrize("extra", [or_slow(extra, extra in SMALL) for extra in COMMANDS])
def test_extra_alone_runs_what_it_is_for(extra: str, wheel: Path, folder: Path) -> None:
    venv.create(folder / "venv", symlinks=os.name != "nt")
    programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", programs / "python", "install", "--no-compile"]
    requirement = f"{wheel}[{extra}]" if extra else str(wheel)
    run([*pip, "--quiet", "-c", REPOSITORY / "constraints.txt", requirement], folder)
    for command in COMMANDS[extra]:
        named = [target for target in TARGETS if f"{{{target}}}" in command]
        files = {target: export_brightest(target, folder).name for target in named}
        run([programs / "edge-deeplab", *command.format(**files).split()], folder)
