"""The label set of rendered scenes: CamVid's eleven classes, in its order.

The ids are the values found in a mask; `IGNORE_INDEX` marks an unlabelled pixel, which rendered scenes never contain.
"""

from enum import IntEnum

RGB = tuple[int, int, int]


class SceneClass(IntEnum):
    """Class ids, as CamVid-11 numbers them."""

    SKY = 0
    BUILDING = 1
    POLE = 2
    ROAD = 3
    PAVEMENT = 4
    TREE = 5
    SIGN = 6
    FENCE = 7
    CAR = 8
    PEDESTRIAN = 9
    BICYCLIST = 10


IGNORE_INDEX = 11

CLASSES: tuple[str, ...] = tuple(member.name.lower() for member in SceneClass)

PALETTE: tuple[RGB, ...] = (
    (128, 128, 128),
    (128, 0, 0),
    (192, 192, 128),
    (128, 64, 128),
    (60, 40, 222),
    (128, 128, 0),
    (192, 128, 128),
    (64, 64, 128),
    (64, 0, 128),
    (64, 64, 0),
    (0, 128, 192),
)
