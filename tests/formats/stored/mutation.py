"""Single-number changes of quantized files, made in memory, for one reader of the number alone, and taken back.

What is changed is found in the file itself, not through the reader under test. Each change is the smallest that the
number's type allows, so that whatever finds it finds larger ones. A saved copy of the file as it stands shows that
reading memory and reading a file is the same.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from edge_deeplab.formats.stored.reader import StoredReader

Kind = Literal["weight", "scale", "zero point", "axis", "idle axis", "bias"]


@dataclass(frozen=True)
class Changes:
    """The numbers of one kind at one place of a file.

    Args:
        kind: what they are.
        place: where, for people.
        each: changes one after the other, and takes each back when the next is asked for.
        open: opens the file as it stands.
    """

    kind: Kind
    place: str
    each: Callable[[], Iterator[None]]
    open: Callable[[], StoredReader]


class MutableFile(Protocol):
    """A file that can be changed in memory."""

    def changes(self, *, weights: bool) -> Iterator[Changes]:
        """Yield every place that states numbers; integers of weights only when asked for."""

    def save(self, folder: Path) -> Path:
        """Write the file as it stands."""


def next_to(number: Any) -> Any:
    """Return the nearest other number of the same type."""
    if number.dtype.kind == "f":
        return np.nextafter(number, number.dtype.type(np.inf))
    return number - 1 if number == np.iinfo(number.dtype).max else number + 1


def changed_one_by_one(numbers: npt.NDArray[Any]) -> Iterator[None]:
    """Change each number of a writable array to the one beside it, and put it back."""
    flat = numbers.reshape(-1)
    assert np.shares_memory(flat, numbers)
    for index, kept in enumerate(flat.copy()):
        flat[index] = next_to(kept)
        yield
        flat[index] = kept
