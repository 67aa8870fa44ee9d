"""What a reader of a format is: it finds where quantized tensors stand first, and reads their numbers when asked.

The bounds that all readers share stand here as well, because the files may be anybody's.
"""

from collections.abc import Sequence
from typing import Protocol

from edge_deeplab.formats.source import ReadingBudget
from edge_deeplab.formats.stored.tensor import StoredTensor

_TIMES_THE_FILE, _FEWEST_BYTES = 10, 1 << 24


class StoredReader(Protocol):
    """One opened file."""

    @property
    def names(self) -> Sequence[str]:
        """Every quantized tensor and every bias beside quantized weights, in the file's order."""

    def tensor(self, name: str) -> StoredTensor:
        """Return what the file holds of one of `names`.

        Raises:
            ValueError: when its numbers cannot be read.
        """


def numbers_budget(size: int) -> ReadingBudget:
    """Return the budget of the bytes of numbers read from a file of `size` bytes.

    Many tensors of a crafted file may name the same stretch of it; an honest one names each about once.
    """
    return ReadingBudget(max(_TIMES_THE_FILE * size, _FEWEST_BYTES))
