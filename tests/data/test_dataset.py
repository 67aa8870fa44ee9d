"""The dataset.toml folder: what it reads, and the sentence for everything that can be wrong with it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.data.folder import DataFolder
from edge_deeplab.data.rendered_set import HELD_OUT_COUNT, RenderedDataset, resolve_dataset
from edge_deeplab.errors import ConfigError, DataError

MakeDataset = Callable[..., Path]


def test_dataset_valid_gives_images_masks_and_classes(make_dataset: MakeDataset) -> None:
    dataset = open_dataset(make_dataset(count=2, size_hw=(32, 48)), "train")
    sample = dataset[1]
    assert len(dataset) == 2
    assert (dataset.name, dataset.ignore_index, dataset.licence) == ("Tiny train", 9, "CC0")
    assert [c.name for c in dataset.classes] == ["left", "right"]
    assert sample.image_hwc.shape == (32, 48, 3)
    assert sample.image_hwc[0, 0, 0] >= 200
    assert sample.mask_ids[0, 0] == 0
    assert sample.mask_ids[0, -1] == 1
    assert sample.name == "1"


def test_content_hash_changes_with_a_pixel_and_with_a_name(make_dataset: MakeDataset) -> None:
    root = make_dataset(count=2)
    before = open_dataset(root, "train").content_sha256()
    assert open_dataset(root, "train").content_sha256() == before
    images, masks = root / "train" / "images", root / "train" / "masks"
    for folder in (images, masks):
        (folder / "1.png").rename(folder / "2.png")
    renamed = open_dataset(root, "train").content_sha256()
    (masks / "2.png").write_bytes((masks / "2.png").read_bytes() + b" ")
    assert len({before, renamed, open_dataset(root, "train").content_sha256()}) == 3


def test_dataset_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere does not exist"):
        open_dataset(tmp_path / "nowhere", "train")


def test_dataset_without_description_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no dataset\.toml"):
        open_dataset(tmp_path, "train")


@pytest.mark.parametrize(
    "text",
    [
        "name = ",
        "name = 'x'",
        "name = 'x'\nclasses = []",
        "name = 'x'\n[[classes]]\nname = 'a'\ncolor = [1, 2]",
        "name = 'x'\n[[classes]]\nname = 'a'\ncolor = [1, 2, 300]",
        "name = 'x'\nignore_index = 256\n[[classes]]\nname = 'a'\ncolor = [1, 2, 3]",
        "name = 'x'\nclasses = 3",
        "name = 'x'\nclasses = [3]",
        "name = 'x'\nignore_index = true\n[[classes]]\nname = 'a'\ncolor = [1, 2, 3]",
        "name = 'x'\nignore_index = '9'\n[[classes]]\nname = 'a'\ncolor = [1, 2, 3]",
        "name = 'x'\nlicence = 3\n[[classes]]\nname = 'a'\ncolor = [1, 2, 3]",
        "name = " + "[" * 5000,
    ],
)
def test_dataset_description_wrong_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset.toml").write_text(text)
    with pytest.raises(DataError, match="cannot be used"):
        open_dataset(tmp_path, "train")


CLASSES = "[[classes]]\nname = 'a'\ncolor = [1, 2, 3]\n[[classes]]\nname = 'b'\ncolor = [4, 5, 6]\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"name = 'x'\nignore_indx = 9\n{CLASSES}", "unknown key 'ignore_indx'.*'ignore_index'"),
        (f"name = 'x'\n{CLASSES}colour = [1, 2, 3]\n", "unknown key 'colour'.*'color'"),
        (f"name = 'x'\nlicence = 'y'\nlicense = 'y'\n{CLASSES}", "licence and license both"),
        (f"name = 'x'\nignore_index = 1\n{CLASSES}", "ignore_index 1 is the index of class 'b'"),
        (f"name = 'x'\n{CLASSES.replace('b', 'a')}", "2 classes have the name 'a'"),
    ],
)
def test_dataset_description_that_would_be_misread_says_why(
    tmp_path: Path, text: str, sentence: str
) -> None:
    (tmp_path / "dataset.toml").write_text(text)
    with pytest.raises(DataError, match=rf"dataset\.toml cannot be used \(.*{sentence}"):
        open_dataset(tmp_path, "train")


def test_dataset_licence_is_read_in_either_spelling(make_dataset: MakeDataset) -> None:
    path = make_dataset() / "dataset.toml"
    path.write_text(path.read_text().replace("licence", "license"))
    assert open_dataset(path.parent, "train").licence == "CC0"


def test_dataset_of_two_images_with_one_stem_is_refused(make_dataset: MakeDataset) -> None:
    images = make_dataset() / "train" / "images"
    Image.open(images / "1.png").save(images / "1.jpg")
    with pytest.raises(DataError, match=r"1\.jpg and .*1\.png share the mask .*1\.png"):
        open_dataset(images.parents[1], "train")


def test_dataset_unknown_split_lists_those_found(make_dataset: MakeDataset) -> None:
    with pytest.raises(DataError, match=r"no split 'test'.*found: train"):
        open_dataset(make_dataset(), "test")


def test_dataset_empty_split_is_refused(make_dataset: MakeDataset) -> None:
    root = make_dataset(count=0)
    with pytest.raises(DataError, match="holds no images"):
        open_dataset(root, "train")


def test_dataset_missing_mask_is_named(make_dataset: MakeDataset) -> None:
    root = make_dataset()
    (root / "train" / "masks" / "2.png").unlink()
    with pytest.raises(DataError, match=r"image .*2\.png has no mask"):
        open_dataset(root, "train")


def test_dataset_size_mismatch_gives_both_sizes(make_dataset: MakeDataset) -> None:
    root = make_dataset(size_hw=(40, 48))
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(root / "train" / "masks" / "0.png")
    with pytest.raises(DataError, match=r"is 40x40 but its image 0.png is 40x48"):
        open_dataset(root, "train")[0]


def test_dataset_label_out_of_range_gives_value_and_position(make_dataset: MakeDataset) -> None:
    root = make_dataset(size_hw=(40, 48))
    mask = np.zeros((40, 48), np.uint8)
    mask[7, 11] = 200
    Image.fromarray(mask).save(root / "train" / "masks" / "0.png")
    with pytest.raises(DataError, match=r"0\.png holds label 200 at row 7, column 11; 0 to 1 or 9"):
        open_dataset(root, "train")[0]


def test_dataset_colour_mask_is_refused(make_dataset: MakeDataset) -> None:
    root = make_dataset(size_hw=(40, 48))
    Image.new("RGB", (48, 40)).save(root / "train" / "masks" / "0.png")
    with pytest.raises(DataError, match="has mode RGB"):
        open_dataset(root, "train")[0]


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_dataset_truncated_file_is_named(make_dataset: MakeDataset, kind: str) -> None:
    path = make_dataset() / "train" / kind / "0.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=f"{kind}.*0.png cannot be read as an image"):
        open_dataset(path.parents[2], "train")[0]


def test_dataset_camvid_reads_every_kind_of_file(camvid: Path) -> None:
    for split, count in (("train", 367), ("val", 101), ("test", 233)):
        dataset = open_dataset(camvid, split)
        assert len(dataset) == count
        assert dataset[0].image_hwc.shape == (360, 480, 3)


def test_resolve_dataset_without_folder_gives_held_out_scenes() -> None:
    dataset = resolve_dataset(None, "test")
    assert len(dataset) == HELD_OUT_COUNT
    assert isinstance(dataset, RenderedDataset)
    assert dataset[0].mask_ids.max() < len(dataset.classes)


def test_resolve_dataset_limit_keeps_the_first(make_dataset: MakeDataset) -> None:
    dataset = resolve_dataset(DataFolder(make_dataset(count=3)), "train", limit=2)
    assert [dataset[i].name for i in range(len(dataset))] == ["0", "1"]
    with pytest.raises(IndexError):
        dataset[2]


def test_resolve_dataset_limit_of_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        resolve_dataset(None, "test", limit=0)


def test_folder_named_like_an_image_is_a_sentence_when_the_set_is_hashed(
    make_dataset: Callable[..., Path],
) -> None:
    root = make_dataset("train", count=1)
    image = next((root / "train" / "images").iterdir())
    image.unlink()
    image.mkdir()
    with pytest.raises(DataError, match=f"{image.name} cannot be read .*a file was expected"):
        open_dataset(root, "train").content_sha256()
