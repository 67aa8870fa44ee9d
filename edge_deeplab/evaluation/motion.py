"""Sequences whose true motion is known: a crop moved over a photograph by whole pixels, as a camera would see it.

A photograph is enlarged and a crop of the model's size stands still on it for `STILL` frames, then moves by one shift
a frame to the last of `FRAMES`. Each frame has its own exposure and noise, so frames differ where nothing moved too:

- the photograph is stretched to `GROWTH` times the model's size, as `evaluate` stretches it to the model's size itself;
- a shift is up to two steps to a side, each 1/160 of the width, and up to one step up or down, 1/160 of the height, at
  least a pixel; which one, and where the crop begins, follows from the seed and the photograph's number;
- exposure swings by `SWING_STOPS` up and down once a sequence, and jumps by `JITTER_STOPS` (a standard deviation) from
  frame to frame; a stop doubles the light, and a picture's values grow by 2 ** (1 / 2.2);
- noise is normal with the variance READ_NOISE ** 2 + SHOT_NOISE * value, of values 0 to 255: 2.7 in mid-grey.

Because shifts are whole pixels, undoing the motion resamples nothing: what stays visible is compared pixel by pixel.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt

from edge_deeplab.data.images import ImageHWC, MaskIds
from edge_deeplab.data.transforms import resize_ids, resize_image
from edge_deeplab.evaluation.metrics import Ids
from edge_deeplab.formats.sizes import Size

FRAMES = 12
STILL = 6
"""Frames before the crop moves; the first of a sequence among them."""
GROWTH = 1.1
SWING_STOPS, JITTER_STOPS = 0.15, 0.03
READ_NOISE, SHOT_NOISE = 1.5, 0.04
SEED = 0

_STEP = 1 / 160
_GAMMA = 2.2

Shift = tuple[int, int]
"""Pixels that the crop moved down and to the right since the frame before."""


@dataclass(frozen=True)
class MovedFrame:
    """One frame of a sequence.

    Args:
        image_hwc: (H, W, 3) uint8 RGB of the model's size.
        mask_ids: (H, W) uint8 labels, moved with it; None of a photograph without labels.
        shift: since the frame before; (0, 0) of the first.
        moving: whether it is of the moving stretch.
    """

    image_hwc: ImageHWC
    mask_ids: MaskIds | None
    shift: Shift
    moving: bool


def moved_frames(
    image_hwc: ImageHWC, mask_ids: MaskIds | None, size_hw: Size, index: int
) -> Iterator[MovedFrame]:
    """Give the frames of a photograph's sequence, in order.

    Args:
        image_hwc: (H, W, 3) uint8 RGB of any size.
        mask_ids: (H, W) uint8 labels of it, or None.
        size_hw: height and width of the frames.
        index: the photograph's number, which its motion, noise and exposure follow from.
    """
    rng = np.random.default_rng([SEED, index])
    shift, exposures = _draw_shift(size_hw, rng), _draw_exposures(rng)
    room = _room(size_hw)
    canvas_hw = (size_hw[0] + room[0], size_hw[1] + room[1])
    canvas = resize_image(image_hwc, canvas_hw)
    labels = None if mask_ids is None else resize_ids(mask_ids, canvas_hw)
    begin = [_begin(free, step, rng) for free, step in zip(room, shift, strict=True)]
    for number in range(FRAMES):
        moves = max(0, number - STILL + 1)
        top, left = (b + moves * step for b, step in zip(begin, shift, strict=True))
        window = slice(top, top + size_hw[0]), slice(left, left + size_hw[1])
        yield MovedFrame(
            _expose(canvas[window], exposures[number], rng),
            None if labels is None else labels[window],
            shift if moves else (0, 0),
            moving=moves > 0,
        )


def undo_motion(before: Ids, after: Ids, shift: Shift) -> tuple[Ids, Ids]:
    """Return what two frames' class maps say of the same places: the part that both see, pixel for pixel.

    Args:
        before: (H, W) class ids of a frame.
        after: those of the next one.
        shift: of the crop between them.
    """
    parts: list[list[slice]] = [[], []]
    for moved, side in zip(shift, after.shape, strict=True):
        parts[0].append(slice(max(0, moved), side + min(0, moved)))
        parts[1].append(slice(max(0, -moved), side - max(0, moved)))
    return before[tuple(parts[0])], after[tuple(parts[1])]


def _room(size_hw: Size) -> tuple[int, int]:
    """Return by how many pixels the photograph is larger than the crop: `GROWTH`, and enough for the longest way."""
    most = zip(size_hw, _steps(size_hw), (1, 2), strict=True)
    height, width = (
        max(ceil((GROWTH - 1) * side), steps * step * (FRAMES - STILL))
        for side, step, steps in most
    )
    return height, width


def _steps(size_hw: Size) -> tuple[int, int]:
    height, width = (max(1, round(_STEP * side)) for side in size_hw)
    return height, width


def _draw_shift(size_hw: Size, rng: np.random.Generator) -> Shift:
    """Draw one of the 14 shifts that are none of (0, 0)."""
    choices = [(down, right) for down in (-1, 0, 1) for right in (-2, -1, 0, 1, 2)]
    choices.remove((0, 0))
    down, right = choices[int(rng.integers(len(choices)))]
    height, width = _steps(size_hw)
    return down * height, right * width


def _begin(room: int, step: int, rng: np.random.Generator) -> int:
    """Draw where the crop begins along one axis, so that its way stays on the photograph."""
    way = (FRAMES - STILL) * step
    return int(rng.integers(max(0, -way), room - max(0, way) + 1))


def _draw_exposures(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Draw the (FRAMES,) exposures in stops."""
    phase = rng.uniform(0, 2 * np.pi)
    swing = SWING_STOPS * np.sin(phase + 2 * np.pi * np.arange(FRAMES) / FRAMES)
    return swing + JITTER_STOPS * rng.standard_normal(FRAMES)


def _expose(image_hwc: ImageHWC, stops: float, rng: np.random.Generator) -> ImageHWC:
    """Return the picture at another exposure, with a sensor's noise."""
    values = image_hwc * np.float32(2 ** (stops / _GAMMA))
    spread = np.sqrt(np.float32(READ_NOISE**2) + np.float32(SHOT_NOISE) * values)
    values += spread * rng.standard_normal(values.shape, np.float32)
    return np.asarray(np.clip(values + 0.5, 0, 255), np.uint8)
