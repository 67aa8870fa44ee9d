"""Which class of the data set an artifact's id means: by name, never by position.

An artifact of this project names its classes; for another project's file a `--class-map` TOML names them:

    [map]
    0 = "road"       # the file's id = the data set's class
    11 = "pedestrian"

Ids that are not listed are none of the data set's classes: predicting one is a miss for the true class.
"""

import re
from collections.abc import Callable, Mapping
from operator import index
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_deeplab.description import ClassInfo, Description
from edge_deeplab.documents import read_toml
from edge_deeplab.errors import ArtifactError, ConfigError, unknown_choice
from edge_deeplab.evaluation.metrics import NO_CLASS

ClassMap = Mapping[int, str]

_DIGITS = re.compile("0|[1-9][0-9]{0,3}")


def read_class_map(given: ClassMap | Path | str) -> ClassMap:
    """Return a class map that is given as such or as its file.

    Raises:
        ConfigError: when it cannot be read or is no map from ids to class names.
    """
    try:
        told = read_toml(Path(given))["map"] if isinstance(given, Path | str) else given
        class_map = {_id(key): name for key, name in told.items()}
        if not all(isinstance(name, str) for name in class_map.values()):
            raise ValueError("a class name is not a string")
        if not class_map or not all(0 <= key < NO_CLASS for key in class_map):
            raise ValueError(f"it is empty or an id is not 0 to {NO_CLASS - 1}")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"class map {given!s:.200} cannot be used ({type(error).__name__}: {error}); a table [map] of lines such "
            'as 0 = "road" was expected; mend it'
        ) from error
    return class_map


def _id(key: int | str) -> int:
    """Return the id that a key means: a whole number, or its digits, of which there is one spelling."""
    if isinstance(key, str) and not _DIGITS.fullmatch(key):
        raise ValueError(f"the id {key!r} is no whole number without leading zeros")
    return int(key) if isinstance(key, str) else index(key)


def class_lookup(
    description: Description | None,
    classes: tuple[ClassInfo, ...],
    class_map: ClassMap | None,
    *,
    artifact: str,
    count_classes: Callable[[], int | None] = lambda: None,
) -> npt.NDArray[np.uint8]:
    """Return the (256,) uint8 table from an artifact's ids to the data set's.

    Args:
        description: what the artifact says of itself; its class names are matched with the data set's in any order.
        classes: the data set's.
        class_map: used where the artifact names no classes, or other ones.
        artifact: for the error message.
        count_classes: tells how many classes an artifact scores that names none, where that can be known; asked only
            when the class map is used.

    Raises:
        ArtifactError: when nothing tells what the ids mean.
        ConfigError: when the class names do not match, or the class map lists ids that the artifact never gives.
    """
    names = [c.name for c in classes]
    if description is not None:
        own = [c.name for c in description.classes]
        if sorted(own) == sorted(names):
            return _table(dict(enumerate(own)), names)
        if class_map is None:
            raise ConfigError(
                f"{artifact} has the classes {', '.join(own)}, the data set has {', '.join(names)}; equal names were "
                "expected; pass other data, or a class map from its ids to the data set's names"
            )
    if class_map is None:
        raise ArtifactError(
            f"{artifact} carries no self-description, so which class each of its ids means is not known; pass "
            'a class map, a TOML file with a table [map] of lines such as 0 = "road" (and the normalisation where its '
            "input is float)"
        )
    count = count_classes() if description is None else len(description.classes)
    if count is not None and max(class_map) >= count:
        raise ConfigError(
            f"the class map lists id {max(class_map)}, {artifact} has {count} classes; ids from 0 to {count - 1} were "
            "expected; list the ids that the file gives, which need not be those of its data set's masks"
        )
    return _table(class_map, names)


def _table(class_map: ClassMap, names: list[str]) -> npt.NDArray[np.uint8]:
    table = np.full(256, NO_CLASS, np.uint8)
    for identifier, name in class_map.items():
        if name not in names:
            raise unknown_choice("class in the class map", name, names)
        table[identifier] = names.index(name)
    return table
