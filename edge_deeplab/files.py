"""Writing files so that nothing that was there before is lost: a temporary sibling, then a rename."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge_deeplab.errors import OutputError


@contextlib.contextmanager
def replace_when_complete(path: Path) -> Iterator[Path]:
    """Give a temporary sibling path to write a file or folder to; rename it onto `path` when the block ends well.

    The sibling keeps the ending of `path` (converters look at it). When the block raises, the sibling
    is removed and `path` is left as it was. A folder is only replaced by a folder, a file by a file.

    Raises:
        OutputError: when the place cannot be written (permissions, full disk), or is taken by something else.
    """
    staging: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        temporary = staging / path.name
        yield temporary
        _swap(temporary, path, staging)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}); a writable folder with free space was expected; "
            "choose another --output; what was there before is untouched"
        ) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


def _swap(temporary: Path, path: Path, staging: Path) -> None:
    """Rename onto `path`; a folder cannot be renamed onto a folder, so the old one steps aside first.

    Raises:
        OutputError: when `path` is a folder and the new thing is a file or the other way round, or is a device.
    """
    wanted = "folder" if temporary.is_dir() else "file"
    if path.exists() and not (path.is_dir() if wanted == "folder" else path.is_file()):
        found = "folder" if path.is_dir() else "file" if path.is_file() else "device"
        raise OutputError(
            f"{path} is a {found} and a {wanted} was to be written there; name another place; "
            "what was there before is untouched"
        )
    if path.is_dir() and not path.is_symlink():
        aside = staging / "previous"
        try:
            path.rename(aside)
            temporary.rename(path)
        except BaseException:  # a signal too: what steps aside is removed with the staging folder
            if aside.exists() and not path.exists():
                aside.rename(path)
            raise
    else:
        temporary.replace(path)


def remove_leftovers(path: Path) -> None:
    """Remove the temporary siblings of `path` that writers left behind when they were killed."""
    for staging in path.parent.glob(f".{path.name}.*"):
        shutil.rmtree(staging, ignore_errors=True)


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file through a temporary sibling; `path` holds either the old content or all of the new."""
    data = content.encode() if isinstance(content, str) else content
    with replace_when_complete(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
