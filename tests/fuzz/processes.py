"""Watching a process and all that it has started: how much memory they hold, and ending them together. Linux only."""

import ctypes
import os
import signal
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_OPENED, _DELETED = 0x20, 0x400
_NOT_BLOCKING = os.O_NONBLOCK


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    members = [pid]
    for member in members:
        with suppress(OSError):
            for thread in (_PROC / str(member) / "task").iterdir():
                members += map(int, (thread / "children").read_text().split())
    return members


def resident_bytes(pid: int) -> int:
    """Return the memory that a process and its descendants hold."""
    total = 0
    for member in family(pid):
        with suppress(OSError, IndexError):
            total += int((_PROC / str(member) / "statm").read_text().split()[1]) * _PAGE_BYTES
    return total


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process, its descendants and those of them that have ended."""
    ticks = 0
    for member in family(pid):
        with suppress(OSError, IndexError):
            fields = (_PROC / str(member) / "stat").read_text().rpartition(")")[2].split()
            ticks += sum(
                map(int, fields[11:15])
            )  # its own and its ended children's, user and system
    return ticks / _TICKS


def end(pid: int) -> None:
    """End a process and its descendants at once."""
    for member in family(pid):
        with suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)


class Guard:
    """Notices when a file is opened or deleted, by anybody and through any path.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = library.inotify_init1(_NOT_BLOCKING)
        watch = library.inotify_add_watch(self._descriptor, os.fsencode(path), _OPENED | _DELETED)
        if min(self._descriptor, watch) < 0:
            raise OSError(ctypes.get_errno(), "the file cannot be watched", str(path))

    def touched(self) -> bool:
        """Tell whether it was, since this was last asked."""
        try:
            return bool(os.read(self._descriptor, 1 << 16))
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Stop watching."""
        os.close(self._descriptor)
