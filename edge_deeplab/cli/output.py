"""What every verb shares: `--json` and `--debug`, where output goes, and how an error ends the command.

stdout carries the result (a table, or with `--json` one JSON document and nothing else);
logs, progress and errors go to stderr.
"""

import errno
import json
import logging
import os
import re
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import isfinite
from types import FrameType
from typing import Annotated, Any, ParamSpec, TypeVar, cast

import typer

from edge_deeplab.cli.terminal import (
    ReaderGoneError,
    StdoutError,
    log_to_stderr,
    say,
    write_document,
)
from edge_deeplab.errors import ConfigError, EdgeDeepLabError, UnwrittenError
from edge_deeplab.extras import missing_dependency
from edge_deeplab.text import first_line

P = ParamSpec("P")
Result = TypeVar("Result")

_IMPORT_SYSTEM, _IMPORT_POLL_S = "<frozen importlib._bootstrap>", 0.05

_SIZE = re.compile(r"([0-9]{1,6})x([0-9]{1,6})", re.IGNORECASE)

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout, nothing else there.")
]
AllowPickleOption = Annotated[
    bool,
    typer.Option(
        "--allow-pickle",
        help="Also read a .pth that holds the tensors of one of this project's models, and nothing that could run.",
    ),
]
UnsafePickleOption = Annotated[
    bool,
    typer.Option(
        "--unsafe-pickle",
        help="Also read a .pth that holds other objects; unpickling runs code that its author chose.",
    ),
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@dataclass
class Ending:
    """How a command ends where its result stands and something that was asked for beside it could not be written.

    Args:
        unwritten: why, a sentence each.
    """

    unwritten: tuple[str, ...] = ()

    def result_of(
        self, verb: Callable[P, Result], *arguments: P.args, **keywords: P.kwargs
    ) -> Result:
        """Return what a verb returns, also where outputs beside it failed; the command ends with them, and code 1."""
        try:
            return verb(*arguments, **keywords)
        except UnwrittenError as error:
            self.unwritten = error.sentences
            return cast(Result, error.result)

    def print_json(self, document: Mapping[str, Any]) -> None:
        """Print a result's document, with `error` where an output beside it failed; errors as for `print_json`."""
        print_json({**document, "error": "; ".join(self.unwritten)} if self.unwritten else document)

    def tell(self) -> None:
        """Say on stderr what could not be written."""
        for sentence in self.unwritten:
            say(f"error: {sentence}", err=True)


@contextmanager
def ending_cleanly(*, as_json: bool, debug: bool) -> Iterator[Ending]:
    """Turn any failure into one sentence on stderr and exit code 1; `--debug` shows the traceback before it.

    With `--json` the sentence also goes to stdout as {"error": ...}, so that a script always finds one document there.
    Where only outputs beside a result failed (`Ending`), the document is the result's, with `error` in it.
    SIGTERM ends the command as Ctrl-C does, so that what was half written is removed. A reader of stdout that goes
    away, as `| head` does, ends it without a word.
    """
    log_to_stderr(logging.DEBUG if debug else logging.INFO)
    with interruptible() as came:
        ending = Ending()
        try:
            yield ending
        except (typer.Exit, typer.BadParameter):
            ending.tell()
            raise
        except ReaderGoneError as error:
            raise typer.Exit(1) from error
        except Exception as error:
            if came:  # what other packages make of an interrupt is not what the command failed with
                raise KeyboardInterrupt from error
            with suppress(StdoutError):
                _tell(error, as_json=as_json and not isinstance(error, StdoutError), debug=debug)
            raise typer.Exit(1) from error
        ending.tell()
        if ending.unwritten:
            raise typer.Exit(1)


@contextmanager
def interruptible() -> Iterator[Sequence[int]]:
    """While the block lasts, Ctrl-C and SIGTERM raise KeyboardInterrupt, unless the program was started to ignore them.

    An import is waited for: native packages that are interrupted while they are loaded end the process.

    Yields:
        The signals that came.
    """
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        if _is_importing(frame):
            again = threading.Timer(_IMPORT_POLL_S, signal.raise_signal, (number,))
            again.daemon = True
            again.start()
            return
        came.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield came  # only the main thread may set what a signal does
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    heard = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    try:
        for number in heard:
            signal.signal(number, interrupt)
        yield came
    finally:
        for number in heard:
            signal.signal(number, before[number])


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT_SYSTEM:
            return True
        frame = frame.f_back
    return False


def _tell(error: Exception, *, as_json: bool, debug: bool) -> None:
    """Print what a command failed with."""
    sentence = _sentence(error)
    if debug:
        for line in "".join(traceback.format_exception(error)).splitlines():
            say(line, err=True)
    if as_json:
        print_json({"error": sentence})
    say(f"error: {sentence}", err=True)


def _sentence(error: Exception) -> str:
    if isinstance(error, EdgeDeepLabError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and (missing := missing_dependency(error)):
        return str(missing)
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return (
            f"{str(error.filename)[:60]}... is longer than a name may be; a file, a folder or a shipped name was "
            "expected; check what was pasted"
        )
    return f"unexpected {type(error).__name__}: {first_line(error)}; run again with --debug for the traceback"


def speaks() -> bool:
    """Return whether this process tells results and progress: of several under torchrun, the first alone."""
    return os.environ.get("RANK", "0") == "0"


def print_json(document: Mapping[str, Any]) -> None:
    """Print the one JSON document of a command on stdout; errors as for `write_document`."""
    write_document(f"{json.dumps(document, indent=2, allow_nan=False)}\n")


@contextmanager
def reading_option(option: str) -> Iterator[None]:
    """Say of a value that cannot be meant, or is not among the choices, that the command line is wrong: exit code 2.

    Args:
        option: as it is spelled; what is checked in the block is its value alone.

    Raises:
        typer.BadParameter: for the block's ConfigError.
    """
    try:
        yield
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


@contextmanager
def naming_options(options: Mapping[str, str]) -> Iterator[None]:
    """Say with exit code 2 which option's value alone is wrong, where a request was refused for one.

    Args:
        options: by the request's field, as they are spelled; others are spelled as their field.

    Raises:
        typer.BadParameter: for the block's ConfigError that names a field.
    """
    try:
        yield
    except ConfigError as error:
        if error.field is None:
            raise
        option = options.get(error.field, f"--{error.field.replace('_', '-')}")
        raise typer.BadParameter(str(error), param_hint=option) from error


def finite(value: float | None) -> float | None:
    """Return an option's number; a callback of options with a range, which "nan" is neither below nor above.

    Raises:
        typer.BadParameter: when it is not finite.
    """
    if value is not None and not isfinite(value):
        raise typer.BadParameter(f"{value} is no finite number; write for example 0.5")
    return value


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Return (height, width) from "368x480"; None stays None.

    Raises:
        typer.BadParameter: when the text is not HxW of positive whole numbers.
    """
    if text is None:
        return None
    match = _SIZE.fullmatch(text)
    height, width = map(int, match.groups()) if match else (0, 0)
    if not (height and width):
        raise typer.BadParameter(
            f"size {text!r:.60} is not HxW in pixels; write height first, for example 368x480"
        )
    return height, width


def parse_sizes(text: str | None) -> tuple[tuple[int, int], ...]:
    """Return each (height, width) from "368x480,512x512"; none from None. Errors as for `parse_size`."""
    parts = () if text is None else text.split(",")
    return tuple(size for part in parts if (size := parse_size(part.strip())))
