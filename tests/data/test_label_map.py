"""Labels in other words: what a label map does to masks, and what it must not say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_deeplab import api
from edge_deeplab.compress.job import Job
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.data.folder import DataFolder
from edge_deeplab.data.label_map import LabelMap, RelabelledDataset, read_label_map
from edge_deeplab.description import ClassInfo
from edge_deeplab.errors import ConfigError
from edge_deeplab.evaluation.parity import ParityRequest

MakeDataset = Callable[..., Path]

MAP = """
from = "ours"
to = "theirs"
[map]
b = "thing"
a = "thing"
c = "stuff"
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.fixture
def folder(make_dataset: MakeDataset) -> Path:
    """Two images of three classes, a, b and c, and of pixels that are ignored."""
    root = make_dataset(count=2)
    (root / "dataset.toml").write_text(
        'name = "ours"\nlicence = "CC0"\nignore_index = 200\n'
        + "".join(
            f'[[classes]]\nname = "{name}"\ncolor = [{i}, 0, 9]\n' for i, name in enumerate("abc")
        )
    )
    labels = np.array([0, 1, 2, 200], np.uint8).repeat(10)[:, None].repeat(48, axis=1)
    for mask in (root / "train" / "masks").iterdir():
        Image.fromarray(labels).save(mask)
    return root


def test_classes_become_others_in_the_order_of_the_map(folder: Path, tmp_path: Path) -> None:
    source = open_dataset(folder, "train")
    mapped = RelabelledDataset(source, read_label_map(write(tmp_path / "map.toml", MAP)))
    assert [c.name for c in mapped.classes] == ["thing", "stuff"]
    assert mapped.classes[0].color == source.classes[1].color, "of the first that becomes it"
    assert mapped.ignore_index == 255
    assert mapped.name.startswith(f"{source.name} as theirs (")
    assert mapped.licence == source.licence
    own, other = source[0], mapped[0]
    expected = np.array([0, 0, 1, *[255] * 253], np.uint8)[own.mask_ids]
    np.testing.assert_array_equal(other.mask_ids, expected)
    np.testing.assert_array_equal(other.image_hwc, own.image_hwc)
    assert set(np.unique(other.mask_ids)) == {0, 1, 255}


def test_class_that_is_not_listed_is_ignored(folder: Path) -> None:
    source = open_dataset(folder, "train")
    mapped = DataFolder.named(folder, label_map={"c": "stuff"}).open("train")
    own, other = source[0].mask_ids, mapped[0].mask_ids
    np.testing.assert_array_equal(other == 0, own == 2)
    assert (other[own != 2] == 255).all()


def test_listed_classes_say_order_and_colours_and_may_be_absent(
    folder: Path, tmp_path: Path
) -> None:
    listed = "".join(
        f'[[classes]]\nname = "{name}"\ncolor = [{i}, {i}, {i}]\n'
        for i, name in enumerate(("void fill", "stuff", "thing"))
    )
    mapped = DataFolder.named(folder, label_map=write(tmp_path / "m.toml", MAP + listed)).open(
        "train"
    )
    assert mapped.classes[2] == ClassInfo("thing", (2, 2, 2))
    assert set(np.unique(mapped[0].mask_ids)) <= {1, 2, 255}


def test_hash_follows_the_map_and_the_content(folder: Path) -> None:
    maps: list[Any] = [None, {"a": "x", "b": "y"}, {"a": "y", "b": "x"}]
    datasets = [DataFolder.named(folder, label_map=each).open("train") for each in maps]
    assert len({each.content_sha256() for each in datasets}) == 3
    assert len({each.name for each in datasets}) == 3, "a run that is resumed is told apart by it"


