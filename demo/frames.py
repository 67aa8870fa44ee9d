"""One picture of a source, and the protocol of what gives them: all that cameras, windows and recordings share."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edge_deeplab.data.images import ImageHWC

if TYPE_CHECKING:
    import av


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    Args:
        image_hwc: (H, W, 3) uint8 RGB, upright.
        timestamp_s: seconds since the source started.
        name: unique within the source, fit for a file name.
    """

    image_hwc: ImageHWC
    timestamp_s: float
    name: str


class FrameSource(Protocol):
    """What the pipeline reads.

    Attributes:
        name: what the user called it.
        live: whether frames go stale while nobody takes them.
        frame_count: how many frames will come, where that is known.
    """

    name: str
    live: bool
    frame_count: int | None

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames in order.

        Raises:
            DataError: when one cannot be read.
        """
        ...


def to_upright_rgb(picture: "av.VideoFrame") -> ImageHWC:
    """Return a decoded frame as (H, W, 3) uint8 RGB, turned the way its camera was held (display matrix)."""
    image = np.asarray(picture.to_ndarray(format="rgb24"), np.uint8)
    quarter_turns = round(picture.rotation / 90)  # counterclockwise, as np.rot90 counts
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns % 4 else image
