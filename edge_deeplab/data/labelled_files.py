"""The files of one labelled split, in whatever layout they lie: what a layout's reader finds and a data set reads."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_deeplab.description import ClassInfo
from edge_deeplab.errors import DataError, MissingSplitError
from edge_deeplab.files import file_sha256

NOT_A_LABEL = -1
"""Stands in `LabelledFiles.class_lookup` for labels that mean nothing."""


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with a data set, on which reading would end.

    Args:
        path: the file or folder that it is about.
        sentence: what came, what was expected, what to do.
    """

    path: Path
    sentence: str


@dataclass(frozen=True)
class LabelledFiles:
    """The images and masks of one split, and what the labels in the masks mean.

    Args:
        name: name of the data set, with its split.
        licence: licence of the images.
        classes: classes in id order.
        ignore_index: id of pixels that are not scored, or None. As a label it means itself.
        pairs: image and mask of each sample, in order; of those with a fault the mask may be absent or another's too.
        class_of_label: class id, or ignore index, of each label from 0; None where labels are class ids.
        description: file that says all this, or None where the layout itself does.
        listing_faults: what is wrong with the list that the images stand in, where there is one.
    """

    name: str
    licence: str
    classes: tuple[ClassInfo, ...]
    ignore_index: int | None
    pairs: tuple[tuple[Path, Path], ...]
    class_of_label: tuple[int, ...] | None = None
    description: Path | None = None
    listing_faults: tuple[Fault, ...] = ()

    def faults(self) -> Iterator[Fault]:
        """Give what is wrong with the list, images that share a mask, and images without one."""
        yield from self.listing_faults
        yield from _pair_faults(self.pairs)

    def check(self) -> None:
        """Check that there is nothing wrong.

        Raises:
            DataError: for the first fault.
        """
        for fault in self.faults():
            raise DataError(fault.sentence)

    @property
    def labels(self) -> tuple[int, ...]:
        """The class id, or ignore index, of each label from 0."""
        return self.class_of_label or tuple(range(len(self.classes)))

    def class_lookup(self) -> npt.NDArray[np.int16]:
        """Return the (256,) int16 class id, or ignore index, of every label; `NOT_A_LABEL` where it means nothing."""
        lookup = np.full(256, NOT_A_LABEL, np.int16)
        lookup[: len(self.labels)] = self.labels
        if self.ignore_index is not None:
            lookup[self.ignore_index] = self.ignore_index
        return lookup

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
            digest.update(f"{path.name}\0{_asked(file_sha256, path)}\n".encode())
        return digest.hexdigest()

    def fingerprint(self) -> str:
        """Return a hash of the masks and of the images' names and sizes, wherever they lie; large images are not read.

        Raises:
            DataError: when a file cannot be read.
        """
        digest = hashlib.sha256(repr(self.class_of_label).encode())
        for image, mask in self.pairs:
            told = image.name, _asked(_bytes, image), mask.name, _asked(file_sha256, mask)
            digest.update(f"{told}\n".encode())
        return digest.hexdigest()


def _bytes(path: Path) -> int:
    return path.stat().st_size


def _asked(question: Callable[[Path], object], path: Path) -> object:
    try:
        return question(path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror or error}); a file was expected; copy it again"
        ) from error


def _pair_faults(pairs: Sequence[tuple[Path, Path]]) -> Iterator[Fault]:
    image_of: dict[Path, Path] = {}
    for image, mask in pairs:
        if mask in image_of:
            yield Fault(
                image,
                f"images {image_of[mask]} and {image} share the mask {mask}, which would count twice; one image a "
                "mask was expected; remove or rename one of them",
            )
        elif not mask.is_file():
            yield Fault(
                image,
                f"image {image} has no mask; {mask} was expected; add it or remove the image",
            )
        image_of.setdefault(mask, image)


def missing_split(root: Path, split: str, lacking: str, found: Iterable[str]) -> MissingSplitError:
    """Return the error for a split that a data folder has not.

    Args:
        root: the data folder.
        split: the split that was asked for.
        lacking: what would have been it, below `root`.
        found: the splits that are there.
    """
    return MissingSplitError(
        f"data folder {root} has no split {split!r} (no {lacking}); found: {', '.join(sorted(found)) or 'none'}"
    )
