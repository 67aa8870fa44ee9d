"""PASCAL VOC and Cityscapes folders as they come: what is read, and the sentence for what is wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.data.standard_layouts import read_cityscapes
from edge_deeplab.errors import DataError

SIZE_HW = (6, 8)
TRAINED_LABELS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Cityscapes: the label of each of the 19 classes, from its table of labels."""


def write_image(path: Path, level: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*SIZE_HW, 3), level, np.uint8)).save(path)


def write_mask(path: Path, labels: npt.ArrayLike = 0, *, palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = Image.fromarray(np.broadcast_to(np.asarray(labels, np.uint8), SIZE_HW).copy())
    if palette:
        mask.putpalette([255 - i // 3 for i in range(768)])
    mask.save(path)


def write_voc(root: Path, split: str = "val", stems: tuple[str, ...] = ("b", "a", "c")) -> Path:
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True, exist_ok=True)
    (lists / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))
    for stem in stems:
        write_image(root / "JPEGImages" / f"{stem}.jpg", level=ord(stem[0]))
        write_mask(root / "SegmentationClass" / f"{stem}.png", palette=True)
    return root


def write_cityscapes(root: Path, split: str = "val", kind: str = "labelIds") -> Path:
    for city, frame in (("ulm", "000000"), ("aachen", "000001"), ("aachen", "000000")):
        name = f"{city}_{frame}_000019"
        write_image(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png")
        write_mask(root / "gtFine" / split / city / f"{name}_gtFine_{kind}.png")
        write_mask(root / "gtFine" / split / city / f"{name}_gtFine_instanceIds.png", 99)
    return root


def first_cityscapes_mask(root: Path, kind: str = "labelIds") -> Path:
    return root / "gtFine" / "val" / "aachen" / f"aachen_000000_000019_gtFine_{kind}.png"


def test_voc_images_come_in_the_order_of_the_list(tmp_path: Path) -> None:
    dataset = open_dataset(write_voc(tmp_path / "VOC2012"), "val")
    assert dataset.name == "PASCAL VOC 2012 val"
    assert "flickr" in dataset.licence
    assert [dataset[i].name for i in range(len(dataset))] == ["b", "a", "c"]
    assert dataset[1].image_hwc.shape == (*SIZE_HW, 3)
    assert abs(int(dataset[1].image_hwc[0, 0, 0]) - ord("a")) <= 2, "its own picture, a JPEG"


def test_voc_has_its_names_and_its_colour_map(tmp_path: Path) -> None:
    dataset = open_dataset(write_voc(tmp_path), "val")
    colour_of = {c.name: c.color for c in dataset.classes}
    assert len(dataset.classes) == len(colour_of) == 21
    assert dataset.ignore_index == 255
    names = [c.name for c in dataset.classes]
    assert (names[0], names[1], names[15], names[20]) == (
        "background",
        "aeroplane",
        "person",
        "tvmonitor",
    )
    assert (colour_of["background"], colour_of["aeroplane"]) == ((0, 0, 0), (128, 0, 0))
    assert (colour_of["person"], colour_of["tvmonitor"]) == ((192, 128, 128), (0, 64, 128))


def test_voc_labels_are_the_ids_whatever_the_palette(tmp_path: Path) -> None:
    root = write_voc(tmp_path)
    labels = np.zeros(SIZE_HW, np.uint8)
    labels.flat[:22] = [*range(21), 255]
    write_mask(root / "SegmentationClass" / "b.png", labels, palette=True)
    mask = open_dataset(root, "val")[0].mask_ids
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, labels)


@pytest.mark.parametrize("place", ["VOC2012", "VOCdevkit/VOC2012"])
def test_voc_is_found_below_the_folder_that_is_given(tmp_path: Path, place: str) -> None:
    write_voc(tmp_path / place)
    assert open_dataset(tmp_path, "val").name == "PASCAL VOC 2012 val"


def test_voc_of_two_years_has_to_be_chosen(tmp_path: Path) -> None:
    for year in (2007, 2012):
        write_voc(tmp_path / f"VOC{year}")
    with pytest.raises(DataError, match=r"holds .*VOC2007 and .*VOC2012.*pass one of them"):
        open_dataset(tmp_path, "val")


def test_voc_trainaug_takes_the_augmented_masks(tmp_path: Path) -> None:
    root = write_voc(write_voc(tmp_path), "trainaug", ("a", "d"))
    for stem, label in (("a", 3), ("d", 4)):
        write_mask(root / "SegmentationClassAug" / f"{stem}.png", label)
    (root / "SegmentationClass" / "d.png").unlink()
    dataset = open_dataset(root, "trainaug")
    assert [int(dataset[i].mask_ids[0, 0]) for i in range(2)] == [3, 4]
    assert open_dataset(root, "val")[1].mask_ids[0, 0] == 0


def test_voc_list_may_have_blank_lines_and_windows_endings(tmp_path: Path) -> None:
    root = write_voc(tmp_path)
    (root / "ImageSets" / "Segmentation" / "val.txt").write_bytes(b"\xef\xbb\xbfc\r\n\r\na\r\n")
    dataset = open_dataset(root, "val")
    assert [dataset[i].name for i in range(len(dataset))] == ["c", "a"]


def test_voc_unknown_split_lists_those_found(tmp_path: Path) -> None:
    root = write_voc(write_voc(tmp_path), "train", ("a",))
    with pytest.raises(DataError, match=r"no split 'test' \(no .*test\.txt\); found: train, val$"):
        open_dataset(root, "test")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\n", r"val\.txt names no images"),
        (b"a\nghost\n", r"val\.txt names 'ghost' but .*ghost\.jpg does not exist"),
        (b"a 1\n", r"val\.txt names 'a 1' but"),
        (b"a\nb\na\n", r"val\.txt names 'a' 2 times"),
        (b"\xff\xfe\n", r"val\.txt names .* does not exist"),
    ],
)
def test_voc_list_that_cannot_be_meant_is_refused(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    root = write_voc(tmp_path)
    (root / "ImageSets" / "Segmentation" / "val.txt").write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        open_dataset(root, "val")


def test_voc_missing_mask_is_named(tmp_path: Path) -> None:
    root = write_voc(tmp_path)
    (root / "SegmentationClass" / "a.png").unlink()
    with pytest.raises(DataError, match=r"image .*a\.jpg has no mask; .*SegmentationClass/a\.png"):
        open_dataset(root, "val")


def test_voc_label_out_of_range_gives_value_and_position(tmp_path: Path) -> None:
    root = write_voc(tmp_path)
    labels = np.zeros(SIZE_HW, np.uint8)
    labels[2, 5] = 21
    write_mask(root / "SegmentationClass" / "b.png", labels)
    with pytest.raises(
        DataError, match=r"b\.png holds label 21 at row 2, column 5; 0 to 20 or 255"
    ) as error:
        open_dataset(root, "val")[0]
    assert "dataset.toml" not in str(error.value)


def test_voc_colour_mask_and_other_size_are_refused(tmp_path: Path) -> None:
    root = write_voc(tmp_path)
    Image.new("RGB", SIZE_HW[::-1]).save(root / "SegmentationClass" / "b.png")
    Image.new("L", (3, 3)).save(root / "SegmentationClass" / "a.png")
    dataset = open_dataset(root, "val")
    with pytest.raises(DataError, match="has mode RGB"):
        dataset[0]
    with pytest.raises(DataError, match=r"is 3x3 but its image a\.jpg is 6x8"):
        dataset[1]


def test_cityscapes_images_come_by_city_and_name(tmp_path: Path) -> None:
    dataset = open_dataset(write_cityscapes(tmp_path), "val")
    assert (dataset.name, dataset.ignore_index) == ("Cityscapes val", 255)
    assert "non-commercial" in dataset.licence
    assert [dataset[i].name for i in range(len(dataset))] == [
        "aachen_000000_000019_leftImg8bit",
        "aachen_000001_000019_leftImg8bit",
        "ulm_000000_000019_leftImg8bit",
    ]


def test_cityscapes_has_its_names_and_colours(tmp_path: Path) -> None:
    classes = open_dataset(write_cityscapes(tmp_path), "val").classes
    assert len(classes) == len({c.name for c in classes}) == len({c.color for c in classes}) == 19
    assert [(c.name, c.color) for c in (classes[0], classes[6], classes[13], classes[18])] == [
        ("road", (128, 64, 128)),
        ("traffic light", (250, 170, 30)),
        ("car", (0, 0, 142)),
        ("bicycle", (119, 11, 32)),
    ]


def test_cityscapes_label_ids_become_the_nineteen_classes(tmp_path: Path) -> None:
    root = write_cityscapes(tmp_path)
    labels = np.full(SIZE_HW, 255, np.uint8)
    labels.flat[:34] = range(34)
    write_mask(first_cityscapes_mask(root), labels)
    wanted = np.full(SIZE_HW, 255, np.uint8)
    for class_id, label in enumerate(TRAINED_LABELS):
        wanted.flat[label] = class_id
    mask = open_dataset(root, "val")[0].mask_ids
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, wanted)


