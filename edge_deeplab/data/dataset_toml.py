"""`dataset.toml`: what the labels of a data folder mean. A key that nobody reads is an error, never a silent remark."""

from collections.abc import Iterator, Mapping, Sequence
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
        splits: that it says lie in the folder; none where it does not say.
    """

    name: str
    licence: str
    classes: tuple[ClassInfo, ...]
    ignore_index: int | None
    splits: tuple[str, ...] = ()


def read_dataset_toml(path: Path) -> DatasetToml:
    """Read a `dataset.toml`.

    Raises:
        DataError: when it is no TOML, lacks a key, has an unknown one, or says what cannot be meant.
    """
    try:
        document = read_toml(path)
        for fault in _faults(document):
            raise ValueError(fault)
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from error
    return _parse(document)


def dataset_toml_faults(path: Path) -> tuple[str, ...]:
    """Return every sentence that `read_dataset_toml` would refuse a file with, one after the other; none where it can.

    Args:
        path: the file.
    """
    try:
        return tuple(str(_unusable(path, fault)) for fault in _faults(read_toml(path)))
    except (OSError, ValueError) as error:
        return (str(_unusable(path, error)),)


def _unusable(path: Path, why: object) -> DataError:
    return DataError(
        f"{path} cannot be used ({why}); name, ignore_index and "
        "[[classes]] with name and color = [r, g, b] were expected; mend it"
    )


def _parse(document: Mapping[str, Any]) -> DatasetToml:
    """Return the content of a document without faults."""
    told = document.get("splits", ())
    splits = [name for name in told if isinstance(name, str)] if isinstance(told, list) else []
    licence = document.get("licence", document.get("license", ""))
    classes, ignored = parse_classes(document), document.get("ignore_index")
    return DatasetToml(document["name"], licence, classes, ignored, tuple(splits))


def _faults(document: Mapping[str, Any]) -> Iterator[str]:
    """Give what is wrong with a document, in the order in which a reader meets it."""
    yield from _unknown_keys(document, _KEYS)
    name = document.get("name")
    if not isinstance(name, str) or not name:
        yield "name is missing or no text"
    wrong = list(_class_faults(document))
    yield from wrong
    if not wrong:
        names = [each.name for each in parse_classes(document)]
        yield from _ignore_index_faults(document.get("ignore_index"), names)
    yield from _licence_faults(document)


def parse_classes(document: Mapping[str, Any]) -> tuple[ClassInfo, ...]:
    """Return the classes that a document lists; a ValueError says what is wrong with them."""
    for fault in _class_faults(document):
        raise ValueError(fault)
    return classes_from_json(document["classes"])


def check_keys(table: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse a key that nobody reads, with a ValueError."""
    for fault in _unknown_keys(table, known):
        raise ValueError(fault)


def _unknown_keys(table: Mapping[str, Any], known: Sequence[str]) -> Iterator[str]:
    yield from (str(unknown_choice("key", key, known)) for key in table if key not in known)


def _class_faults(document: Mapping[str, Any]) -> Iterator[str]:
    tables = document.get("classes")
    if not (
        isinstance(tables, list)
        and 1 <= len(tables) <= MOST_CLASSES
        and all(isinstance(table, Mapping) for table in tables)
    ):
        yield f"[[classes]] does not stand there 1 to {MOST_CLASSES} times"
        return
    wrong = [fault for table in tables for fault in _faults_of_class(table)]
    yield from wrong
    if not wrong:
        try:
            classes_from_json(tables)
        except ValueError as error:
            yield str(error)


def _faults_of_class(entry: Mapping[str, Any]) -> Iterator[str]:
    yield from _unknown_keys(entry, _CLASS_KEYS)
    name, color = entry.get("name"), entry.get("color")
    if not isinstance(name, str) or not name:
        yield "the name of a class is missing or no text"
    if not (isinstance(color, list) and len(color) == 3 and all(map(_is_byte, color))):
        yield f"the color of class {name!r:.60} is not three numbers from 0 to 255"


def _ignore_index_faults(index: object, names: Sequence[str]) -> Iterator[str]:
    if index is None:
        return
    if not isinstance(index, int) or not _is_byte(index):
        yield "ignore_index is not 0 to 255"
    elif index < len(names):
        yield (
            f"ignore_index {index} is the index of class {names[index]!r}, which would never be trained or scored: "
            f"{len(names)} to 255 is free"
        )


def _licence_faults(document: Mapping[str, Any]) -> Iterator[str]:
    """Give what is wrong with the licence, in either spelling."""
    spellings = [document[key] for key in ("licence", "license") if key in document]
    if len(spellings) > 1:
        yield "licence and license both stand there"
    if not all(isinstance(licence, str) for licence in spellings):
        yield "licence is no text"


def _is_byte(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255
