"""Files that others name are read, and what was there before is never lost in writing: a sibling, then a rename."""

import contextlib
import glob
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

from edge_deeplab.errors import OutputError
from edge_deeplab.targets import TARGETS

PROBE = "edge-deeplab-probe"
"""What a folder is called that is made and removed at once, to learn whether one can be made."""

_READ_ENDINGS = {*(target.ending for target in TARGETS.values()), ".safetensors", ".json", ".toml"}
"""Of what commands read in folders and no page or plot is written to."""

_LONGEST_SHOWN = 128
"""Bytes of a name that its temporary siblings still show; file systems take 255, and an ending is added."""

BEST_FILE, LAST_FILE = "best.safetensors", "last.safetensors"
"""The checkpoints in a run's folder; what names the folder means the best."""

STATE_FILE = "state.safetensors"
"""What a run is resumed from."""


def path_inside(folder: Path, name: str) -> Path:
    """Return the path of something that a file says lies in a folder.

    Args:
        folder: a folder that the user named.
        name: relative to it, as a file's text has it; parts are separated by "/".

    Raises:
        ValueError: when it leads out of the folder, by itself or through a link.
    """
    path, relative = folder / name, Path(name)
    try:
        lies_inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:  # a link that leads to itself, a name too long
        raise ValueError(f"{name!r} leads nowhere") from error
    if relative.is_absolute() or ".." in relative.parts or not lies_inside:
        raise ValueError(f"{name!r} leads out of {folder}")
    return path


def names_apart(paths: Iterable[Path]) -> dict[Path, str]:
    """Return what people call each of several paths: its name, and as many folders above as tell it from the others."""
    several = list(dict.fromkeys(paths))
    names = {}
    for path in several:
        others = [other.parts for other in several if other != path]
        count = 1
        while count < len(path.parts) and any(p[-count:] == path.parts[-count:] for p in others):
            count += 1
        names[path] = str(Path(*path.parts[-count:]))
    return names


def real_path(path: Path) -> Path:
    """Return the absolute path, links followed as far as they lead anywhere: a link to itself is its own path."""
    return Path(os.path.realpath(path))


def regular(path: Path) -> Path:
    """Return the path of something that has an end and can be read now: a file, or what a link to one leads to.

    A device such as /dev/zero never ends, and a pipe waits for somebody to write. What does not exist is left to who
    opens it.

    Raises:
        OSError: when another thing lies there.
    """
    if path.exists() and not path.is_file():
        kind = "folder" if path.is_dir() else "device or a pipe"
        raise OSError(f"a {kind} lies there, not a file")
    return path


def file_sha256(path: Path) -> str:
    """Return the hash of a file, as self-descriptions hold it.

    Raises:
        OSError: when it cannot be read, or is none.
    """
    with regular(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def replace_when_complete(path: Path) -> Iterator[Path]:
    """Give a temporary sibling path to write a file or folder to; rename it onto `path` when the block ends well.

    The sibling keeps the ending of `path` (converters look at it); missing folders above it are made, whatever is
    written. When the block raises, the sibling is removed and `path` is left as it was. A folder is only replaced by a
    folder, a file by a file.

    Raises:
        OutputError: when the place cannot be written (permissions, full disk), or is taken by something else.
    """
    staging: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=_staging_prefix(path), dir=path.parent))
        temporary = staging / path.name
        yield temporary
        _swap(temporary, path, staging)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


def _swap(temporary: Path, path: Path, staging: Path) -> None:
    """Rename onto `path`; a folder cannot be renamed onto a folder, so the old one steps aside first.

    A link is replaced by what is written, and what it leads to stays as it is.

    Raises:
        OutputError: when `path` is a folder and the new thing is a file or the other way round, or is a device.
    """
    wanted = "folder" if temporary.is_dir() else "file"
    _refuse_another_kind(path, wanted)
    if wanted == "folder" and (path.is_dir() or path.is_symlink()):
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