def test_cityscapes_train_ids_are_the_classes_where_they_stand_instead(tmp_path: Path) -> None:
    root = write_cityscapes(tmp_path, kind="labelTrainIds")
    labels = np.full(SIZE_HW, 255, np.uint8)
    labels.flat[:19] = range(19)
    write_mask(first_cityscapes_mask(root, "labelTrainIds"), labels)
    np.testing.assert_array_equal(open_dataset(root, "val")[0].mask_ids, labels)


def test_cityscapes_label_ids_win_over_train_ids(tmp_path: Path) -> None:
    root = write_cityscapes(write_cityscapes(tmp_path), kind="labelTrainIds")
    write_mask(first_cityscapes_mask(root), 7)
    write_mask(first_cityscapes_mask(root, "labelTrainIds"), 7)
    assert open_dataset(root, "val")[0].mask_ids[0, 0] == 0


@pytest.mark.parametrize(
    ("kind", "label", "largest"), [("labelIds", 34, 33), ("labelTrainIds", 19, 18)]
)
def test_cityscapes_label_out_of_range_gives_value_and_position(
    tmp_path: Path, kind: str, label: int, largest: int
) -> None:
    root = write_cityscapes(tmp_path, kind=kind)
    labels = np.zeros(SIZE_HW, np.uint8)
    labels[4, 1] = label
    write_mask(first_cityscapes_mask(root, kind), labels)
    sentence = rf"_gtFine_{kind}\.png holds label {label} at row 4, column 1; 0 to {largest} or 255"
    with pytest.raises(DataError, match=sentence):
        open_dataset(root, "val")[0]


