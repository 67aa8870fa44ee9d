"""One chain at a time in a folder: two would remove each other's steps while they are being made."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from edge_deeplab.errors import OutputError

LOCK_FILE = ".lock"


@contextmanager
def held_alone(folder: Path) -> Iterator[None]:
    """Keep other chains out of a run's folder; the system lets them in when this process dies.

    Args:
        folder: of the run; made when absent.

    Raises:
        OutputError: when another chain is at work there, or nothing can be written there.
    """
    lock = FileLock(folder / LOCK_FILE, blocking=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise OutputError(
            f"another compress is at work in {folder}; a folder to itself was expected; "
            "wait until it ends, or choose another output; nothing there was changed"
        ) from error
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror}); a folder to write to was expected; choose another output"
        ) from error
    try:
        yield
    finally:
        lock.release()
