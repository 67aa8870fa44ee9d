"""The inspection of a data set: every planted fault named in one run, statistics, copies across splits, the sheet."""

import shutil
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.data.inspection import sheet
from edge_deeplab.data.inspection.copies import NEAR_BITS
from edge_deeplab.data.inspection.inspect import InspectRequest, inspect
from edge_deeplab.data.inspection.layout import find_data
from edge_deeplab.data.inspection.summary import DataSummary
from edge_deeplab.errors import ConfigError, DataError, OutputError
from tests.conftest import DATASET_TOML
from tests.data.png_files import write_bomb
from tests.data.test_standard_layouts import write_cityscapes, write_voc
from tests.progress import Heard

SIZE_HW = (48, 64)


def scene(seed: int) -> Image.Image:
    """Return a picture of some shapes, unlike that of any other seed."""
    rng, picture = np.random.default_rng(seed), Image.new("RGB", SIZE_HW[::-1], (90, 90, 90))
    pen = ImageDraw.Draw(picture)
    for _ in range(6):
        x, y = (int(rng.integers(0, side)) for side in SIZE_HW[::-1])
        width, height = (int(v) for v in rng.integers(8, 30, 2))
        color = tuple(int(v) for v in rng.integers(0, 255, 3))
        pen.rectangle((x, y, x + width, y + height), fill=color)
    return picture


