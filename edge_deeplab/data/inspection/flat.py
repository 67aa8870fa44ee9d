"""Data folders without splits, as public data sets come: a folder of images beside one of masks."""

from collections.abc import Iterable
from pathlib import Path

from edge_deeplab.data.images import pictures_in, read_labels
from edge_deeplab.errors import DataError

WHOLE = "all"
"""What the one split of such a folder is called where it is inspected; no command reads a split of that name."""

IMAGES, MASKS = "images", "masks"
_OF_MASKS = ("mask", "label", "annot", "seg", "gt", "groundtruth")
"""What names of folders of masks hold."""


def find_flat(root: Path) -> tuple[Path, Path] | None:
    """Return the folders of images and of masks that lie in a folder itself; None where they cannot be told.

    `images` beside `masks` are these two; otherwise two folders of pictures, of which files have the same stem: that of
    masks is told by its name, and where names do not tell, by its first picture, which holds class ids.
    """
    if (root / IMAGES).is_dir() and (root / MASKS).is_dir():
        return root / IMAGES, root / MASKS
    held = {folder: files for folder in _folders(root) if (files := pictures_in(folder))}
    if len(held) != 2:
        return None
    first, second = held
    if not _stems(held[first]) & _stems(held[second]):
        return None
    masks = [folder for folder in held if any(word in folder.name.lower() for word in _OF_MASKS)]
    if len(masks) != 1:
        masks = [folder for folder in held if _holds_ids(held[folder][0])]
    if len(masks) != 1:
        return None
    return (second if masks[0] == first else first), masks[0]


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _stems(paths: Iterable[Path]) -> set[str]:
    return {path.stem for path in paths}


def _holds_ids(path: Path) -> bool:
    try:
        read_labels(path)
    except DataError:
        return False
    return True
