"""Photographs without labels: a plain folder of them, read as the images of data sets are."""

from dataclasses import dataclass
from pathlib import Path

from edge_deeplab.data.images import ImageHWC, images_in, read_image
from edge_deeplab.data.pixel_limit import MAX_PIXELS


@dataclass(frozen=True)
class Photograph:
    """One photograph.

    Args:
        image_hwc: (H, W, 3) uint8 RGB.
        name: file stem.
    """

    image_hwc: ImageHWC
    name: str


class PhotographFolder:
    """The photographs of a folder, by name.

    Args:
        folder: which holds them, beside whatever else.
        limit: only the first; None for all.
        max_pixels: a larger one is refused when it is read.

    Raises:
        DataError: when the folder holds none, or cannot be listed.
    """

    def __init__(
        self, folder: Path, *, limit: int | None = None, max_pixels: int = MAX_PIXELS
    ) -> None:
        self.name = folder.name
        self._paths = tuple(images_in(folder)[:limit])
        self._max_pixels = max_pixels

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Photograph:
        """Read one; a DataError for what cannot be read or is too large."""
        path = self._paths[index]
        return Photograph(read_image(path, max_pixels=self._max_pixels), path.stem)
