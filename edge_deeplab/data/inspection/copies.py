"""The same picture twice: of equal pixels anywhere, and of pictures that look alike in two splits.

Frames of one film look alike within a split, and that is no fault; across splits they make a score too good. Between
CamVid's splits no two pictures are nearer than 10 of 64 bits, while a picture and its copy that was compressed again,
halved, brightened by a fifth or cut by 3 % in all are at most 6 apart (24 pictures of test).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_deeplab.data.inspection.layout import USUAL_SPLITS
from edge_deeplab.data.inspection.pair import HASH_BITS, Look
from edge_deeplab.data.inspection.problem import Problem

NEAR_BITS = 6
"""Bits of the perceptual hash in which two pictures that look alike differ, at most."""

_ROWS = 256
_SET_BITS = np.array([value.bit_count() for value in range(256)], np.uint8)

_Splits = Mapping[str, Sequence[Look]]


def find_copies(looks: _Splits) -> Iterator[Problem]:
    """Give the pictures that stand in two places.

    Args:
        looks: of each split, in order.
    """
    for split, seen in looks.items():
        first: dict[str, Look] = {}
        for look in seen:
            known = first.setdefault(look.sha256, look)
            if look.sha256 and known is not look:
                yield Problem.of(
                    "copy",
                    look.image,
                    f"{look.image} has the pixels of {known.image}, in the same split {split}, and counts twice; "
                    "remove one of them",
                )
    for one, two in combinations(looks, 2):
        if _are_held_apart(looks, one, two):
            yield from _copies_across(looks, one, two)


def _are_held_apart(looks: _Splits, one: str, two: str) -> bool:
    """Return whether two splits should share nothing: not where one is made of others, as PASCAL VOC's trainval is."""
    if one.startswith("train") and two.startswith("train"):
        return False
    if {one, two} <= {*USUAL_SPLITS}:
        return True
    files = {split: {look.image for look in seen} for split, seen in looks.items()}
    return not (two in _parts_of(files, one) or one in _parts_of(files, two))


def _parts_of(files: Mapping[str, set[Path]], whole: str) -> set[str]:
    """Return the splits, two at least, that a split is the union of; none of one that holds more than they do."""
    parts = {name for name, own in files.items() if name != whole and own and own <= files[whole]}
    held: set[Path] = set().union(*(files[name] for name in parts))
    smaller = any(files[name] < files[whole] for name in parts)  # else all are one list, thrice
    return parts if len(parts) > 1 and smaller and held == files[whole] else set()


def _copies_across(looks: _Splits, one: str, two: str) -> Iterator[Problem]:
    known = {look.sha256: look for look in looks[one] if look.sha256}
    copies = {look.image for look in looks[two] if look.sha256 in known}
    for look in looks[two]:
        if look.image in copies:
            same = known[look.sha256].image
            sentence = (
                f"{look.image} stands in {one} too"
                if same == look.image
                else f"{look.image} has the pixels of {same}"
            )
            told = f"{sentence}, so a score on one of {one} and {two} is of pictures of the other; remove one of them"
            yield Problem.of("copy", look.image, told)
    left = [look for look in looks[two] if look.image not in copies]
    for look, nearest, bits in _nearest(looks[one], left):
        sentence = (
            f"{look.image} ({two}) looks like {nearest.image} ({one}): their perceptual hashes differ in {bits} of "
            f"{HASH_BITS} bits; a score on one of the two splits is too good where the other is trained on; look at "
            "both, and move or remove one"
        )
        yield Problem.of("near copy", look.image, sentence)


def _nearest(looks: Sequence[Look], others: Sequence[Look]) -> Iterator[tuple[Look, Look, int]]:
    """Give each of the others that looks like one of the first, with the one that it is nearest to and how near."""
    first = [look for look in looks if look.likeness is not None]
    second = [look for look in others if look.likeness is not None]
    if not first or not second:
        return
    hashes = _bytes_of(first)
    for start in range(0, len(second), _ROWS):
        part = second[start : start + _ROWS]
        differing = _SET_BITS[_bytes_of(part)[:, None] ^ hashes[None]]  # (n, N, 8)
        distances = differing.sum(-1, dtype=np.uint8)
        for look, row in zip(part, distances, strict=True):
            nearest = int(row.argmin())
            if row[nearest] <= NEAR_BITS:
                yield look, first[nearest], int(row[nearest])


def _bytes_of(looks: Sequence[Look]) -> npt.NDArray[np.uint8]:
    """Return the hashes as (N, 8) uint8."""
    told = b"".join((look.likeness or 0).to_bytes(HASH_BITS // 8) for look in looks)
    return np.frombuffer(told, np.uint8).reshape(-1, HASH_BITS // 8)
