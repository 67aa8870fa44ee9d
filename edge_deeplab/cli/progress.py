"""Progress on stderr: a bar with rate and time left on a terminal, a line every ten seconds elsewhere.

It keeps a handle of stderr of its own, because converters are cut off from stderr while they run.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from rich.progress import (
    BarColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

from edge_deeplab.cli.output import speaks
from edge_deeplab.cli.terminal import Terminal, say, stderr_is_terminal, styled
from edge_deeplab.progress import SILENT, Progress, Silent
from edge_deeplab.text import duration, printable

_LINE_EVERY_S = 10.0


@contextmanager
def drawn_progress() -> Iterator[Progress]:
    """Give what work is to tell its progress to; of several processes under torchrun, the first alone draws."""
    handle = _stderr_handle() if speaks() else None
    if handle is None:
        yield _Notes() if speaks() else SILENT
        return
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
        if not stderr_is_terminal():
            with _Lines(stream) as lines:
                yield lines
            return
        console = Terminal(file=stream)
        with RichProgress(*_columns(), console=console, transient=True) as bars:
            yield _Bar(bars)


def _stderr_handle() -> int | None:
    """Return a handle of stderr; None where it is closed or stands for no file, as where it is kept in memory."""
    try:
        return None if sys.stderr is None else os.dup(sys.stderr.fileno())
    except OSError:
        return None


class _Notes(Silent):
    """Says the lines that stay and no stages, on a stderr that is no file."""

    def note(self, text: str) -> None:
        """Say a line."""
        say(text, err=True)


class _Bar:
    """Draws the stage under way as one bar that vanishes when the command ends."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._task = bars.add_task("starting", total=None, unit="")

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        """Draw another stage in place of the one before."""
        self._bars.remove_task(self._task)
        self._task = self._bars.add_task(what, total=total, unit=unit)

    def advance(self, count: int = 1) -> None:
        """Move the bar."""
        self._bars.advance(self._task, count)

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._bars.console.print(styled(text))


class _Lines:
    """Writes where the stage under way stands, every ten seconds, also while it cannot report; short work says nothing.

    Args:
        stream: where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._what, self._unit, self._done = "starting", "", 0
        self._total: int | None = None
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._tell_now_and_then, daemon=True)

    def __enter__(self) -> "_Lines":
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._clock.join()

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        """Begin a stage."""
        self._what, self._total, self._unit, self._done = what, total, unit, 0
        self._began = time.monotonic()

    def advance(self, count: int = 1) -> None:
        """Count."""
        self._done += count

    def note(self, text: str) -> None:
        """Write a line."""
        with suppress(OSError):  # nobody reads it any more; the work goes on
            self._stream.write(f"{printable(text)}\n")
            self._stream.flush()

    def _tell_now_and_then(self) -> None:
        while not self._ended.wait(_LINE_EVERY_S):
            self.note(self._standing())

    def _standing(self) -> str:
        seconds = time.monotonic() - self._began
        if not self._done:
            return f"{self._what}, for {duration(seconds)}"
        rate = self._done / seconds
        line = f"{self._what}: {_counted(self._done, self._unit, self._total)}, {rate:.3g} a second"
        if self._total is None:
            return line
        return f"{line}, {duration((self._total - self._done) / rate)} left"


class _Stage(ProgressColumn):
    """What is under way, as it is spelled."""

    def render(self, task: Task) -> Text:
        """Return a stage's name."""
        return styled(task.description)


class _Count(ProgressColumn):
    """How many units are done, of how many, and how many a second; nothing for a stage that cannot report."""

    def render(self, task: Task) -> Text:
        """Return the count."""
        if task.total is None:
            return Text()
        rate = "" if not task.speed else f"  {task.speed:.3g}/s"
        return styled(_counted(int(task.completed), task.fields["unit"], int(task.total)) + rate)


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        SpinnerColumn(),
        _Stage(),
        BarColumn(),
        _Count(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )


def _counted(done: int, unit: str, total: int | None = None) -> str:
    count = str(done) if total is None else f"{done}/{total}"
    return f"{count} {unit}".rstrip()
