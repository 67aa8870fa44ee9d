"""`dataset.toml`: what the labels of a data folder mean. A key that nobody reads is an error, never a silent remark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.description import MOST_CLASSES, ClassInfo, classes_from_json
from edge_deeplab.documents import read_toml
from edge_deeplab.errors import DataError, unknown_choice

FILE = "dataset.toml"
_KEYS = ("name", "licence", "license", "source", "splits", "ignore_index", "classes")
"""`source` and `splits` are for readers: where it comes from, and what lies in the folder."""
_CLASS_KEYS = ("name", "color")


@dataclass(frozen=True)
class DatasetToml:
    """The checked content of a `dataset.toml`.

    Args:
        name: of the data set.
        licence: of the images; "" where the file says none.
        classes: in the order of the indices.
        ignore_index: index of pixels that are not scored and of no class, or None.
    """

    name: str
    licence: str
    classes: tuple[ClassInfo, ...]
    ignore_index: int | None


def read_dataset_toml(path: Path) -> DatasetToml:
    """Read a `dataset.toml`.

    Raises:
        DataError: when it is no TOML, lacks a key, has an unknown one, or says what cannot be meant.
    """
    try:
        return _parse(read_toml(path))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be used ({error}); name, ignore_index and "
            "[[classes]] with name and color = [r, g, b] were expected; mend it"
        ) from error


def _parse(document: Mapping[str, Any]) -> DatasetToml:
    """Return the content; a ValueError says what is wrong with it."""
    check_keys(document, _KEYS)
    name = document.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError("name is missing or no text")
    classes = parse_classes(document)
    ignore_index = document.get("ignore_index")
    _check_ignore_index(ignore_index, [each.name for each in classes])
    return DatasetToml(name, _licence(document), classes, ignore_index)


def parse_classes(document: Mapping[str, Any]) -> tuple[ClassInfo, ...]:
    """Return the classes that a document lists; a ValueError says what is wrong with them."""
    tables = document.get("classes")
    if not (
        isinstance(tables, list)
        and 1 <= len(tables) <= MOST_CLASSES
        and all(isinstance(table, Mapping) for table in tables)
    ):
        raise ValueError(f"[[classes]] does not stand there 1 to {MOST_CLASSES} times")
    for table in tables:
        _check_class(table)
    return classes_from_json(tables)


def check_keys(table: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse a key that nobody reads, with a ValueError."""
    for key in table:
        if key not in known:
            raise unknown_choice("key", key, known)


def _check_class(entry: Mapping[str, Any]) -> None:
    check_keys(entry, _CLASS_KEYS)
    name, color = entry.get("name"), entry.get("color")
    if not isinstance(name, str) or not name:
        raise ValueError("the name of a class is missing or no text")
    if not (isinstance(color, list) and len(color) == 3 and all(map(_is_byte, color))):
        raise ValueError(f"the color of class {name!r} is not three numbers from 0 to 255")


def _check_ignore_index(index: object, names: Sequence[str]) -> None:
    if index is None:
        return
    if not isinstance(index, int) or not _is_byte(index):
        raise ValueError("ignore_index is not 0 to 255")
    if index < len(names):
        raise ValueError(
            f"ignore_index {index} is the index of class {names[index]!r}, which would never be trained or scored: "
            f"{len(names)} to 255 is free"
        )


def _licence(document: Mapping[str, Any]) -> str:
    """Return the licence, in either spelling."""
    spellings = [document[key] for key in ("licence", "license") if key in document]
    if len(spellings) > 1:
        raise ValueError("licence and license both stand there")
    if not all(isinstance(licence, str) for licence in spellings):
        raise ValueError("licence is no text")
    return spellings[0] if spellings else ""


def _is_byte(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255
