"""Data folders as public data sets come: images beside masks without splits, or with splits below these two."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge_deeplab.data.images import pictures_in, read_labels
from edge_deeplab.errors import DataError

WHOLE = "all"
"""What the one split of such a folder is called where it is inspected; no command reads a split of that name."""

IMAGES, MASKS = "images", "masks"
_OF_MASKS = ("mask", "label", "annot", "seg", "gt", "groundtruth", "ann_dir")
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
    masks = [folder for folder in held if _is_named_for_masks(folder)]
    if len(masks) != 1:
        masks = [folder for folder in held if _holds_ids(held[folder][0])]
    if len(masks) != 1:
        return None
    return (second if masks[0] == first else first), masks[0]


@dataclass(frozen=True)
class SplitsBelow:
    """Splits that lie below a folder of images and one of masks, where these are expected below the splits.

    Args:
        images: the folder, which holds one of pictures for each split.
        masks: likewise.
        names: of the splits.
    """

    images: Path
    masks: Path
    names: tuple[str, ...]

    def tell(self, split: str) -> str:
        """Return the sentence that refuses one of them."""
        images, masks, root = self.images.name, self.masks.name, self.images.parent
        return (
            f"split {split!r} of {root} lies below {images} and {masks}; {split}/{IMAGES} and {split}/{MASKS} were "
            f"expected in it; move {images}/{split} to {split}/{IMAGES} and {masks}/{split} to {split}/{MASKS}"
        )


def find_splits_below(root: Path) -> SplitsBelow | None:
    """Return the splits that lie below `images` and `masks`, or folders of other names for these; None without any."""
    held = {folder: _splits_in(folder) for folder in _folders(root)}
    masks = [folder for folder, names in held.items() if names and _is_named_for_masks(folder)]
    images = [folder for folder, names in held.items() if names and folder not in masks]
    if len(masks) != 1 or len(images) != 1:
        return None
    names = held[images[0]] & held[masks[0]]
    return SplitsBelow(images[0], masks[0], tuple(sorted(names))) if names else None


def _splits_in(folder: Path) -> set[str]:
    """Return the names of the folders of pictures in one; none where it cannot be listed, which its reader says."""
    with suppress(OSError, DataError):
        inside = [each for each in _folders(folder) if each.name not in (IMAGES, MASKS)]
        return {each.name for each in inside if pictures_in(each)}
    return set()


def _is_named_for_masks(folder: Path) -> bool:
    return any(word in folder.name.lower() for word in _OF_MASKS)


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