def check_writable(path: Path, wanted: Literal["file", "folder"]) -> None:
    """Check, before any work, that a file can be written or a folder be written to; nothing is made.

    Raises:
        OutputError: when the place is taken by something else, or cannot be written.
    """
    try:
        _refuse_another_kind(path, wanted)
        above = path if wanted == "folder" else path.parent
        nearest = next(folder for folder in (above, *above.parents) if folder.exists())
        Path(tempfile.mkdtemp(prefix=f".{PROBE}.", dir=nearest)).rmdir()
    except OSError as error:
        raise _unwritable(path, error) from error


def check_outputs(
    *files: Path | None, folders: Iterable[Path | None] = (), read: Iterable[Path]
) -> None:
    """Check, before any work, that outputs can be written, none over what is read, and no two to one place.

    A page or a plot may lie in a folder that is read, but not where a model, a checkpoint or a document lies there.

    Args:
        files: places of files; None for one that is not asked for.
        folders: places of folders, likewise.
        read: files and folders that are read.

    Raises:
        OutputError: naming the first place that is taken or cannot be written.
    """
    named_files = [path for path in files if path is not None]
    named_folders = [path for path in folders if path is not None]
    for path in named_files:
        check_writable(path, "file")
    for path in named_folders:
        check_writable(path, "folder")
    _check_apart((*named_files, *named_folders), read)


def _check_apart(written: Iterable[Path], read: Iterable[Path]) -> None:
    taken = {real_path(path): f"{path} is read" for path in read}
    for path in written:
        place = real_path(path)
        found = taken.get(place)
        if path.exists() and path.suffix.lower() in _READ_ENDINGS:
            around = (taken.get(above, "") for above in place.parents)
            found = found or next((f"{path} lies where {it}" for it in around if it), None)
        if found is not None:
            raise OutputError(
                f"{found} and would be written over; a place of its own was expected for each output; name another"
            )
        taken[place] = f"{path} is written"


def check_replaceable(folder: Path, marker: str, is_own: Callable[[str], bool]) -> None:
    """Check that replacing a folder would lose nothing but what was written there the same way before.

    Args:
        folder: which may be absent or empty.
        marker: a file that what is written always holds.
        is_own: whether an entry of that name may be in there.

    Raises:
        OutputError: when something else lies there.
    """
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    others = [name for name in names if not is_own(name)]
    if others or (names and marker not in names):
        found = others[0] if others else f"{names[0]} without {marker}"
        raise OutputError(
            f"{folder} would be replaced and holds something else ({found}); a new folder, an empty one, or one that "
            "was written the same way before was expected; name another"
        )


def _refuse_another_kind(path: Path, wanted: str) -> None:
    if path.exists() and not (path.is_dir() if wanted == "folder" else path.is_file()):
        found = "folder" if path.is_dir() else "file" if path.is_file() else "device"
        raise OutputError(
            f"{path} is a {found} and a {wanted} was to be written there; name another place; "
            "what was there before is untouched"
        )


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path} cannot be written ({error.strerror or error}); a writable folder with free space was expected; "
        "choose another output; what was there before is untouched"
    )


def remove_leftovers(path: Path) -> None:
    """Remove the temporary siblings of `path` that writers left behind when they were killed."""
    for staging in path.parent.glob(f"{glob.escape(_staging_prefix(path))}*"):
        shutil.rmtree(staging, ignore_errors=True)


def _staging_prefix(path: Path) -> str:
    """Return how temporary siblings begin: with the name, or with its hash where the rest would make it too long."""
    name = os.fsencode(path.name)
    known = path.name if len(name) <= _LONGEST_SHOWN else hashlib.sha256(name).hexdigest()
    return f".{known}."


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file through a temporary sibling; `path` holds either the old content or all of the new."""
    data = content.encode() if isinstance(content, str) else content
    with replace_when_complete(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
