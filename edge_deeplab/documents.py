"""JSON and TOML from strangers: bounded in size and depth, every failure a ValueError.

The idea to hold: a document is first read here, as plain values, and then checked field by field where its meaning is
known. `Fields` is the second half: it gives a value of the kind that was expected, or says which field holds what.
"""

import json
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from edge_deeplab.files import regular

LARGEST_BYTES = 1 << 24
"""A document larger than 16 MiB is none of ours: the largest, a report of all layers, has some hundred kilobytes."""
DEEPEST = 64
"""Ours nest eight levels, and one more for each checkpoint that another was trained from."""
_LONGEST_NAME, _LONGEST_PROSE = 255, 1 << 16


def parse_json(text: str | bytes) -> Any:
    """Return the values of a JSON text.

    Raises:
        ValueError: when it is no JSON, too large or too deep.
    """
    return _parse(json.loads, text)


def parse_toml(text: str) -> dict[str, Any]:
    """Return the values of a TOML text; errors as for `parse_json`."""
    document: dict[str, Any] = _parse(tomllib.loads, text)
    return document


def read_json(path: Path) -> Any:
    """Return the values of a JSON file.

    Raises:
        OSError: when it cannot be read.
        ValueError: as for `parse_json`.
    """
    return parse_json(_read(path))


def read_toml(path: Path) -> dict[str, Any]:
    """Return the values of a TOML file; errors as for `read_json`."""
    return parse_toml(_read(path).decode("utf-8-sig"))  # Windows' editors write the mark


class Fields:
    """The fields of a JSON object, each asked for as the kind of value that it must be.

    Args:
        value: what should be the object.
        name: how its fields' names begin in errors.

    Raises:
        ValueError: when it is no object; of every method, when a field is absent or of another kind.
    """

    def __init__(self, value: Any, name: str = "") -> None:
        if not isinstance(value, Mapping):
            what = name.rstrip(".") or "the document"
            raise ValueError(f"{what} is no table of fields")  # noqa: TRY004  (the document's fault)
        self._value, self._name = value, name

    def only(self, names: Iterable[str]) -> None:
        """Refuse fields that nobody knows."""
        if unknown := sorted(map(repr, set(self._value) - set(names))):
            raise ValueError(f"{self._name}{unknown[0]} is not known")

    def text(self, key: str, *, empty: bool = False) -> str:
        """Return a line of text, as long as a file's name may be."""
        value = self.get(key)
        if not isinstance(value, str) or len(value) > _LONGEST_NAME or not (value or empty):
            self._refuse(key, f"text of 1 to {_LONGEST_NAME} letters")
        if not value.isprintable():
            self._refuse(key, "one line without control characters")
        return value

    def prose(self, key: str) -> str:
        """Return text of any form that nobody but people reads."""
        value = self.get(key)
        if not isinstance(value, str) or len(value) > _LONGEST_PROSE:
            self._refuse(key, f"text of at most {_LONGEST_PROSE} letters")
        return value

    def choice(self, key: str, choices: Iterable[Any]) -> Any:
        """Return one of some values."""
        value, choices = self.get(key), tuple(choices)
        if not any(value == choice and type(value) is type(choice) for choice in choices):
            self._refuse(key, f"one of {', '.join(map(str, choices))}")
        return value

    def integer(self, key: str, low: int, high: int) -> int:
        """Return a whole number of a range."""
        value = self.get(key)
        if not _is_integer(value, low, high):
            self._refuse(key, f"a whole number from {low} to {high}")
        return int(value)

    def integers(self, key: str, count: int, low: int, high: int) -> tuple[int, ...]:
        """Return so many whole numbers of a range."""
        values = self.get(key)
        if not _is_list(values, count) or not all(_is_integer(v, low, high) for v in values):
            self._refuse(key, f"{count} whole numbers from {low} to {high}")
        return tuple(values)

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        """Return so many finite numbers."""
        values = self.get(key)
        if not _is_list(values, count) or not all(map(is_finite, values)):
            self._refuse(key, f"{count} finite numbers")
        return tuple(values)

    def number(self, key: str) -> float:
        """Return a finite number."""
        value = self.get(key)
        if not is_finite(value):
            self._refuse(key, "a finite number")
        return float(value)

    def between(self, key: str, low: float, high: float) -> float:
        """Return a number of a range."""
        value = self.get(key)
        if not is_finite(value) or not low <= value <= high:
            self._refuse(key, f"a number from {low:g} to {high:g}")
        return float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        values = self.get(key)
        if not isinstance(values, list | tuple) or not all(isinstance(v, str) for v in values):
            self._refuse(key, "a list of texts")
        return tuple(values)

    def table(self, key: str) -> dict[str, Any]:
        """Return a table of fields that nobody but people reads."""
        value = self.get(key)
        if not isinstance(value, Mapping):
            self._refuse(key, "a table of fields")
        return dict(value)

    def fields(self, key: str) -> "Fields":
        """Return a table whose fields are read."""
        return Fields(self.get(key), f"{self._name}{key}.")

    def every(self, key: str, fewest: int, most: int) -> list["Fields"]:
        """Return the tables of a list."""
        values = self.get(key)
        if not isinstance(values, list | tuple) or not fewest <= len(values) <= most:
            self._refuse(key, f"a list of {fewest} to {most}")
        return [Fields(value, f"{self._name}{key}[{i}].") for i, value in enumerate(values)]

    def get(self, key: str) -> Any:
        """Return a value of any kind."""
        if key not in self._value:
            raise ValueError(f"{self._name}{key} is missing")
        return self._value[key]

    def has(self, key: str) -> bool:
        """Return whether a field is there and says something."""
        return self._value.get(key) is not None

    def _refuse(self, key: str, expected: str) -> NoReturn:
        shown = repr(self._value[key])
        cut = shown if len(shown) <= 60 else f"{shown[:57]}..."
        raise ValueError(f"{self._name}{key} is {cut}, not {expected}")


def _is_list(value: Any, count: int) -> bool:
    return isinstance(value, list | tuple) and len(value) == count


def _is_integer(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def is_finite(value: Any) -> bool:
    """Return whether a value is a number that a float can hold; true and false are none."""
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and abs(value) <= sys.float_info.max  # nan is not


def _parse(loads: Callable[[Any], Any], text: str | bytes) -> Any:
    _check_size(len(text))
    try:
        value = loads(text)
    except RecursionError as error:
        raise _too_deep() from error
    _check_depth(value)
    return value


def _read(path: Path) -> bytes:
    with regular(path).open("rb") as file:
        return file.read(LARGEST_BYTES + 1)


def _check_size(size: int) -> None:
    if size > LARGEST_BYTES:
        raise ValueError(f"it is larger than {LARGEST_BYTES >> 20} MiB")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise _too_deep()


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _too_deep() -> ValueError:
    return ValueError(f"it nests more than {DEEPEST} levels")
