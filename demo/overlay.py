"""A class map drawn over its picture: the artifact's own colours, and crisp boundaries.

Everything works on whole arrays: the palette is a lookup table that already carries the opacity, so colouring and
blending are one lookup, one multiplication and one addition a pixel, and drawing stays far below an inference's time.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_deeplab.data.images import ImageHWC, MaskIds
from edge_deeplab.data.transforms import resize_ids
from edge_deeplab.description import MOST_CLASSES, ClassInfo
from edge_deeplab.errors import ConfigError

_ONE = 256  # opacity in fixed point
_LINE_TOWARDS_WHITE = 0.55


class Overlay:
    """Draws class maps of one artifact.

    Args:
        classes: the artifact's classes in id order, with their colours.
        opacity: how much of the class colour covers the picture, 0 to 1.

    Raises:
        ConfigError: when the opacity is not 0 to 1, or classes cannot be drawn.
    """

    def __init__(self, classes: Sequence[ClassInfo], *, opacity: float = 0.5) -> None:
        if not 0 <= opacity <= 1:
            raise ConfigError(f"opacity {opacity} is not from 0 (picture only) to 1 (classes only)")
        palette = palette_table(classes)
        weight = round(opacity * _ONE)
        self._share_of_picture = np.uint16(_ONE - weight)
        self._weighted_palette = palette.astype(np.uint16) * weight + _ONE // 2  # rounds the shift
        self._line_palette = (palette + _LINE_TOWARDS_WHITE * (255.0 - palette)).astype(np.uint8)

    def draw(self, image_hwc: ImageHWC, mask_ids: MaskIds) -> ImageHWC:
        """Return the picture with its class map over it; the inputs are not changed.

        Args:
            image_hwc: (H, W, 3) uint8 RGB.
            mask_ids: (h, w) uint8 class ids; another size than the picture's is enlarged by nearest neighbour.

        Returns:
            (H, W, 3) uint8 RGB.
        """
        ids = resize_ids(mask_ids, image_hwc.shape[:2])
        blended = self._blend(image_hwc, ids)
        self._draw_boundaries(blended, ids)
        return blended

    def _blend(self, image_hwc: ImageHWC, ids: MaskIds) -> ImageHWC:
        mixed = np.multiply(image_hwc, self._share_of_picture, dtype=np.uint16)
        mixed += self._weighted_palette.take(ids, axis=0)
        mixed >>= 8
        return mixed.astype(np.uint8)

    def _draw_boundaries(self, picture: ImageHWC, ids: MaskIds) -> None:
        """Trace class boundaries in place, in a light tone of the class inside them."""
        lines = boundaries(ids, thickness=line_thickness(ids.shape[0]))
        picture[lines] = self._line_palette[ids[lines]]


def palette_table(classes: Sequence[ClassInfo]) -> npt.NDArray[np.uint8]:
    """Return (256, 3) uint8 RGB by class id; ids that no class has are black.

    Raises:
        ConfigError: when there are no classes, more than ids, or one of another colour than three bytes.
    """
    colours = [list(c.color) for c in classes]
    three_bytes = all(len(c) == 3 and all(0 <= v <= 255 for v in c) for c in colours)
    if not three_bytes or not 0 < len(colours) <= MOST_CLASSES:
        raise ConfigError(
            f"{len(colours)} classes came to be drawn; 1 to {MOST_CLASSES} with three numbers from 0 to 255 as colour "
            "were expected; mend the file's self-description"
        )
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours)] = colours
    return table


def line_thickness(height: int) -> int:
    """Return the boundary thickness in pixels for a picture of that height: 1 up to 540, then 2, 3..."""
    return max(1, round(height / 540))


def boundaries(ids: MaskIds, *, thickness: int = 1) -> npt.NDArray[np.bool_]:
    """Return where a pixel's class differs from the one `thickness` pixels (or fewer) above or to the left.

    Args:
        ids: (H, W) uint8 class ids.
        thickness: width of the lines in pixels.

    Returns:
        (H, W) bool.
    """
    lines = np.zeros(ids.shape, bool)
    for step in range(1, thickness + 1):
        lines[:, step:] |= ids[:, step:] != ids[:, :-step]
        lines[step:] |= ids[step:] != ids[:-step]
    return lines
