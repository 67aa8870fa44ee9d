"""Image files: the one way by which photographs and masks become arrays, in data sets and in the demo.

The idea to hold: a file is read as its camera was held (EXIF orientation), in 8 bits, and only after its header has
said that it is no larger than allowed: a few kilobytes can stand for gigabytes of pixels.
"""

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps

from edge_deeplab.data.pixel_limit import MAX_PIXELS, check_pixels, too_large
from edge_deeplab.errors import DataError
from edge_deeplab.files import regular
from edge_deeplab.text import first_line

ImageHWC = npt.NDArray[np.uint8]
MaskIds = npt.NDArray[np.uint8]

IMAGE_ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_IMAGE_FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
"""What these endings stand for. Pillow would go by the content and also hand PostScript to an interpreter."""

_EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
_SIXTEEN_BIT_MODES = ("I;16", "I;16B", "I;16L", "I;16N")
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262
"""Tags of TIFF 6.0; photometric interpretation 1 says that 0 is black."""
_ORIENTATION, _ON_ITS_SIDE = 274, (5, 6, 7, 8)
"""The tag of EXIF, and its values of pictures that are stored lying on a side."""
_LABEL_STEPS = {"L;2": 85, "L;4": 17}
"""By how much Pillow spreads the samples of grey PNGs of fewer than 8 bits, which in a mask are the labels."""

_EXPECTED = "a single-channel 8-bit PNG of class indices was expected"
_SIXTEEN = f" (16 bits a pixel); {_EXPECTED}; write the same values, 0 to 255, in 8 bits"
_ALPHA = f" (a second channel of transparency); {_EXPECTED}; leave that channel out"
_COLOURS = f" (colours); {_EXPECTED}; convert colours to indices first"
_ABOUT_MODE = {"I": _SIXTEEN, "I;16": _SIXTEEN, "I;16B": _SIXTEEN, "LA": _ALPHA, "PA": _ALPHA}
"""What is said of a mask's mode, by Pillow's name of it; the others are colours."""

_PILLOW_LIMIT = threading.RLock()


def pictures_in(folder: Path) -> list[Path]:
    """Return the image files of a folder, sorted by name, which may be none.

    Raises:
        DataError: when it cannot be listed.
    """
    try:
        return sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_ENDINGS)
    except OSError as error:
        raise DataError(
            f"folder {folder} cannot be listed ({error.strerror}); check its permissions"
        ) from error


def images_in(folder: Path) -> list[Path]:
    """Return the image files of a folder, sorted by name.

    Raises:
        DataError: when it holds none or cannot be listed.
    """
    paths = pictures_in(folder)
    if not paths:
        raise DataError(
            f"folder {folder} holds no images; files ending in {', '.join(IMAGE_ENDINGS)} were expected; "
            "pass another folder"
        )
    return paths


def read_image(path: Path, *, max_pixels: int = MAX_PIXELS) -> ImageHWC:
    """Return an image file as (H, W, 3) uint8 RGB, turned as its camera was held (EXIF orientation).

    Of 16 bits a channel the upper 8 are kept; colours under transparent pixels stay; of several pictures in a file the
    first counts.

    Args:
        path: the file.
        max_pixels: a larger image is refused before it is decoded.

    Raises:
        DataError: when it is no readable image, has values of no known range, or is too large.
    """
    with _opened(path, _IMAGE_FORMATS, max_pixels) as file:
        is_sixteen_bit_grey = _is_sixteen_bit_grey(file)
        if not is_sixteen_bit_grey and file.mode not in _EIGHT_BIT_MODES:
            raise DataError(
                f"image {path} has mode {file.mode}; channels of 8 or 16 bits were expected, because what value is "
                "white is not known of others; convert it to 8 bits"
            )
        ImageOps.exif_transpose(file, in_place=True)
        if is_sixteen_bit_grey:
            grey = (np.asarray(file) >> 8).astype(np.uint8)  # (H, W)
            return np.repeat(grey[..., None], 3, axis=2)
        file.info.pop("transparency", None)  # of a palette; Pillow warns that RGB cannot hold it
        return np.asarray(file.convert("RGB"), np.uint8)


