"""Files of several sizes for tools that know of one graph: a copy of one size alone, of which alone they then speak."""

from pathlib import Path

from edge_deeplab.formats.read import Size
from edge_deeplab.formats.tflite_sizes import size_alone
from edge_deeplab.targets import target_of


def of_one_size(path: Path, size_hw: Size | None, folder: Path) -> Path:
    """Return a file of one size.

    Args:
        path: an exported file.
        size_hw: of several sizes that it lists, the one that is meant; None where it takes one.
        folder: where a copy may be written.

    Returns:
        The file itself where it does not list that size among others, else the copy.
    """
    if size_hw is None or target_of(path) != "tflite":
        return path
    content = path.read_bytes()
    alone = size_alone(content, size_hw)
    if alone == content:
        return path
    copy = folder / path.name
    copy.write_bytes(alone)
    return copy
