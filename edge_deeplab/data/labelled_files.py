"""The files of one labelled split, in whatever layout they lie: what a layout's reader finds and a data set reads."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge_deeplab.description import ClassInfo
from edge_deeplab.errors import DataError
from edge_deeplab.files import file_sha256


@dataclass(frozen=True)
class LabelledFiles:
    """The images and masks of one split, and what the labels in the masks mean.

    Args:
        name: name of the data set, with its split.
        licence: licence of the images.
        classes: classes in id order.
        ignore_index: id of pixels that are not scored, or None. As a label it means itself.
        pairs: image and mask of each sample, in order.
        class_of_label: class id, or ignore index, of each label from 0; None where labels are class ids.
        description: file that says all this, or None where the layout itself does.

    Raises:
        DataError: when a mask is missing, or two images share one.
    """

    name: str
    licence: str
    classes: tuple[ClassInfo, ...]
    ignore_index: int | None
    pairs: tuple[tuple[Path, Path], ...]
    class_of_label: tuple[int, ...] | None = None
    description: Path | None = None

    def __post_init__(self) -> None:
        image_of: dict[Path, Path] = {}
        for image, mask in self.pairs:
            if mask in image_of:
                raise DataError(
                    f"images {image_of[mask]} and {image} share the mask {mask}, which would count twice; one image a "
                    "mask was expected; remove or rename one of them"
                )
            image_of[mask] = image
            if not mask.is_file():
                raise DataError(
                    f"image {image} has no mask; {mask} was expected; add it or remove the image"
                )

    def content_sha256(self) -> str:
        """Return the hash of the classes and of all images and masks, names included.

        Raises:
            DataError: when one cannot be read.
        """
        digest = hashlib.sha256()
        paths = [path for pair in self.pairs for path in pair]
        if self.description is None:
            digest.update(repr((self.classes, self.ignore_index, self.class_of_label)).encode())
        else:
            paths.insert(0, self.description)
        for path in paths:
            try:
                content = file_sha256(path)
            except OSError as error:
                raise DataError(
                    f"{path} cannot be read ({error.strerror or error}); a file was expected; copy it again"
                ) from error
            digest.update(f"{path.name}\0{content}\n".encode())
        return digest.hexdigest()


def missing_split(root: Path, split: str, lacking: str, found: Iterable[str]) -> DataError:
    """Return the error for a split that a data folder has not.

    Args:
        root: the data folder.
        split: the split that was asked for.
        lacking: what would have been it, below `root`.
        found: the splits that are there.
    """
    return DataError(
        f"data folder {root} has no split {split!r} (no {lacking}); found: {', '.join(sorted(found)) or 'none'}"
    )
