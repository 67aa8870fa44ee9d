"""The reader of image files: bits, orientation, modes, size, and the sentence for each that cannot be read."""

import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.data.images import read_image, read_labels
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.demo.sources import open_source
from edge_deeplab.errors import DataError
from tests.data.png_files import write_bomb, write_png

ORIENTATION = 0x0112


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_image_of_sixteen_bit_grey_keeps_its_upper_bits(tmp_path: Path, ending: str) -> None:
    values = np.array([[0, 255, 256], [0x80FF, 0xFF00, 0xFFFF]], np.uint16)
    path = tmp_path / f"a.{ending}"
    Image.fromarray(values).save(path)
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image[..., 0].tolist() == [[0, 0, 1], [0x80, 0xFF, 0xFF]]
    assert (image == image[..., :1]).all()


def test_image_of_sixteen_bit_colours_keeps_its_upper_bits(tmp_path: Path) -> None:
    values = np.array([[[256, 0xFFFF, 255], [0x1280, 0x80FF, 1]]])
    assert read_image(write_png(tmp_path / "a.png", values, 16, colour=2)).tolist() == [
        [[1, 255, 0], [0x12, 0x80, 0]]
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_image_of_unknown_range_is_refused(tmp_path: Path, dtype: type) -> None:
    Image.fromarray(np.zeros((2, 3), dtype)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"a\.tif has mode [FI]; channels of 8 or 16 bits"):
        read_image(tmp_path / "a.tif")


def test_image_of_twelve_bits_is_refused_since_it_would_be_dark(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(np.zeros((2, 2), np.uint16)).save(path)
    content = path.read_bytes()
    entry = struct.pack("<HHII", 258, 3, 1, 16)  # BitsPerSample, SHORT
    assert entry in content
    path.write_bytes(content.replace(entry, struct.pack("<HHII", 258, 3, 1, 12)))
    with pytest.raises(DataError, match=r"a\.tif has mode I;16"):
        read_image(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_image_with_orientation_is_upright_in_data_set_and_demo(
    tmp_path: Path, make_dataset: Callable[..., Path], orientation: int, ending: str
) -> None:
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :24] = 255
    stored = {  # how the camera's sensor saw it, by EXIF 2.3, 4.6.4 A
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    root = make_dataset(count=1, size_hw=(32, 48))
    (root / "train" / "images" / "0.png").unlink()
    path = root / "train" / "images" / f"0.{ending}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=turned(orientation))
    image = open_dataset(root, "train")[0].image_hwc
    assert np.abs(image.astype(int) - upright).mean() < 4  # JPEG and WebP lose a little
    (frame,) = open_source(str(path))
    np.testing.assert_array_equal(frame.image_hwc, image)


def test_mask_with_its_images_orientation_is_turned_with_it(
    make_dataset: Callable[..., Path],
) -> None:
    root = make_dataset(count=1, size_hw=(32, 48))
    before = open_dataset(root, "train")[0]
    for kind in ("images", "masks"):
        path = root / "train" / kind / "0.png"
        Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path, exif=turned(6))
    after = open_dataset(root, "train")[0]
    np.testing.assert_array_equal(after.image_hwc, before.image_hwc)
    np.testing.assert_array_equal(after.mask_ids, before.mask_ids)


def test_mask_of_the_stored_orientation_is_refused_with_the_reason(
    make_dataset: Callable[..., Path],
) -> None:
    root = make_dataset(count=1, size_hw=(32, 48))
    path = root / "train" / "images" / "0.png"
    Image.open(path).save(path, exif=turned(6))
    with pytest.raises(
        DataError, match=r"is 32x48 but its image 0\.png is 48x32.*EXIF orientation"
    ):
        open_dataset(root, "train")[0]


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_mask_of_few_bits_holds_the_labels_that_are_stored(tmp_path: Path, depth: int) -> None:
    labels = np.arange(6).reshape(2, 3) % 2**depth
    assert read_labels(write_png(tmp_path / "a.png", labels, depth)).tolist() == labels.tolist()


def test_mask_of_a_palette_of_few_bits_holds_the_indices(tmp_path: Path) -> None:
    mask = Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8), "L").convert("P")
    mask.putdata([0, 1, 2, 3])
    mask.save(tmp_path / "a.png", bits=2)
    assert read_labels(tmp_path / "a.png").tolist() == [[0, 1, 2, 3]]


