"""What a run is told of its data before it begins: a line, what will hurt, and never an error."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_deeplab.data.folder import DataFolder
from edge_deeplab.data.inspection import glance
from tests.progress import Heard

MakeDataset = Callable[..., Path]


def told(root: Path, *trained: str) -> list[str]:
    heard = Heard()
    glance.tell_data(DataFolder(root), trained, heard)
    return heard.notes


def test_glance_at_good_data_is_one_line(make_dataset: MakeDataset) -> None:
    assert told(make_dataset(), "train") == ["data: 3 images of train, 2 classes"]


def test_glance_names_a_class_without_pixels_and_test_pictures_that_are_trained_on(
    make_dataset: MakeDataset,
) -> None:
    root = make_dataset(count=3)
    make_dataset("test", count=2)
    for mask in (root / "train" / "masks").iterdir():
        Image.fromarray(np.zeros((40, 48), np.uint8)).save(mask)
    _, absent, copies = told(root, "train")
    assert absent.startswith("warning: no mask that is trained on holds a pixel of right: ")
    assert copies.startswith(
        "warning: 2 of the 2 pictures of test are trained on too (0.png, 1.png): "
    )
    assert len(told(root, "train", "test")) == 1, "a split that is trained on is held out nowhere"


def test_glance_says_which_masks_of_many_it_looked_at_and_which_class_is_rare(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_dataset(count=4)
    for mask in (root / "train" / "masks").iterdir():
        ids = np.zeros((40, 48), np.uint8)
        ids[0, 0] = 1
        Image.fromarray(ids).save(mask)
    monkeypatch.setattr(glance, "_MOST_PIXELS", 40 * 48 * 2)
    assert told(root, "train") == [
        "data: 4 images of train, 2 classes; rare: right (0.05%) (of 2 of 4 masks, spread over them)"
    ]


def test_glance_at_what_cannot_be_read_says_nothing(make_dataset: MakeDataset) -> None:
    root = make_dataset()
    shutil.rmtree(root / "train" / "masks")
    assert told(root, "train") == []


def test_glance_passes_over_a_test_split_that_cannot_be_opened(make_dataset: MakeDataset) -> None:
    root = make_dataset()
    make_dataset("test")
    shutil.rmtree(root / "test" / "masks")
    assert told(root, "train") == ["data: 3 images of train, 2 classes"]