def read_size(path: Path) -> tuple[int, int]:
    """Return the height and width of an image, turned as its camera was held; only the file's header is read.

    Raises:
        DataError: when it is no image.
    """
    with _opened(path, _IMAGE_FORMATS, sys.maxsize // 2) as file:
        turned = file.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE
        return (file.width, file.height) if turned else (file.height, file.width)


def read_labels(path: Path, *, max_pixels: int = MAX_PIXELS) -> MaskIds:
    """Return the labels of a mask, (H, W) uint8: the samples as they are stored, or the indices of a palette's colours.

    It is turned by an EXIF orientation of its own, so a mask that was drawn on the upright picture has none.

    Args:
        path: a single-channel PNG of 1, 2, 4 or 8 bits.
        max_pixels: as for `read_image`.

    Raises:
        DataError: when it is none, or too large.
    """
    with _opened(path, ("PNG",), max_pixels) as file:
        if file.mode not in ("L", "P", "1"):
            raise DataError(
                f"mask {path} has mode {file.mode}{_ABOUT_MODE.get(file.mode, _COLOURS)}"
            )
        step = _LABEL_STEPS.get(str(file.tile[0].args), 1) if file.tile else 1
        ImageOps.exif_transpose(file, in_place=True)
        return np.asarray(file, np.uint8) // np.uint8(step)


def read_grey(path: Path, size_hw: tuple[int, int]) -> MaskIds:
    """Return the samples of an 8-bit grey PNG as they are stored, (H, W) uint8: a class map that a device made.

    Args:
        path: the file.
        size_hw: height and width that it must have; nothing else is decoded.

    Raises:
        DataError: when it is another kind of file, or of another size.
    """
    height, width = size_hw
    with _opened(path, ("PNG",), MAX_PIXELS) as file:
        step = _LABEL_STEPS.get(str(file.tile[0].args), 1) if file.tile else 1
        if file.mode != "L" or step != 1:
            found = "grey of fewer than 8 bits" if file.mode in ("L", "1") else f"mode {file.mode}"
            raise DataError(
                f"class map {path} is a PNG of {found}; 8-bit grey (mode L), each sample a class id, was expected; "
                "write the ids themselves, no colours of them"
            )
        if (file.height, file.width) != size_hw:
            raise DataError(
                f"class map {path} is {file.height}x{file.width}; {height}x{width} was expected, the model's size; "
                "write class maps as the model gives them, not resized"
            )
        return np.asarray(file, np.uint8)


def write_grey(path: Path, mask_ids: MaskIds) -> None:
    """Write a class map, (H, W) uint8, as an 8-bit grey PNG whose samples are the ids; an OSError where it cannot."""
    Image.fromarray(mask_ids).save(path, "PNG")


@contextmanager
def _opened(path: Path, formats: tuple[str, ...], max_pixels: int) -> Iterator[ImageFile.ImageFile]:
    """Open an image and, while the block lasts, turn whatever Pillow raises into a sentence with the path."""
    try:
        with _pillow_limited_to(max_pixels), Image.open(regular(path), formats=formats) as file:
            check_pixels(str(path), (file.height, file.width), max_pixels)
            yield file
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        found = first_line(error).partition(" exceeds")[0]  # "Image size (176890000 pixels)"
        raise too_large(str(path), found, max_pixels) from error
    except Exception as error:  # a decoder raises what its own layers raise
        raise DataError(
            f"{path} cannot be read as an image ({first_line(error)}); a complete image file "
            f"({', '.join(formats)}) was expected; copy it again or remove it"
        ) from error


@contextmanager
def _pillow_limited_to(max_pixels: int) -> Iterator[None]:
    """Give Pillow our limit while the block lasts.

    Its decoders check it before they allocate. It is a global of Pillow's, so one file is read at a time; Pillow only
    warns above it and refuses above twice of it.
    """
    with _PILLOW_LIMIT, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = (max_pixels + 1) // 2
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _is_sixteen_bit_grey(file: ImageFile.ImageFile) -> bool:
    """Whether values are 16-bit intensities: of a TIFF, which may hold 12 bits or negatives, as its tags say."""
    if file.mode not in _SIXTEEN_BIT_MODES:
        return False
    tags = getattr(file, "tag_v2", None)
    return tags is None or (tags.get(_BITS_PER_SAMPLE), tags.get(_PHOTOMETRIC)) == ((16,), 1)