def test_name_of_the_map_s_file_is_not_part_of_what_it_says(folder: Path, tmp_path: Path) -> None:
    text = "[map]\na = 'x'"
    first, second = (
        DataFolder.named(folder, label_map=write(tmp_path / name, text)).open("train")
        for name in ("a.toml", "b.toml")
    )
    assert (first.name, first.content_sha256()) == (second.name, second.content_sha256())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[map]\nz = 'x'", "unknown class of the data in the label map 'z'"),
        ("to = 'x'", "map is missing"),
        ("map = 3", "map is 3, not a table"),
        ("[map]", "the table map is empty"),
        ("[map]\na = 3", "its other name is 3, not text"),
        ("[map]\na = ''", "its other name is '', not text of 1 to 255 letters"),
        ('[map]\na = "x\\u001b[31m"', "not one line without control characters"),
        (f"[map]\na = '{'x' * 300}'", "not text of 1 to 255 letters"),
        (f"to = '{'x' * 300}'\n[map]\na = 'x'", "not text of 1 to 255 letters"),
        ("[mapp]\na = 'x'", "unknown key 'mapp' .did you mean 'map'"),
        ("to = 3\n[map]\na = 'x'", "to is 3, not text"),
        (
            "[map]\na = 'x'\n[[classes]]\nname = 'y'\ncolor = [0, 0, 0]",
            "unknown class among .*'x'",
        ),
        ("[map]\na = 'x'\n[[classes]]\nname = 'x'", "the color of class 'x'"),
        ("classes = 3\n[map]\na = 'x'", r"\[\[classes\]\] does not stand there"),
        ("no toml", "cannot be used"),
        (f"{'x' * 10_000_000} = 1", "^.{0,800}$"),
    ],
)
def test_map_that_cannot_be_meant_is_one_sentence(
    folder: Path, tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        DataFolder.named(folder, label_map=write(tmp_path / "map.toml", text)).open("train")


def test_map_that_is_not_there_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml cannot be used"):
        DataFolder.named(folder, label_map=tmp_path / "nowhere.toml")


def test_chain_reads_its_data_in_other_words(folder: Path, tmp_path: Path) -> None:
    own, mapped = (
        Job(DataFolder.named(folder, label_map=label_map), tmp_path / "run")
        for label_map in (None, {"a": "x"})
    )
    assert [c.name for c in mapped.open_splits(["train"])[0].classes] == ["x"]
    assert own.hash_splits(["train"]) != mapped.hash_splits(["train"])


def test_map_without_data_is_refused() -> None:
    with pytest.raises(ConfigError, match="a label map came without data"):
        api.evaluate(label_map={"sky": "sky"})


def test_labels_of_one_set_train_and_score_a_network_of_another(
    folder: Path, tmp_path: Path
) -> None:
    """Pixels of a and b are scored as x, whatever the network's order of classes is."""
    recipe = {
        "model": {"name": "deeplabv3plus_mobilenetv2_100", "pretrained": False},
        "data": {"size_hw": (32, 48), "crop_hw": (32, 32), "validation_split": ""},
        "optimiser": {"epochs": 1, "batch_size": 2, "precision": "fp32"},
    }
    label_map = {"a": "x", "c": "y", "b": "x"}
    trained = api.train(folder, tmp_path / "run", recipe=recipe, workers=0, label_map=label_map)
    checkpoint = api.load(trained.checkpoint)
    assert [c.name for c in checkpoint.info.classes] == ["x", "y"]
    (name,) = checkpoint.info.provenance["data"]
    assert LabelMap("", label_map).sha256[:8] in name
    turned = api.evaluate(checkpoint, data=folder, split="train", label_map={"c": "y", **label_map})
    plain = api.evaluate(checkpoint, data=folder, split="train", label_map=label_map)
    assert turned.class_names == ("y", "x")
    assert plain.miou == pytest.approx(turned.miou)
    quantized = api.quantize(
        checkpoint,
        data=folder,
        output=tmp_path / "int8",
        epochs=0,
        recipe={"data": {"validation_split": "train"}, "quantization": {"calibration_images": 1}},
        label_map=label_map,
        workers=0,
    )
    assert quantized.miou is not None, "the split that validates is mapped as well"
    request = ParityRequest(data=folder, split="train", label_map=label_map)
    assert [c.name for c in request.open_data().classes] == ["x", "y"]
    pruned = api.prune(
        checkpoint,
        data=folder,
        output=tmp_path / "pruned",
        macs=0.9,
        epochs=0,
        recipe={"data": {"validation_split": ""}, "pruning": {"importance": "magnitude"}},
        label_map=label_map,
        workers=0,
    )
    assert [c.name for c in api.load(pruned.checkpoint).info.classes] == ["x", "y"]
    with pytest.raises(ConfigError, match="has the classes x, y, the data set has a, b, c"):
        api.evaluate(checkpoint, data=folder, split="train")
