"""How every reader takes in a file from a stranger: sizes bounded, failure one sentence."""

from pathlib import Path

from edge_deeplab.errors import ArtifactError

LONGEST_SETTING = 64
"""Settings with more numbers or letters than this are data, not settings."""
LARGEST_FILE = 2**31 - 1
"""Flatbuffers and protobufs end at 2 GiB."""


def read_bytes(path: Path) -> bytes:
    """Return a file's content.

    Raises:
        ArtifactError: when it does not exist, cannot be read, is empty or larger than the formats allow.
    """
    try:
        size = path.stat().st_size
        if not 0 < size <= LARGEST_FILE:
            raise unreadable(path, "an exported model of 1 byte to 2 GiB", f"it has {size} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read ({error.strerror or error}); an exported model was expected; check the path"
        ) from error


def unreadable(path: Path, expected: str, what: str) -> ArtifactError:
    """Return the error for content that is not what the file's ending says."""
    reason = what.strip().splitlines()[0] if what.strip() else "no reason given"
    return ArtifactError(
        f"{path} cannot be read ({reason[:200]}); {expected} was expected; export or download it again"
    )


class Budget:
    """Bounds the work that a file can ask for: the vectors of an honest file fit in it, so their total does too.

    Offsets in a mutated flatbuffer may make thousands of vectors share the same large stretch of bytes.

    Args:
        total: elements that may be read in all.
    """

    def __init__(self, total: int) -> None:
        self._left = total

    def spend(self, count: int) -> int:
        """Return `count`, taken off what is left.

        Raises:
            ValueError: when nothing is left or the count is negative.
        """
        self._left -= count
        if count < 0 or self._left < 0:
            raise ValueError("its vectors hold more than the file")
        return count
