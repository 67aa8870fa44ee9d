"""What went wrong around a model that is right: the usual mistakes, made on purpose until one explains the class maps.

A phone that hands over blue before red, a camera that is turned, ids of another class list: each makes class maps that
are plausible and wrong, and scores alone do not tell which it was.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np

from edge_deeplab.data.images import ImageHWC
from edge_deeplab.data.transforms import resize_image
from edge_deeplab.evaluation.metrics import NO_CLASS, Ids, confusion_matrix, pixel_agreement
from edge_deeplab.formats.sizes import Size

SHOWN = 4
"""Pictures that are looked at."""
_UNSUSPECTED = 0.99
"""Share of pixels that agree from which on nothing is suspected. Street scenes hide much: of CamVid's pixels 0.96 keep
their class where red and blue are swapped."""
_EXPLAINED = 0.9
"""Share of pixels that agree at least if the mistake was made: a model that is right loses few to its device."""


@dataclass(frozen=True)
class Mistake:
    """A way in which a picture goes wrong before a model sees it.

    Args:
        said: what happened, after "as if".
        make: the picture as the model saw it, from the picture and the model's size.
    """

    said: str
    make: Callable[[ImageHWC, Size], ImageHWC]


def _middle(image_hwc: ImageHWC, size_hw: Size) -> ImageHWC:
    """Return the largest part of the model's proportions in the middle of a picture."""
    height, width = image_hwc.shape[:2]
    scale = min(height / size_hw[0], width / size_hw[1])
    rows, columns = max(round(size_hw[0] * scale), 1), max(round(size_hw[1] * scale), 1)
    top, left = (height - rows) // 2, (width - columns) // 2
    return image_hwc[top : top + rows, left : left + columns]


def _with_bars(image_hwc: ImageHWC, size_hw: Size) -> ImageHWC:
    """Return a whole picture, in the model's size, in the middle of black."""
    height, width = image_hwc.shape[:2]
    scale = min(size_hw[0] / height, size_hw[1] / width)
    rows, columns = max(round(height * scale), 1), max(round(width * scale), 1)
    top, left = (size_hw[0] - rows) // 2, (size_hw[1] - columns) // 2
    barred = np.zeros((*size_hw, 3), np.uint8)
    barred[top : top + rows, left : left + columns] = resize_image(image_hwc, (rows, columns))
    return barred


