"""Where text leaves the program: the one place that every table, line, bar, log record and document passes.

Names in strangers' files, paths and other packages' messages are shown as they are spelled and steer nothing: no
character of theirs reaches a terminal as a control, and none is read as markup. Styles are given by `Text` objects.
"""

import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TextIO, cast

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.text import Text

from edge_deeplab.errors import OutputError
from edge_deeplab.text import printable, printable_lines

_PIPED_WIDTH = 160
"""Columns where nobody's terminal sets them (a log, a file), so that no path is cut."""
_LEAST_ROOM = 28
"""Columns that text is given however narrow the terminal is; it goes on in the next line there."""
_STOPPING = (signal.SIGINT, signal.SIGTERM)


class StdoutError(OutputError):
    """Standard output cannot take the result; nothing more is written there."""


class ReaderGoneError(StdoutError):
    """Whoever read standard output went away, as `| head` does."""


class Terminal(Console):
    """A console that shows strings as they are spelled, each on one line; arguments as for rich's.

    What is measured (`render_str`) and what is written (`render`) is made printable, so that columns fit, and so that
    text in any renderable, rich's own ones included, is.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(markup=False, highlight=False, emoji=False, **arguments)

    def print(self, *objects: Any, crop: bool = False, **arguments: Any) -> None:
        """Print renderables and lines; what is longer than a line goes on in the next one, and no word is broken."""
        shown = (whole(each) if isinstance(each, str) else each for each in objects)
        super().print(*shown, crop=crop, **arguments)

    def on_broken_pipe(self) -> None:
        """End what writes to a reader that went away.

        Raises:
            ReaderGoneError: always.
        """
        self.quiet = True
        raise _failure(cast(TextIO, self.file), BrokenPipeError())

    def render_str(self, text: str, **arguments: Any) -> Text:
        """Return a string as `Text` of one line."""
        return super().render_str(printable(text), **arguments)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Give what a renderable is written as; only rich's own cursor movements stay controls."""
        for segment in super().render(renderable, options):
            if segment.control is None:
                yield Segment(printable_lines(segment.text), segment.style)
            else:
                yield segment


def stdout_console() -> Terminal:
    """Return the console that results go to."""
    console = Terminal()
    return console if console.is_terminal else Terminal(width=_PIPED_WIDTH)


def stderr_is_terminal() -> bool:
    """Return whether somebody watches stderr."""
    return sys.stderr is not None and sys.stderr.isatty()


def styled(text: str, style: str = "") -> Text:
    """Return a line in a style of ours."""
    return Text(printable(text), style)


class Whole:
    """Text that is wrapped between words and never within one, however long that is.

    Args:
        text: of one line or several.
        label: stands before the first line; all others are indented by its width.
    """

    def __init__(self, text: Text, label: Text | None = None) -> None:
        self.text = text
        self._label = label or Text()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give the lines."""
        start, indent = self._label, " " * self._label.cell_len
        for line in self.text.split(allow_blank=True) or [self.text]:
            room = options.max_width - len(indent)
            for part in line.divide(_word_ends(line.plain, max(room, _LEAST_ROOM))):
                part.rstrip()
                yield Text.assemble(start, part, no_wrap=True, overflow="ignore")
                start = Text(indent)


def _word_ends(line: str, room: int) -> list[int]:
    """Return where a line is divided, so that each part has room but for words that are longer by themselves."""
    offsets, start = [], 0
    for word in re.finditer(r"\S+", line):
        if cell_len(line[start : word.end()]) > room and line[start : word.start()].strip():
            start = word.start()
            offsets.append(start)
    return offsets


def whole(text: str, style: str = "", *, indent: int = 0) -> Whole:
    """Return a line of which no word is broken."""
    return Whole(Text(printable(text), style), Text(" " * indent))


def stacked(lines: Iterable[str]) -> Text:
    """Return lines below each other, for one cell of a table."""
    return Text("\n".join(map(printable, lines)))


def say(line: str, *, err: bool = False) -> None:
    """Print one line on stdout, or on stderr, where what cannot be written is lost; errors as for `write_document`."""
    text = f"{printable(line)}\n"
    if not err:
        _write(sys.stdout, text)
        return
    with suppress(StdoutError):
        _write(sys.stderr, text)


def write_document(text: str) -> None:
    """Write the one document of a command on stdout.

    A signal that would stop the command half way is obeyed once the document is written.

    Raises:
        ReaderGoneError: when nobody reads stdout any more.
        StdoutError: when stdout cannot take it, as a full disk cannot.
    """
    with _stopped_afterwards():
        _write(sys.stdout, text)


class LineFormatter(logging.Formatter):
    """Log records as the terminal may show them: a message is one line, a traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's name)
        """Return the message."""
        return printable(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        """Return the message, and the traceback that belongs to it."""
        return printable_lines(super().format(record))


def log_to_stderr(level: int) -> None:
    """Send the package's log records of a level or above, and other packages' warnings and errors, to stderr."""
    if not logging.root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(LineFormatter("%(message)s"))
        logging.root.addHandler(handler)
    logging.getLogger("edge_deeplab").setLevel(level)


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # closed by whoever started the program
        return
    try:
        _write_all(stream, text)
    except OSError as error:
        raise _failure(stream, error) from error


def _write_all(stream: TextIO, text: str) -> None:
    """Write all of a text; by itself an unbuffered stream leaves off where a signal comes."""
    stream.flush()
    raw = getattr(stream, "buffer", None)
    if raw is None:  # in memory
        stream.write(text)
        return
    left = memoryview(text.encode(stream.encoding, stream.errors or "strict"))
    while left:
        left = left[raw.write(left) or 0 :]
    raw.flush()


def _failure(stream: TextIO, error: OSError) -> StdoutError:
    """Return what a stream's failure means; what it still holds and whatever comes is thrown away."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    if isinstance(error, BrokenPipeError):
        return ReaderGoneError("nobody reads the output any more")
    return StdoutError(
        f"the result cannot be written to standard output ({error.strerror or error}); a place with free space was "
        "expected; send it elsewhere"
    )


@contextmanager
def _stopped_afterwards() -> Iterator[None]:
    """Put a signal that stops the program off until the block has ended.

    Handlers are exchanged and not blocked: a signal may reach any thread of the process, and those of other packages
    block nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set what a signal does, and it alone is interrupted
        return
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.getsignal(number) for number in _STOPPING}
    try:
        for number in _STOPPING:
            signal.signal(number, note)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
