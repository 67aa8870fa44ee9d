"""What a fact is: one record with its name, its meaning, the words for it, and how it is computed from an operator."""

from collections.abc import Callable
from dataclasses import dataclass

from edge_deeplab.formats.graph import Operator

Value = int | float | bool | str
"""What a fact says of one operator."""
Compute = Callable[[Operator], Value | None]


@dataclass(frozen=True)
class Fact:
    """Something that rules may ask about an operator, under one name in every format.

    Args:
        name: as rules write it.
        meaning: what it tells.
        compute: gives its value, or None where the file does not tell it; None for a fact that no operator alone tells:
            of a device, of the whole file, of what was observed.
        formats: those whose files tell it; none named stands for all.
        words: what it is called in a sentence; "" where that is its name.
        yes_and_no: what a sentence says where it holds and where it does not; None for "WORDS" and "not WORDS".
    """

    name: str
    meaning: str
    compute: Compute | None = None
    formats: tuple[str, ...] = ()
    words: str = ""
    yes_and_no: tuple[str, str] | None = None

    @property
    def told_as(self) -> str:
        """What it is called in a sentence: "kernel rows" for "kernel_h"."""
        return self.words or self.name.replace("_", " ")
