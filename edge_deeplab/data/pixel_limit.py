"""How large a picture may be that is read from a file; loads nothing, so that `--help` can tell it."""

from edge_deeplab.errors import DataError

MAX_PIXELS = 64_000_000
"""Pixels of the largest picture that is read where nothing else is asked for: more than phones' 50-megapixel
photographs, and little enough that scoring one stays below 2 GB."""


def check_pixels(name: str, size_hw: tuple[int, int], max_pixels: int) -> None:
    """Check the size of a picture that is not yet in memory.

    Args:
        name: the file.
        size_hw: what its header says.
        max_pixels: the limit.

    Raises:
        DataError: when it is too large.
    """
    height, width = size_hw
    if height * width > max_pixels:
        raise too_large(name, f"{height}x{width}", max_pixels)


def too_large(name: str, found: str, max_pixels: int) -> DataError:
    """Return the error for a picture above the limit; `found` says how large it is."""
    return DataError(
        f"{name} is too large: {found}; at most {max_pixels} pixels were expected; make it smaller, or raise "
        "max_pixels where its source is trusted"
    )
