"""What no mutant may do, done on purpose: each of these must be found, or the fuzzer finds nothing."""

import ctypes
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

import typer

from edge_deeplab.errors import DataError
from tests.fuzz.calls import Case
from tests.fuzz.dice import OUTSIDE

HANG_S = 600.0
HOARD_BYTES = 5 << 29
SHORT_LIMIT_S = 0.5
"""A hang is planted with this limit, so that finding it takes seconds."""


def pass_by(case: Case) -> None:
    """Do nothing."""


def refuse(case: Case) -> None:
    """Refuse in one sentence."""
    raise DataError("a mutant came; a valid file was expected; mend it")


def crash(case: Case) -> None:
    """Read memory that is not there."""
    ctypes.string_at(1)


def hang(case: Case) -> None:
    """Wait."""
    time.sleep(HANG_S)


def hoard(case: Case) -> None:
    """Hold 2.5 GiB."""
    held = bytearray(b"\1") * HOARD_BYTES
    time.sleep(HANG_S)
    del held


def hoard_in_child(case: Case) -> None:
    """Let a child process hold 2.5 GiB."""
    code = f"import time; held = bytearray(b'\\1') * {HOARD_BYTES}; time.sleep({HANG_S})"
    subprocess.run([sys.executable, "-c", code], check=True)


def raise_key_error(case: Case) -> None:
    """Fail as nobody foresaw."""
    raise KeyError("missing")


def leave(case: Case) -> None:
    """End the process."""
    sys.exit(3)


def lay_bare(case: Case) -> None:
    """Say Python's own words."""
    typer.echo(
        "error: unexpected KeyError: 'x'; run again with --debug for the traceback", err=True
    )


def steer(case: Case) -> None:
    """Send the terminal a command."""
    typer.echo("error: \x1b]0;owned\x07", err=True)


def look_outside(case: Case) -> None:
    """Read the file beside the mutant's folder."""
    for folder in case.path.parents:
        if (folder / OUTSIDE).is_file():
            (folder / OUTSIDE).read_bytes()


def survive_crash_of_child(case: Case) -> None:
    """Refuse what has ended a child process: as a bounded child should."""
    code = "import ctypes; ctypes.string_at(1)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    raise DataError(f"a child ended with {done.returncode}; 0 was expected; do not trust the file")


FOUND: Mapping[Callable[[Case], None], str] = {
    crash: "crashes",
    hang: "takes more than",
    hoard: "takes 2 GiB",
    hoard_in_child: "takes 2 GiB",
    raise_key_error: "KeyError",
    leave: "SystemExit",
    lay_bare: "lays bare",
    steer: "steers a terminal",
    look_outside: "opens a file outside",
}
"""What is planted, and the words of the ending that finds it."""

HARMLESS = (pass_by, refuse, survive_crash_of_child)