def test_cityscapes_unknown_split_lists_those_found(tmp_path: Path) -> None:
    root = write_cityscapes(write_cityscapes(tmp_path), "train")
    with pytest.raises(DataError, match=r"no split 'dev' \(no .*\); found: train, val$"):
        open_dataset(root, "dev")


def test_cityscapes_missing_mask_is_named(tmp_path: Path) -> None:
    root = write_cityscapes(tmp_path)
    first_cityscapes_mask(root).unlink()
    with pytest.raises(DataError, match=r"aachen_000000_.* has no mask; .*_gtFine_labelIds\.png"):
        open_dataset(root, "val")


def test_cityscapes_empty_split_is_refused(tmp_path: Path) -> None:
    (tmp_path / "leftImg8bit" / "val" / "aachen").mkdir(parents=True)
    with pytest.raises(DataError, match=r"val holds no images; CITY/\*_leftImg8bit\.png"):
        open_dataset(tmp_path, "val")


def test_truncated_file_is_named(tmp_path: Path) -> None:
    root = write_cityscapes(tmp_path)
    path = first_cityscapes_mask(root)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match=r"labelIds\.png cannot be read as an image"):
        open_dataset(root, "val")[0]


def test_dataset_toml_wins_over_the_standard_layouts(tmp_path: Path) -> None:
    root = write_cityscapes(write_voc(tmp_path))
    (root / "dataset.toml").write_text(
        'name = "own"\n[[classes]]\nname = "all"\ncolor = [1, 2, 3]\n'
    )
    write_image(root / "val" / "images" / "0.png")
    write_mask(root / "val" / "masks" / "0.png")
    assert open_dataset(root, "val").name == "own val"


def test_folder_of_no_layout_says_what_was_expected_of_each(tmp_path: Path) -> None:
    (tmp_path / "JPEGImages").mkdir()
    with pytest.raises(DataError, match=r"has no dataset\.toml; name, ignore_index") as error:
        open_dataset(tmp_path, "val")
    for part in ("JPEGImages", "ImageSets/Segmentation", "leftImg8bit", "gtFine"):
        assert part in str(error.value)


def test_content_hash_changes_with_order_masks_and_layout(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "voc")
    hashes = [open_dataset(root, "val").content_sha256()]
    assert open_dataset(root, "val").content_sha256() == hashes[0]
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("a\nb\nc\n")
    hashes.append(open_dataset(root, "val").content_sha256())
    write_mask(root / "SegmentationClass" / "a.png", 1)
    hashes.append(open_dataset(root, "val").content_sha256())
    hashes.append(open_dataset(write_cityscapes(tmp_path / "city"), "val").content_sha256())
    assert len(set(hashes)) == 4


def test_content_hash_changes_with_what_labels_mean(tmp_path: Path) -> None:
    files = read_cityscapes(write_cityscapes(tmp_path), "val")
    assert replace(files, class_of_label=None).content_sha256() != files.content_sha256()
