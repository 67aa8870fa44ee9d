"""Fixtures that several areas share: small data, small models, and the real data where it is at hand."""

import gc
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models: threads cost more than they give

import numpy as np
import pytest
from PIL import Image

from tests.shallow import shallow
from tests.skips import SHARED, pytest_make_collect_report, pytest_runtest_makereport

# hooks and a fixture, which pytest finds by name in this file
__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport", "shallow"]

gc.set_threshold(
    50_000, 20, 50
)  # graphs are many small objects: looking for cycles was a tenth of converting them

# tests send interrupts, which background jobs of a shell ignore
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def camvid() -> Path:
    """The CamVid folder; skips where the real data is absent."""
    folder = SHARED / "data" / "camvid"
    if not folder.is_dir():
        pytest.skip("shared/data/camvid is absent beside the repository: real photographs needed")
    return folder


@pytest.fixture(scope="session")
def peers() -> Path:
    """The folder of other people's models; skips where it is absent."""
    folder = SHARED / "peers"
    if not folder.is_dir():
        pytest.skip("shared/peers is absent beside the repository: other people's models needed")
    return folder


MakeDataset = Callable[..., Path]
DATASET_TOML = """
name = "Tiny"
licence = "CC0"
ignore_index = 9
[[classes]]
name = "left"
color = [255, 0, 0]
[[classes]]
name = "right"
color = [0, 255, 0]
"""


def write_dataset(
    root: Path, split: str = "train", count: int = 3, size_hw: tuple[int, int] = (40, 48)
) -> Path:
    """Write a two-class data set, the left half red, the right half green, and return its folder."""
    for kind in ("images", "masks"):
        (root / split / kind).mkdir(parents=True, exist_ok=True)
    (root / "dataset.toml").write_text(DATASET_TOML)
    mask = np.zeros(size_hw, np.uint8)
    mask[:, size_hw[1] // 2 :] = 1
    for index in range(count):
        noise = np.random.default_rng(index).integers(0, 50, (*size_hw, 3), np.uint8)
        image = np.stack([200 * (mask == 0), 200 * (mask == 1), 0 * mask], -1) + noise
        Image.fromarray(image.astype(np.uint8)).save(root / split / "images" / f"{index}.png")
        Image.fromarray(mask).save(root / split / "masks" / f"{index}.png")
    return root


@pytest.fixture
def make_dataset(tmp_path: Path) -> MakeDataset:
    """Return `write_dataset` for a folder of the test's own."""
    return partial(write_dataset, tmp_path / "data")
