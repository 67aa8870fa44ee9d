"""Where third-party converters are called: their errors are mapped once, and what they print is kept away.

Converters print progress bars, banners and warnings, from Python, from C++ and into notebooks. While they run, all
of it becomes DEBUG log records, which `--debug` shows; what went wrong reaches the user as an
exception.
"""

import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import IO, Any

from edge_deeplab.errors import ConversionError, EdgeDeepLabError
from edge_deeplab.text import first_line

logger = logging.getLogger(__name__)


class _DebugLog(io.TextIOBase):
    """A stream whose lines become DEBUG records. It never closes: log handlers made meanwhile may keep it."""

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                logger.debug("%s", line.rstrip())
        return len(text)

    def writable(self) -> bool:
        return True


_DEBUG_LOG = _DebugLog()


@contextmanager
def quietly() -> Iterator[None]:
    """Send everything that is printed, logged at root level or warned inside the block to the DEBUG log."""
    with ExitStack() as stack:
        sink = stack.enter_context(tempfile.TemporaryFile("w+", errors="replace"))
        stack.callback(_log_lines, sink)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for descriptor in (1, 2):
            stack.enter_context(_descriptor_into(sink, descriptor))
        stack.enter_context(redirect_stdout(_DEBUG_LOG))
        stack.enter_context(redirect_stderr(_DEBUG_LOG))
        stack.enter_context(_library_handlers_into(_DEBUG_LOG))
        stack.enter_context(_root_logger_at(logging.ERROR))
        stack.enter_context(_environment("LITERT_TORCH_SHOW_PROGRESS", "n"))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _descriptor_into(sink: IO[str], descriptor: int) -> Iterator[None]:
    """Point an operating-system file descriptor at `sink`: C++ writes there directly."""
    saved = os.dup(descriptor)
    os.dup2(sink.fileno(), descriptor)
    try:
        yield
    finally:
        os.dup2(saved, descriptor)
        os.close(saved)


@contextmanager
def _library_handlers_into(stream: io.TextIOBase) -> Iterator[None]:
    """Point the handlers that libraries gave their own loggers at `stream`: a notebook's stderr is no descriptor."""
    loggers = [
        known
        for known in logging.root.manager.loggerDict.values()
        if isinstance(known, logging.Logger)
    ]
    handlers = {h for each in loggers for h in each.handlers if type(h) is logging.StreamHandler}
    handlers -= _handlers_of(logger)  # they are where `stream` ends
    before = [(handler, handler.stream) for handler in handlers]
    for handler in handlers:
        _point(handler, stream)
    try:
        yield
    finally:
        for handler, its_own in before:
            _point(handler, its_own)


def _point(handler: logging.StreamHandler[Any], stream: Any) -> None:
    """Set where a handler writes; `setStream` would refuse where its stream was closed in the meantime."""
    if not getattr(handler.stream, "closed", False):
        handler.flush()
    handler.stream = stream


def _handlers_of(own: logging.Logger) -> set[logging.Handler]:
    """Return the handlers that see a logger's records."""
    found, parent = set(own.handlers), own.parent
    while parent is not None:
        found |= set(parent.handlers)
        parent = parent.parent
    return found


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Set an environment variable: litert-torch shows a notebook its progress past stdout, and asks this one before."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


@contextmanager
def _root_logger_at(level: int) -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    root.setLevel(level)
    try:
        yield
    finally:
        root.setLevel(before)


def _log_lines(sink: IO[str]) -> None:
    sink.seek(0)
    _DEBUG_LOG.write(sink.read())


@contextmanager
def calling(converter: str, target: str) -> Iterator[None]:
    """Run a third-party converter inside the block.

    Args:
        converter: its name, for the error.
        target: what it converts to, for the error.

    Raises:
        ConversionError: for whatever it raises, other than a file that could not be written (OSError)
            and this project's own errors, which pass.
    """
    try:
        with quietly():
            yield
    except (EdgeDeepLabError, OSError):
        raise
    except Exception as error:
        raise ConversionError(
            f"{converter} failed to convert to {target} ({type(error).__name__}: {first_line(error)}); a graph that it "
            "can lower was expected; doctor tests the installed converters, and the debug log has the rest"
        ) from error
