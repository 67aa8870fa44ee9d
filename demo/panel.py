"""The column beside the picture: frame rate, inference time, and a legend of the classes in view.

It stands beside the picture and not over it, so it hides none of the class map and reads the same whatever the
camera sees.
Pillow's own typeface is used: there are no font files to find on a small board.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from edge_deeplab.data.images import ImageHWC, MaskIds
from edge_deeplab.description import ClassInfo
from edge_deeplab.text import printable

_BACKGROUND = (17, 20, 26)
_LETTERS = (255, 255, 255)
_FAINT = (165, 174, 186)
_RIM = (225, 229, 235)  # keeps the swatches of dark classes apart from the background

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class LegendRow:
    """One line of the legend.

    Args:
        label: the class name, or "+ 3 more" for those that do not fit.
        color: (R, G, B), 0 to 255; None for no swatch.
        share: the part of the picture that the class covers, for example "34%".
    """

    label: str
    color: tuple[int, int, int] | None
    share: str


class Panel:
    """Draws the panel for one artifact.

    Args:
        classes: the artifact's classes in id order.
        caption: what runs, for example "tflite fp32, 368x480".

    Names and caption come from a file and are drawn on one line each, whatever they hold.
    """

    def __init__(self, classes: Sequence[ClassInfo], caption: str) -> None:
        self._classes = tuple(ClassInfo(printable(c.name), c.color) for c in classes)
        self._caption = printable(caption)
        self._width_at = lru_cache(maxsize=8)(self._measure_width)

    def beside(
        self,
        picture_hwc: ImageHWC,
        mask_ids: MaskIds,
        *,
        fps: float,
        inference_ms: float,
        smoothing_ms: float | None = None,
    ) -> ImageHWC:
        """Return the picture with the panel at its right.

        Args:
            picture_hwc: (H, W, 3) uint8 RGB.
            mask_ids: (h, w) uint8 class ids, of any size.
            fps: frames a second, end to end.
            inference_ms: time of one inference.
            smoothing_ms: what smoothing it over time took; None where it is not.

        Returns:
            (H, W + panel, 3) uint8 RGB; the panel's width depends on H and the artifact alone, so it is the same for
            every frame of a video.
        """
        rows = legend_rows(np.bincount(mask_ids.ravel(), minlength=256), self._classes)
        text = text_height_for(picture_hwc.shape[0])
        panel = Image.new("RGB", (self._width_at(text), picture_hwc.shape[0]), _BACKGROUND)
        smoothed = () if smoothing_ms is None else (f"smoothing {smoothing_ms:.1f} ms",)
        details = (f"inference {inference_ms:.1f} ms", *smoothed, self._caption)
        top = _draw_status(ImageDraw.Draw(panel), f"{fps:.1f} fps", details, text)
        _paste_legend(panel, rows, top, text)
        return np.hstack([picture_hwc, np.asarray(panel)])

    def _measure_width(self, text: int) -> int:
        names = [c.name for c in self._classes] + ["+ 99 more"]
        longest = max(_font(text).getlength(name) for name in names)
        row = _label_left(text) + longest + text + _font(text).getlength("100%")
        details = ("inference 8888.8 ms", self._caption)
        head = text + max(_font(_detail_height(text)).getlength(detail) for detail in details)
        return round(max(row, head) + text)


def legend_rows(
    counts: npt.NDArray[np.intp], classes: Sequence[ClassInfo]
) -> tuple[LegendRow, ...]:
    """Return a row for each class that has a pixel, the largest area first.

    Args:
        counts: (256,) pixels per class id.
        classes: the classes in id order; an id beyond them is called "class N" and is black.
    """
    present = np.flatnonzero(counts)
    largest_first = present[np.argsort(-counts[present], kind="stable")]
    total = int(counts.sum())
    return tuple(_row(int(i), int(counts[i]) / total, classes) for i in largest_first)


def _row(class_id: int, share: float, classes: Sequence[ClassInfo]) -> LegendRow:
    known = class_id < len(classes)
    info = classes[class_id] if known else ClassInfo(f"class {class_id}", (0, 0, 0))
    return LegendRow(info.name, info.color, f"{share:.0%}" if share >= 0.01 else "<1%")


def fit_rows(rows: Sequence[LegendRow], room: int) -> Sequence[LegendRow]:
    """Return at most `room` rows; where that leaves some out, the last one counts them."""
    if len(rows) <= room:
        return rows
    return (*rows[: room - 1], LegendRow(f"+ {len(rows) - room + 1} more", None, ""))


def text_height_for(picture_height: int) -> int:
    """Return the letter height in pixels that suits a picture: readable when small, not clumsy when large."""
    return min(32, max(10, round(picture_height / 30)))


def _draw_status(
    draw: ImageDraw.ImageDraw, headline: str, details: Sequence[str], text: int
) -> int:
    """Draw headline and details; return the y coordinate where the legend starts."""
    large, small = round(1.6 * text), _detail_height(text)
    top = text // 2
    draw.text((text, top + large // 2), headline, fill=_LETTERS, font=_font(large), anchor="lm")
    top += round(1.25 * large)
    for detail in details:
        draw.text((text, top + small // 2), detail, fill=_FAINT, font=_font(small), anchor="lm")
        top += round(1.35 * small)
    return top + text // 2


def _paste_legend(panel: Image.Image, rows: Sequence[LegendRow], top: int, text: int) -> None:
    line = round(1.45 * text)
    room = max(1, (panel.height - top - text // 2) // line)
    for index, row in enumerate(fit_rows(rows, room)):
        panel.paste(_draw_row(row, (panel.width, line), text), (0, top + line * index))


@lru_cache(maxsize=1024)
def _draw_row(row: LegendRow, size: tuple[int, int], text: int) -> Image.Image:
    """Return a row as a strip of (width, height); lettering is dear, and most rows stay from frame to frame."""
    width, middle = size[0], size[1] // 2
    strip = Image.new("RGB", size, _BACKGROUND)
    draw = ImageDraw.Draw(strip)
    if row.color is not None:
        box = (text, middle - text // 2, 2 * text - 1, middle - text // 2 + text - 1)
        draw.rounded_rectangle(box, max(1, text // 6), fill=row.color, outline=_RIM)
    left = _label_left(text) if row.color is not None else text
    draw.text((left, middle), row.label, fill=_LETTERS, font=_font(text), anchor="lm")
    draw.text((width - text, middle), row.share, fill=_FAINT, font=_font(text), anchor="rm")
    return strip


@lru_cache(maxsize=16)
def _font(text: int) -> Font:
    return ImageFont.load_default(text)


def _label_left(text: int) -> int:
    return round(2.5 * text)


def _detail_height(text: int) -> int:
    return round(0.85 * text)
