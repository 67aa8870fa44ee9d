"""One run at a time in a folder: two would write one state, or remove each other's steps while they are being made."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from edge_deeplab.errors import OutputError

LOCK_FILE = ".lock"


@contextmanager
def held_alone(folder: Path, work: str) -> Iterator[None]:
    """Keep other runs out of a run's folder; the system lets them in when this process dies.

    Of processes that run together, as under torchrun, the first alone holds it.

    Args:
        folder: of the run; made when absent, and gone again where the run leaves nothing in it.
        work: what such a run is, for the error message.

    Raises:
        OutputError: when another run is at work there, or nothing can be written there.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    lock, was_there = FileLock(folder / LOCK_FILE, blocking=False), folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise OutputError(
            f"another {work} is at work in {folder}; a folder to itself was expected; "
            "wait until it ends, or choose another output; nothing there was changed"
        ) from error
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror}); a folder to write to was expected; choose another output"
        ) from error
    try:
        yield
    finally:
        if not was_there and [path.name for path in folder.iterdir()] == [LOCK_FILE]:
            (folder / LOCK_FILE).unlink()
            folder.rmdir()
        lock.release()