def test_mask_that_is_no_png_is_refused(tmp_path: Path) -> None:
    Image.new("L", (3, 2)).save(tmp_path / "a.png", "JPEG")  # lossy: labels would be others
    with pytest.raises(DataError, match=r"a\.png cannot be read as an image.*\(PNG\) was expected"):
        read_labels(tmp_path / "a.png")


def test_image_of_a_transparent_palette_keeps_its_colours_without_a_warning(tmp_path: Path) -> None:
    image = Image.new("P", (2, 2))
    image.putpalette([10, 20, 30])
    image.save(tmp_path / "a.png", transparency=b"\x00\x80")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(tmp_path / "a.png")[0, 0].tolist() == [10, 20, 30]


def test_image_under_transparent_pixels_keeps_its_colours(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (10, 20, 30, 0)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0, 0].tolist() == [10, 20, 30]


def test_image_for_print_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (2, 2), (255, 0, 0, 0)).save(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg")[0, 0].tolist() == [0, 255, 255]


@pytest.mark.parametrize("ending", ["png", "webp", "tif"])
def test_image_with_several_pictures_is_its_first(tmp_path: Path, ending: str) -> None:
    first, second = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 255, 0))
    path = tmp_path / f"a.{ending}"
    first.save(path, save_all=True, append_images=[second], lossless=True)
    assert read_image(path)[0, 0].tolist() == [255, 0, 0]


def test_image_of_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
    with pytest.raises(DataError, match=r"a\.png cannot be read as an image"):
        read_image(path)


@pytest.mark.parametrize("side", [8001, 13300, 20000])
@pytest.mark.parametrize("reader", [read_image, read_labels])
def test_image_above_the_limit_is_refused_before_it_is_decoded(
    tmp_path: Path, side: int, reader: Callable[..., npt.NDArray[np.uint8]]
) -> None:
    path = write_bomb(tmp_path / "bomb.png", side)
    assert path.stat().st_size < 100_000
    with pytest.raises(
        DataError, match=rf"bomb\.png is too large: .*{side**2}.*at most {MAX_PIXELS}"
    ):
        reader(path)


@pytest.mark.parametrize("ending", ["png", "webp", "tif", "jpg", "bmp"])
def test_image_limit_counts_pixels_of_every_format(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    Image.new("RGB", (40, 30)).save(path)
    assert read_image(path, max_pixels=1200).shape == (30, 40, 3)
    with pytest.raises(DataError, match=r"is too large: .*at most 1198 pixels.*max_pixels"):
        read_image(path, max_pixels=1198)


def test_image_limit_can_be_lifted_above_pillows_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.tif")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_image(tmp_path / "a.tif").shape == (30, 40, 3)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_image_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.png cannot be read as an image"):
        read_image(tmp_path / "none.png")


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (np.zeros((2, 3), np.uint16), "16 bits a pixel.* write the same values, 0 to 255, in 8"),
        (
            np.zeros((2, 3, 2), np.uint8),
            "a second channel of transparency.* leave that channel out",
        ),
        (np.zeros((2, 3, 3), np.uint8), "colours.* convert colours to indices first"),
    ],
)
def test_mask_of_another_mode_is_refused_with_what_it_holds(
    mask: npt.NDArray[np.uint8], sentence: str, tmp_path: Path
) -> None:
    Image.fromarray(mask).save(tmp_path / "mask.png")
    with pytest.raises(DataError, match=rf"has mode .*{sentence}"):
        read_labels(tmp_path / "mask.png")