def write_pair(root: Path, split: str, stem: str, picture: Image.Image) -> None:
    for kind in ("images", "masks"):
        (root / split / kind).mkdir(parents=True, exist_ok=True)
    picture.save(root / split / "images" / f"{stem}.png")
    ids = np.zeros(SIZE_HW, np.uint8)
    ids[:, SIZE_HW[1] // 2 :] = 1
    Image.fromarray(ids).save(root / split / "masks" / f"{stem}.png")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Three splits of four pairs each with nothing wrong."""
    root = tmp_path / "good"
    for number, split in enumerate(("train", "val", "test")):
        for index in range(4):
            write_pair(root, split, f"{split}{index}", scene(100 * number + index))
    (root / "dataset.toml").write_text(DATASET_TOML)
    return root


def named(summary: DataSummary, path: Path, words: str) -> bool:
    return any(p.path == path and words in p.problem for p in summary.problems)


def test_inspection_of_a_good_set_finds_nothing_and_counts(good: Path) -> None:
    mask = np.full(SIZE_HW, 9, np.uint8)  # 9 is ignored
    mask[:12] = 1
    Image.fromarray(mask).save(good / "test" / "masks" / "test0.png")
    summary = inspect(InspectRequest(good))
    assert summary.problems == ()
    assert summary.passed
    assert list(summary.splits) == ["train", "val", "test"]
    assert summary.splits["train"].class_share == {"left": 0.5, "right": 0.5}
    assert summary.splits["train"].sizes == {SIZE_HW: 4}
    assert summary.splits["test"].images_with == {"left": 3, "right": 4}
    assert summary.splits["test"].ignored_share == pytest.approx(0.75 / 4)
    assert summary.splits["test"].class_share["left"] == pytest.approx(1.5 / 3.25)


def test_inspection_names_every_planted_fault_in_one_run(good: Path) -> None:
    images, masks = good / "train" / "images", good / "train" / "masks"
    for index in range(4, 16):
        write_pair(good, "train", f"train{index}", scene(500 + index))
    (images / "train4.png").write_bytes((images / "train4.png").read_bytes()[:200])
    (masks / "train5.png").unlink()
    (images / "train6.png").unlink()
    Image.new("L", (20, 10)).save(masks / "train7.png")
    Image.new("RGB", SIZE_HW[::-1]).save(masks / "train8.png")
    Image.fromarray(np.zeros(SIZE_HW, np.uint16)).save(masks / "train9.png")
    strange = np.zeros(SIZE_HW, np.uint8)
    strange[7, 11:14], strange[20, 3] = 200, 77
    Image.fromarray(strange).save(masks / "train10.png")
    write_bomb(images / "train11.png", 13300)
    outside = good.parent / "outside.png"
    (images / "train12.png").rename(outside)
    (images / "train12.png").symlink_to(outside)
    Image.open(images / "train13.png").save(images / "train13.jpg")
    (images / "notes.txt").write_text("not a picture")
    shutil.copy(masks / "train14.png", masks / "train14b.bmp")
    shutil.copy(images / "train15.png", images / "train15b.png")
    shutil.copy(masks / "train15.png", masks / "train15b.png")
    shutil.copy(images / "train0.png", good / "test" / "images" / "test1.png")
    scene(1).resize((32, 24)).save(good / "test" / "images" / "test2.png")
    Image.fromarray(np.zeros((24, 32), np.uint8)).save(good / "test" / "masks" / "test2.png")
    for mask in (good / "val" / "masks").iterdir():
        Image.fromarray(np.zeros(SIZE_HW, np.uint8)).save(mask)
    (good / "extra" / "images").mkdir(parents=True)
    (good / "dataset.toml").write_text(
        DATASET_TOML.replace("ignore_index", "splits = ['train', 'holdout']\nignore_index")
    )

    summary = inspect(InspectRequest(good, max_pixels=10_000))

    expected = {
        images / "train4.png": "cannot be read as an image",
        images / "train5.png": "has no mask",
        masks / "train6.png": "has no image",
        masks / "train7.png": "is 10x20 but its image train7.png is 48x64",
        masks / "train8.png": "has mode RGB",
        masks / "train9.png": "has mode I;16",
        masks
        / "train10.png": "77 in 1 pixels, the first at row 20, column 3; 200 in 3 pixels, the "
        "first at row 7, column 11; 0 to 1, 9 were expected",
        images / "train11.png": "too large",
        images / "train12.png": f"leads out of the data folder, to {outside}",
        images / "train13.png": "share the mask",
        images / "notes.txt": "is read by nothing",
        masks / "train14b.bmp": "is read by nothing",
        images / "train15b.png": "has the pixels of",
        good / "test" / "images" / "test1.png": "has the pixels of",
        good / "test" / "images" / "test2.png": "looks like",
        good / "val" / "images": "no mask of val holds a pixel of class 'right'",
        good / "extra": "holds no images",
        good / "holdout": "no split 'holdout'",
    }
    missed = [path for path, words in expected.items() if not named(summary, path, words)]
    assert missed == []
    assert {problem.path for problem in summary.problems} == expected.keys()
    assert not summary.passed
    assert [p.stops for p in summary.problems] == sorted(
        (p.stops for p in summary.problems), reverse=True
    )
    assert summary.splits["train"].images == 17
    assert summary.splits["train"].usable == 9


def test_inspection_names_every_fault_of_the_description_and_reads_on(good: Path) -> None:
    (good / "dataset.toml").write_text(
        "nam = 'x'\nignore_index = 300\n[[classes]]\nname = 'a'\ncolor = [1]\n[[classes]]\ncolor = [1, 2, 3]\n"
    )
    (good / "train" / "masks" / "train0.png").unlink()
    summary = inspect(InspectRequest(good))
    told = [p.problem for p in summary.problems if p.kind == "description"]
    for words in ("unknown key 'nam'", "name is missing", "color of class 'a'", "name of a class"):
        assert any(words in sentence for sentence in told), words
    assert named(summary, good / "train" / "images" / "train0.png", "has no mask")


def test_inspection_without_a_description_tells_the_ids_in_the_masks(good: Path) -> None:
    (good / "dataset.toml").unlink()
    summary = inspect(InspectRequest(good))
    assert [p.kind for p in summary.problems] == ["description"]
    assert summary.splits["train"].class_share == {"0": 0.5, "1": 0.5}


def test_inspection_of_missing_splits_warns_and_passes(good: Path) -> None:
    shutil.rmtree(good / "val")
    summary = inspect(InspectRequest(good))
    assert named(summary, good / "val", "there is no split 'val'")
    assert summary.passed


def test_frames_of_a_film_are_no_fault_within_a_split(good: Path) -> None:
    frames = [scene(7), scene(7).crop((1, 1, 63, 47)).resize(SIZE_HW[::-1])]
    for index, frame in enumerate(frames):
        write_pair(good, "train", f"frame{index}", frame)
    assert inspect(InspectRequest(good)).problems == ()
    write_pair(good, "test", "frame1", frames[1])
    (good / "train" / "images" / "frame1.png").unlink()
    (good / "train" / "masks" / "frame1.png").unlink()
    told = inspect(InspectRequest(good)).problems
    assert [p.kind for p in told] == ["near copy"]
    assert f"looks like {good / 'train' / 'images' / 'frame0.png'} (train)" in told[0].problem
    assert NEAR_BITS < 10, "CamVid's splits are 10 bits apart"


def test_flat_pictures_are_not_alike(good: Path) -> None:
    for split, level in (("train", 10), ("test", 240)):
        write_pair(good, split, "flat", Image.new("RGB", SIZE_HW[::-1], (level,) * 3))
    assert inspect(InspectRequest(good)).problems == ()


def test_folder_linked_from_elsewhere_is_told_once(good: Path) -> None:
    (good / "val").rename(good.parent / "val")
    (good / "val").symlink_to(good.parent / "val")
    told = [p for p in inspect(InspectRequest(good)).problems if p.kind == "link"]
    assert [p.path for p in told] == [good / "val" / "images", good / "val" / "masks"]


def test_inspection_of_voc_names_all_of_its_list_and_no_union(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "VOC2012", "train", ("a", "b"))
    write_voc(root, "val", ("c", "d"))
    write_voc(root, "trainval", ("a", "b", "c", "d"))
    for stem, seed in zip("abcd", range(4), strict=True):
        scene(seed).save(root / "JPEGImages" / f"{stem}.jpg")
        Image.new("L", SIZE_HW[::-1]).save(root / "SegmentationClass" / f"{stem}.png")
    lists = root / "ImageSets" / "Segmentation"
    (lists / "val.txt").write_text("c\nd\nd\n../up\nz\na\n")
    (root / "SegmentationClass" / "lone.png").write_bytes(b"")
    summary = inspect(InspectRequest(root))
    for words in ("names 'd' 2 times", "names '../up', which leads", "names 'z' but"):
        assert named(summary, lists / "val.txt", words), words
    assert named(summary, root / "SegmentationClass" / "lone.png", "has no image")
    copies = [p for p in summary.problems if p.kind in ("copy", "near copy")]
    assert [p.path.stem for p in copies] == ["a"]
    assert "stands in train too" in copies[0].problem


@pytest.mark.parametrize("union", [False, True])
def test_validation_pictures_that_are_trained_on_are_copies(tmp_path: Path, union: bool) -> None:
    root = write_voc(tmp_path / "VOC2012", "train", ("a", "b", "c", "d"))
    write_voc(root, "val", ("c", "d"))
    if union:
        write_voc(root, "trainval", ("a", "b", "c", "d"))
    for stem, seed in zip("abcd", range(4), strict=True):
        scene(seed).save(root / "JPEGImages" / f"{stem}.jpg")
    told = [p for p in inspect(InspectRequest(root)).problems if p.kind == "copy"]
    assert {p.path.stem for p in told} == {"c", "d"}
    assert all("stands in train too" in p.problem for p in told)


def test_inspection_of_cityscapes_says_that_test_has_no_labels(tmp_path: Path) -> None:
    root = write_cityscapes(tmp_path, "test")
    summary = inspect(InspectRequest(root))
    assert named(
        summary, root / "leftImg8bit" / "test", "no mask of test holds a pixel of any class"
    )
    (root / "leftImg8bit" / "test" / "ulm" / "ulm_000000_000019_leftImg8bit.png").unlink()
    lone = root / "gtFine" / "test" / "ulm" / "ulm_000000_000019_gtFine_labelIds.png"
    assert named(inspect(InspectRequest(root)), lone, "has no image")


def lay_flat(good: Path, images: str = "images", masks: str = "masks") -> None:
    """Move the training split's two folders to where splits would lie, and the other splits away."""
    for kind, name in (("images", images), ("masks", masks)):
        (good / "train" / kind).rename(good / name)
    for split in ("train", "val", "test"):
        shutil.rmtree(good / split)


@pytest.mark.parametrize(
    ("images", "masks"), [("images", "masks"), ("JPEGs", "annotations"), ("a", "b"), ("z", "y")]
)
def test_folder_without_splits_is_inspected_as_one(good: Path, images: str, masks: str) -> None:
    lay_flat(good, images, masks)
    Image.new("RGB", SIZE_HW[::-1]).save(good / images / "extra.png")
    summary = inspect(InspectRequest(good, good.parent / "sheet.png"))
    assert list(summary.splits) == ["all"]
    assert summary.splits["all"].images == 5
    assert summary.splits["all"].class_share == {"left": 0.5, "right": 0.5}
    assert [(p.kind, p.stops) for p in summary.problems] == [("split", True), ("pair", True)]
    assert f"{images} and {masks} lie in {good} in no split" in summary.problems[0].problem
    assert named(summary, good / images / "extra.png", "has no mask")
    assert (good.parent / "sheet.png").is_file()


def test_split_that_is_called_as_the_whole_is_one_of_others(good: Path) -> None:
    for split in ("val", "test"):
        shutil.rmtree(good / split)
    (good / "train").rename(good / "all")
    summary = inspect(InspectRequest(good))
    assert list(summary.splits) == ["all"]
    assert [p.path.name for p in summary.problems] == ["train", "val", "test"]


def test_pictures_in_no_split_beside_splits_are_told(good: Path) -> None:
    shutil.copytree(good / "train" / "images", good / "images")
    summary = inspect(InspectRequest(good))
    assert named(summary, good / "images", "4 pictures of")
    assert summary.passed


@pytest.mark.parametrize(
    ("images", "masks"), [("images", "masks"), ("img_dir", "ann_dir"), ("images", "labels")]
)
def test_splits_below_images_and_masks_are_told_with_what_to_move(
    images: str, masks: str, good: Path
) -> None:
    for kind, name in (("images", images), ("masks", masks)):
        for split in ("train", "val"):
            (good / name).mkdir(exist_ok=True)
            (good / split / kind).rename(good / name / split)
    for split in ("train", "val", "test"):
        shutil.rmtree(good / split)
    sentence = (
        f"move {images}/train to train/images and {masks}/train to train/masks"  # of val likewise
    )
    summary = inspect(InspectRequest(good))
    assert named(summary, good / images / "train", sentence)
    assert [(p.path.name, p.stops) for p in summary.problems] == [
        ("train", True),
        ("val", True),
        ("test", False),
    ]
    with pytest.raises(DataError, match=sentence):
        open_dataset(good, "train")


def test_folder_without_splits_and_description_tells_the_ids_in_the_masks(good: Path) -> None:
    lay_flat(good)
    (good / "dataset.toml").unlink()
    summary = inspect(InspectRequest(good))
    assert [p.kind for p in summary.problems] == ["description", "split"]
    assert summary.splits["all"].class_share == {"0": 0.5, "1": 0.5}


def test_folder_without_splits_says_to_who_reads_a_split_what_is_expected(good: Path) -> None:
    lay_flat(good)
    with pytest.raises(DataError, match=r"in no split; train/images and train/masks were expected"):
        open_dataset(good, "train")


def test_folders_of_pictures_that_are_no_pair_are_no_data_set(good: Path) -> None:
    lay_flat(good, "summer", "winter")
    (good / "dataset.toml").unlink()
    for path in (good / "winter").iterdir():
        Image.new("RGB", SIZE_HW[::-1]).save(path)
    with pytest.raises(DataError, match=r"has no dataset\.toml"):
        inspect(InspectRequest(good))


def test_folder_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, words in (
        (tmp_path, "has no dataset.toml"),
        (tmp_path / "absent", "does not exist"),
        (tmp_path / "file", "file is no folder; pass a folder that holds"),
    ):
        with pytest.raises(DataError, match=words):
            inspect(InspectRequest(path))


def test_folder_that_cannot_be_listed_hides_no_other_problem(
    good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, listed = good / "train" / "images", Path.iterdir

    def iterdir(self: Path) -> Iterator[Path]:
        if self == closed:
            raise PermissionError(13, "Permission denied", str(self))
        return listed(self)

    (good / "val" / "images" / "broken.png").write_bytes(b"no picture")
    monkeypatch.setattr(Path, "iterdir", iterdir)
    told = [problem.problem for problem in inspect(InspectRequest(good)).problems]
    assert any(f"{closed} cannot be listed (Permission denied)" in sentence for sentence in told)
    assert any("broken.png" in sentence for sentence in told)
    with pytest.raises(DataError, match="cannot be listed"):
        open_dataset(good, "train")


def test_several_processes_see_what_one_sees(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_deeplab.data.inspection.looking._PAIRS_FOR_A_PROCESS", 4)
    heard = Heard()
    assert inspect(InspectRequest(good, workers=2), heard) == inspect(InspectRequest(good))
    assert heard.advanced["reading images and masks"] == 12


def test_sheet_shows_every_split_in_the_classes_colours(good: Path) -> None:
    path = good.parent / "sheet.png"
    summary = inspect(InspectRequest(good, path))
    assert summary.sheet == path
    colours = {color for _, color in Image.open(path).getcolors(1 << 20) or []}
    assert {(255, 0, 0), (0, 255, 0)} <= colours, "the legend"
    assert sorted(path.name for path in good.parent.iterdir()) == ["good", "sheet.png"]
    with pytest.raises(ConfigError, match=r"an ending of \.png"):
        InspectRequest(good, good.parent / "sheet.gif")


def test_large_picture_is_shrunk_before_it_is_drawn(good: Path) -> None:
    pixels = 1200 * 1600
    write_pair(good, "val", "large", scene(5).resize((1600, 1200)))
    Image.new("L", (1600, 1200), 1).save(good / "val" / "masks" / "large.png")
    found = find_data(good)
    split = next(each for each in found.splits if each.name == "val")
    paths = [good / "val" / kind / "large.png" for kind in ("images", "masks")]
    tracemalloc.start()
    tile = sheet._draw_tile(split, *paths, pixels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert tile.size == (320, 240 + 20)
    assert peak < 12 * pixels, "48 bytes a pixel are those of a blend at full size"


def test_near_copies_need_imagehash_and_say_so(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagehash", None)
    summary = inspect(InspectRequest(good))
    assert "pip install 'edge-deeplab[data]'" in summary.not_looked_for[0]
    assert summary.passed


def test_camvid_has_no_problem(camvid: Path) -> None:
    summary = inspect(InspectRequest(camvid))
    assert summary.problems == ()
    assert {name: split.images for name, split in summary.splits.items()} == {
        "train": 367,
        "val": 101,
        "test": 233,
    }
    assert summary.splits["train"].class_share["road"] == pytest.approx(0.3296, abs=1e-4)


def test_sheet_is_never_written_into_the_data(good: Path) -> None:
    photograph = next((good / "train" / "images").iterdir())
    before = photograph.read_bytes()
    for place in (photograph.with_suffix(".png"), good / "sheet.png"):
        with pytest.raises(OutputError, match="would be written into the data"):
            InspectRequest(good, place)
    assert photograph.read_bytes() == before
