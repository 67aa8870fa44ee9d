"""What one image and its mask hold, and what is wrong with them: one look, in any process."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
from PIL import Image

from edge_deeplab.data.images import ImageHWC, MaskIds, read_image, read_labels
from edge_deeplab.data.inspection.problem import Problem
from edge_deeplab.data.labelled_files import NOT_A_LABEL
from edge_deeplab.errors import DataError, MissingDependencyError, require
from edge_deeplab.text import size_text

EXTRA = "data"
"""The extra that brings the perceptual hash."""
HASH_BITS = 64

_LEAST_DEVIATION = 4.0
"""Of grey values, 0 to 255: the hash of a flatter picture is of its noise."""
_MOST_LABELS = 8
"""Ids of no class that one sentence lists."""


@dataclass(frozen=True)
class Pair:
    """What is to be looked at.

    Args:
        image: the image's file.
        mask: the mask's; None where it has none.
        lookup: (256,) int16 class of each label, as `LabelledFiles.class_lookup`; None where classes are not known.
        max_pixels: a larger picture is not read.
    """

    image: Path
    mask: Path | None
    lookup: npt.NDArray[np.int16] | None
    max_pixels: int


@dataclass(frozen=True)
class Look:
    """What was seen of a pair.

    Args:
        image: the image's file.
        problems: what is wrong.
        image_hw: the image's height and width; None where it cannot be read.
        pixels: of each label in the mask; None where it cannot be read.
        sha256: of the decoded pixels and their size; empty where the image cannot be read.
        likeness: perceptual hash of `HASH_BITS` bits; None of a flat picture, or where imagehash is absent.
    """

    image: Path
    problems: tuple[Problem, ...] = ()
    image_hw: tuple[int, int] | None = None
    pixels: Mapping[int, int] | None = None
    sha256: str = ""
    likeness: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether image and mask can be read and fit: what counts in a split's statistics."""
        return self.pixels is not None and not any(problem.stops for problem in self.problems)


def look_at(pair: Pair) -> Look:
    """Return what one image and its mask hold; nothing of theirs is an error."""
    problems: list[Problem] = []
    image = labels = None
    try:
        image = read_image(pair.image, max_pixels=pair.max_pixels)
    except DataError as error:
        problems.append(Problem.of("image", pair.image, str(error)))
    if pair.mask is not None:
        try:
            labels = read_labels(pair.mask, max_pixels=pair.max_pixels)
        except DataError as error:
            problems.append(Problem.of("mask", pair.mask, str(error)))
        else:
            problems += _problems_of_mask(pair, labels, image)
    return Look(
        pair.image,
        tuple(problems),
        None if image is None else image.shape[:2],
        None if labels is None else _count(labels),
        "" if image is None else _hash_pixels(image),
        None if image is None else _likeness(image),
    )


def lacks_likeness() -> str | None:
    """Return the sentence that says what perceptual hashes need; None where it is there."""
    try:
        _imagehash()
    except MissingDependencyError as error:
        return str(error)
    return None


def _imagehash() -> ModuleType:
    return require("imagehash", package="imagehash", extra=EXTRA)


def _problems_of_mask(pair: Pair, labels: MaskIds, image: ImageHWC | None) -> list[Problem]:
    assert pair.mask is not None
    problems = []
    if image is not None and labels.shape != image.shape[:2]:
        sentence = (
            f"mask {pair.mask} is {size_text(labels.shape)} but its image {pair.image.name} is "
            f"{size_text(image.shape[:2])}; both must have one size once each is turned by its EXIF orientation; write "
            "the mask at the size of the upright image"
        )
        problems.append(Problem.of("size", pair.mask, sentence))
    if pair.lookup is not None and (pair.lookup[labels] == NOT_A_LABEL).any():
        sentence = _tell_strange_labels(pair.mask, labels, pair.lookup)
        problems.append(Problem.of("label", pair.mask, sentence))
    return problems


def _tell_strange_labels(mask: Path, labels: MaskIds, lookup: npt.NDArray[np.int16]) -> str:
    strange = [label for label in np.unique(labels) if lookup[label] == NOT_A_LABEL]
    told = []
    for label in strange[:_MOST_LABELS]:
        where = labels == label
        row, column = divmod(int(where.argmax()), labels.shape[1])
        told.append(
            f"{label} in {int(where.sum())} pixels, the first at row {row}, column {column}"
        )
    more = f"; and {len(strange) - _MOST_LABELS} more" if len(strange) > _MOST_LABELS else ""
    known = [int(label) for label in np.flatnonzero(lookup != NOT_A_LABEL)]
    return (
        f"mask {mask} holds labels of no class: {'; '.join(told)}{more}; {_ranges(known)} were expected; mend the "
        "mask, list the class, or make the label the one that is ignored"
    )


def _ranges(numbers: list[int]) -> str:
    """Return ascending numbers for people: "0 to 10, 255"."""
    starts = [n for i, n in enumerate(numbers) if i == 0 or numbers[i - 1] != n - 1]
    ends = [n for i, n in enumerate(numbers) if i == len(numbers) - 1 or numbers[i + 1] != n + 1]
    return ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in zip(starts, ends, strict=True))


def _count(labels: MaskIds) -> dict[int, int]:
    counts = np.bincount(labels.ravel(), minlength=256)
    return {int(label): int(counts[label]) for label in np.flatnonzero(counts)}


def _hash_pixels(image: ImageHWC) -> str:
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def _likeness(image: ImageHWC) -> int | None:
    """Return the perceptual hash, the signs of a picture's lowest frequencies, if it can be had and means something.

    Source: Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010, in imagehash's `phash`.
    """
    if lacks_likeness() is not None:
        return None
    grey = Image.fromarray(image).convert("L")
    if float(np.asarray(grey.resize((32, 32), Image.Resampling.BOX)).std()) < _LEAST_DEVIATION:
        return None
    return int(str(_imagehash().phash(grey)), 16)
