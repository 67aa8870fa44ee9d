"""How every reader takes in a file from a stranger: sizes bounded, failure one sentence."""

from pathlib import Path

from edge_deeplab.errors import ArtifactError
from edge_deeplab.files import regular
from edge_deeplab.text import first_line, printable

LONGEST_SETTING = 64
"""Settings with more numbers or letters than this are data, not settings."""
LARGEST_FILE = 2**31 - 1
"""Flatbuffers and protobufs end at 2 GiB."""
RECORD_BYTES, ENTRY_BYTES = 400, 40
"""What a tensor or operator costs in memory once it is read, and what each of its sizes, names and settings adds."""
_TIMES_THE_FILE, _FEWEST_BYTES, _MOST_BYTES = 10, 1 << 24, 1 << 25


def read_bytes(
    path: Path, *, largest: int = LARGEST_FILE, wanted: str = "an exported model"
) -> bytes:
    """Return a file's content.

    Args:
        path: the file.
        largest: bytes that it may have.
        wanted: what the file should be, for people.

    Raises:
        ArtifactError: when it does not exist, cannot be read, is empty or larger than it may be.
    """
    try:
        size = regular(path).stat().st_size
        if not 0 < size <= largest:
            expected = f"{wanted} of 1 to {largest} bytes"
            raise unreadable(path, expected, f"it has {size} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read ({error.strerror or error}); {wanted} was expected; check the path"
        ) from error


def unreadable(path: Path, expected: str, what: str) -> ArtifactError:
    """Return the error for content that is not what the file's ending says."""
    reason = printable(first_line(what))
    return ArtifactError(
        f"{path} cannot be read ({reason[:200]}); {expected} was expected; export or download it again"
    )


class ReadingBudget:
    """Bounds the memory, and so the time, that reading a file can ask for.

    Offsets in a mutated flatbuffer may make thousands of vectors share the same large stretch of bytes, and an empty
    node of a protobuf takes two bytes in the file and hundreds in memory.

    Args:
        total: bytes that may be spent in all.
    """

    def __init__(self, total: int) -> None:
        self._total = self._left = total

    @classmethod
    def for_file(cls, size: int) -> "ReadingBudget":
        """Return the budget of a file of `size` bytes: ten times as many, from 16 MiB to 32 MiB.

        16 MiB hold 30,000 plain operators, which any file may list; 32 MiB are what is judged within seconds.
        """
        return cls(min(max(_TIMES_THE_FILE * size, _FEWEST_BYTES), _MOST_BYTES))

    def spend(self, count: int, each: int = 1) -> int:
        """Return `count`, taken off what is left at `each` bytes.

        Raises:
            ValueError: when nothing is left or the count is negative.
        """
        self._left -= count * each
        if count < 0 or self._left < 0:
            raise ValueError(
                f"it asks for more memory than the {self._total >> 20} MiB that this checker allows a file of its "
                "size; that is a limit of the checker, not of the format"
            )
        return count