SWAPPED = Mistake("red and blue were swapped", lambda image, _: image[..., ::-1])
MISTAKES = (
    SWAPPED,
    Mistake("the picture was mirrored", lambda image, _: image[:, ::-1]),
    Mistake("the picture was upside down", lambda image, _: image[::-1]),
    Mistake("the picture was turned by 180 degrees", lambda image, _: image[::-1, ::-1]),
    Mistake("the picture was turned to the left", lambda image, _: np.rot90(image)),
    Mistake("the picture was turned to the right", lambda image, _: np.rot90(image, -1)),
    Mistake("the picture was cut to the model's proportions, not scaled whole", _middle),
    Mistake("the picture got bars to the model's proportions", _with_bars),
    Mistake("pixels were from 0 to 1, not from 0 to 255", lambda image, _: image // 255),
)
"""Those that an app makes around a model; the first is also made in files."""


@dataclass(frozen=True)
class Suspicion:
    """What would explain class maps that differ.

    Args:
        said: what seems to have happened, after "as if".
        agreement: share of pixels that agree as they came.
        explained: share that agrees if it did.
        images: on how many pictures.
    """

    said: str
    agreement: float
    explained: float
    images: int

    def sentence(self) -> str:
        """Say it in one sentence."""
        return (
            f"it looks as if {self.said}: so {self.explained:.3f} of the pixels of {self.images} pictures agree, and "
            f"{self.agreement:.3f} as they came"
        )


@dataclass(frozen=True)
class Compared:
    """One picture and the two class maps that should be the same.

    Args:
        image_hwc: (H, W, 3) uint8 RGB of any size.
        given: (h, w) ids of the model's size that are looked into.
        wanted: (h, w) ids that were expected.
    """

    image_hwc: ImageHWC
    given: Ids
    wanted: Ids

    @property
    def agreement(self) -> float:
        """Share of pixels that agree."""
        return pixel_agreement(self.given, self.wanted)


def suspect(
    compared: Sequence[Compared],
    classes: Sequence[str],
    mistakes: Sequence[Mistake],
    seen_as: Callable[[Mistake, Compared], float],
) -> Suspicion | None:
    """Return what explains class maps that differ; None where they hardly do, or nothing explains them.

    Args:
        compared: pictures with their class maps.
        classes: names in id order.
        mistakes: that may have been made.
        seen_as: the share of pixels of a picture that agree if a mistake was made.
    """
    if not compared:
        return None
    agreement = float(np.mean([each.agreement for each in compared]))
    if agreement >= _UNSUSPECTED or compared[0].agreement == 1:
        return None
    found = [_other_classes(compared, classes), *_shifted(compared, classes)]
    for mistake in mistakes:
        if _explains(seen_as(mistake, compared[0]), compared[0].agreement):
            shares = [seen_as(mistake, each) for each in compared]
            found.insert(0, (float(np.mean(shares)), mistake.said))
    explained, said = max(found, key=itemgetter(0))
    if not _explains(explained, agreement):
        return None
    return Suspicion(said, agreement, explained, len(compared))


def _explains(explained: float, agreement: float) -> bool:
    """Return whether most of what differs would agree, and nearly all does."""
    return explained >= _EXPLAINED and 1 - explained <= (1 - agreement) / 2


def agreement_if(
    mistake: Mistake, image_hwc: ImageHWC, ids: Ids, predict: Callable[[ImageHWC], Ids]
) -> float:
    """Return the share of pixels at which the spoilt picture gives some class map.

    Args:
        mistake: that spoils it.
        image_hwc: (H, W, 3) uint8 RGB of any size.
        ids: (h, w) of the model's size: what was wanted of a file, which then expects pictures so, or a device gave.
        predict: runs the file here on a picture of any size.
    """
    return pixel_agreement(predict(np.ascontiguousarray(mistake.make(image_hwc, ids.shape))), ids)


def _other_classes(compared: Sequence[Compared], classes: Sequence[str]) -> tuple[float, str]:
    """Return the share of pixels that agree if each class is read as the one that it mostly is, and what is said."""
    cells = [confusion_matrix(c.wanted, c.given, len(classes), NO_CLASS) for c in compared]
    counts = np.sum(cells, axis=0)[:, :-1]
    given, meant = np.flatnonzero(counts.sum(axis=0)), counts.argmax(axis=0)
    exchanged = len(given) > 1 and {*given} == {*meant[given]}
    if not exchanged:
        return 0.0, ""
    others = [f"{classes[int(i)]} for {classes[int(meant[i])]}" for i in given if i != meant[i]]
    said = f"the classes were in another order ({', '.join(others[:3])}{', ...' if others[3:] else ''})"
    pixels = sum(each.given.size for each in compared)
    return float(counts[meant[given], given].sum()) / pixels, said


def _shifted(compared: Sequence[Compared], classes: Sequence[str]) -> list[tuple[float, str]]:
    """Return the share of pixels that agree if ids count from 1, or from -1, and what is said."""
    found: list[tuple[float, str]] = []
    if (
        len(np.unique([each.given for each in compared])) < 2
    ):  # a map of one class is no shifted one
        return found
    for shift, said in ((1, "one too high"), (-1, "one too low")):
        shifted = np.full(NO_CLASS + 1, NO_CLASS, np.uint8)
        ids = np.arange(len(classes))
        kept = (ids + shift >= 0) & (ids + shift < len(classes))
        shifted[ids[kept]] = ids[kept] + shift
        shares = [pixel_agreement(each.given, shifted[each.wanted]) for each in compared]
        found.append((float(np.mean(shares)), f"ids were {said}"))
    return found
