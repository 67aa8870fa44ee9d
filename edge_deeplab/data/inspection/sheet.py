"""A contact sheet: some pictures of each split, their masks drawn over, and what the colours mean."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edge_deeplab.data.images import ImageHWC, MaskIds, read_image, read_labels
from edge_deeplab.data.inspection.layout import FoundData, FoundSplit
from edge_deeplab.description import ClassInfo, voc_colour
from edge_deeplab.errors import ConfigError, OutputError
from edge_deeplab.files import check_writable, real_path, replace_when_complete
from edge_deeplab.text import printable

_COLUMNS, _ROWS_A_SPLIT = 4, 2
_WIDTH = 320
"""Pixels of a picture on the sheet, mask and all; its height follows."""
_HIGHEST = 480
_GAP, _LINE = 8, 20
_OPACITY = 0.55
_BACKGROUND, _INK = (250, 250, 250), (20, 20, 20)
_LONGEST_NAME = 40


def check_sheet(path: Path, data: Path) -> None:
    """Check that a sheet can be written to a place.

    Args:
        path: the place.
        data: the data folder, in which every file is the data's.

    Raises:
        ConfigError: when it is no PNG.
        OutputError: when nothing can be written there, or it lies within the data.
    """
    if path.suffix.lower() != ".png":
        raise ConfigError(f"contact sheet {path} came; an ending of .png was expected; rename it")
    check_writable(path, "file")
    if real_path(path).is_relative_to(real_path(data)):
        raise OutputError(
            f"contact sheet {path} would be written into the data {data}; a place outside was expected; name another"
        )


def write_sheet(
    path: Path, found: FoundData, images: Mapping[str, Sequence[Path]], max_pixels: int
) -> None:
    """Draw some pictures of each split and write them.

    Args:
        path: the PNG.
        found: the data set.
        images: by split, those that can be shown.
        max_pixels: as they are read with.

    Raises:
        OutputError: when it cannot be written; what was there stays.
    """
    strips = [_draw_legend(found)]
    for split in found.splits:
        shown = _spread(images[split.name], _COLUMNS * _ROWS_A_SPLIT)
        strips.append(_draw_title(f"{split.name}: {len(split.files.pairs)} images"))
        masks = dict(split.pairs())
        tiles = [
            _draw_tile(split, image, mask, max_pixels)
            for image in shown
            if (mask := masks[image]) is not None
        ]
        strips += [
            _beside(tiles[start : start + _COLUMNS]) for start in range(0, len(tiles), _COLUMNS)
        ]
    width = max(strip.width for strip in strips) + 2 * _GAP
    height = sum(strip.height + _GAP for strip in strips) + _GAP
    sheet, top = Image.new("RGB", (width, height), _BACKGROUND), _GAP
    for strip in strips:
        sheet.paste(strip, (_GAP, top))
        top += strip.height + _GAP
    with replace_when_complete(path) as temporary:
        sheet.save(temporary, "PNG")


def _spread(images: Sequence[Path], count: int) -> list[Path]:
    """Return so many images, from the first to the last."""
    if len(images) <= count:
        return list(images)
    return [images[round(i * (len(images) - 1) / (count - 1))] for i in range(count)]


def _draw_tile(split: FoundSplit, image: Path, mask: Path, max_pixels: int) -> Image.Image:
    """Return a picture with its mask over it, and its name below; both are shrunk before they are drawn."""
    picture = Image.fromarray(read_image(image, max_pixels=max_pixels))
    scale = min(_WIDTH / picture.width, _HIGHEST / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    picture = picture.resize(size, Image.Resampling.BOX)
    labels = Image.fromarray(read_labels(mask, max_pixels=max_pixels))
    ids, classes = np.asarray(labels.resize(size, Image.Resampling.NEAREST)), split.files.classes
    if classes:
        ids = split.files.class_lookup()[ids].astype(np.uint8)
    drawn = Image.fromarray(_draw_over(np.asarray(picture), ids, classes))
    tile = Image.new("RGB", (_WIDTH, drawn.height + _LINE), _BACKGROUND)
    tile.paste(drawn, (0, 0))
    _write(tile, (0, drawn.height + 2), printable(image.name)[:_LONGEST_NAME])
    return tile


def _draw_over(picture: ImageHWC, ids: MaskIds, classes: Sequence[ClassInfo]) -> ImageHWC:
    """Return (H, W, 3) uint8: a picture with its classes' colours over it; what is of none stays grey."""
    colours = np.zeros((256, 3), np.float32)
    told = [each.color for each in classes] or [voc_colour(label) for label in range(256)]
    colours[: len(told)] = told
    over = colours[ids]
    mixed = _OPACITY * over + (1 - _OPACITY) * picture
    of_none = ids >= len(told)
    grey = picture[of_none].mean(-1, keepdims=True) * (1 - _OPACITY)
    mixed[of_none] = grey
    return mixed.astype(np.uint8)


def _draw_legend(found: FoundData) -> Image.Image:
    classes = next((split.files.classes for split in found.splits if split.files.classes), ())
    width = _COLUMNS * (_WIDTH + _GAP) - _GAP
    entries, left, line = [], 0, 0
    for each in classes:
        name = printable(each.name)[:_LONGEST_NAME]
        length = _LINE + round(_font().getlength(name)) + 2 * _GAP
        if left and left + length > width:
            left, line = 0, line + 1
        entries.append((left, line * (_LINE + 4), each.color, name))
        left += length
    strip = Image.new("RGB", (width, (line + 1) * (_LINE + 4)), _BACKGROUND)
    pen = ImageDraw.Draw(strip)
    for x, y, color, name in entries:
        pen.rectangle((x, y + 2, x + _LINE - 6, y + _LINE - 4), fill=color, outline=_INK)
        _write(strip, (x + _LINE, y), name)
    return strip


def _draw_title(text: str) -> Image.Image:
    strip = Image.new("RGB", (_COLUMNS * (_WIDTH + _GAP) - _GAP, _LINE + 4), _BACKGROUND)
    _write(strip, (0, 2), printable(text))
    return strip


def _beside(tiles: Sequence[Image.Image]) -> Image.Image:
    height = max(tile.height for tile in tiles)
    strip = Image.new("RGB", (_COLUMNS * (_WIDTH + _GAP) - _GAP, height), _BACKGROUND)
    for index, tile in enumerate(tiles):
        strip.paste(tile, (index * (_WIDTH + _GAP), 0))
    return strip


def _write(picture: Image.Image, place: tuple[int, int], text: str) -> None:
    ImageDraw.Draw(picture).text(place, text, fill=_INK, font=_font())


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(14)
