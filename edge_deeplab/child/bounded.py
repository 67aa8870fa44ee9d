"""The parent's side of a bounded child: start it, ask it, and say in one sentence how it ended.

The idea to hold: a child is given nothing that it must give back. Whatever happens to it (a crash, a stall, a garbled
answer), it is killed, and the error names the file it was working on; the parent goes on.
"""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from typing import Any

from edge_deeplab import errors
from edge_deeplab.child.ending import LONGEST_REASON, Tail, last_line, signal_name
from edge_deeplab.child.limits import Limits
from edge_deeplab.child.messages import read_message, write_message
from edge_deeplab.child.worker import ANSWER, ERROR, FAILURE, NO_MEMORY
from edge_deeplab.errors import ChildError, EdgeDeepLabError
from edge_deeplab.text import printable

log = logging.getLogger(__name__)

_WORKER = "edge_deeplab.child.worker"
_PATIENCE_S = 5.0
"""How long a child that closed its pipe, or was killed, may take to be gone."""
_MORE_TIME = "allow it more time where it is to be trusted"
_MORE_MEMORY = "allow it more memory where it is to be trusted"


class BoundedChild:
    """A child process that serves one module's requests, for one thread at a time.

    Args:
        module: dotted name; its `service(**arguments)` returns the functions that answer requests, by name.
        subject: the file that it works on, for the error message.
        limits: its bounds.
        arguments: JSON values for `service`.

    Raises:
        ChildError: when no process can be started.
    """

    def __init__(self, module: str, *, subject: str, limits: Limits, **arguments: Any) -> None:
        self._subject, self._limits = subject, limits
        self._lost: tuple[str, ...] = ()
        scratch = _new_folder(subject)
        start = {
            "module": module,
            "arguments": arguments,
            "memory_bytes": limits.memory_bytes,
            "cpu_s": limits.cpu_s,
            "scratch": scratch,
        }
        try:
            # -P: the working directory, where a stranger's file lies, is no place to import from.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", _WORKER, json.dumps(start)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # The same for what the child starts. Its temporary files go with it.
                env={**os.environ, "PYTHONSAFEPATH": "1", "TMPDIR": scratch},
            )
        except OSError as error:
            shutil.rmtree(scratch, ignore_errors=True)
            raise _not_started(subject, error) from error
        assert self._process.stderr is not None, "it was asked for"
        self._stderr = Tail(self._process.stderr)
        self.close = weakref.finalize(self, _end, self._process, self._stderr, scratch, os.getpid())
        """Ends the process and removes its temporary files; called at the latest when this object goes."""

    def ask(self, request: str, /, **values: Any) -> dict[str, Any]:
        """Return the answer to a request.

        Args:
            request: name of the function that answers.
            values: JSON values and arrays.

        Raises:
            ChildError: when the child ends, stalls or gives no proper answer, now or earlier.
            EdgeDeepLabError: whatever of this package's errors the function raised.
        """
        if not self.close.alive:
            raise ChildError(self._subject, *(self._lost or ("it was closed", "open it again")))
        try:
            kind, answer = self._exchange(request, values)
        except (EOFError, BrokenPipeError):
            raise self._ended(*self._how_it_ended()) from None
        except ValueError as error:
            raise self._ended(f"its answer cannot be read: {printable(str(error))}") from error
        except BaseException:  # interrupted half-way: what comes next would answer this request
            self.close()
            raise
        if kind == ANSWER:
            return answer
        raise self._error_of(kind, answer)

    def _exchange(self, request: str, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        assert self._process.stdin is not None, "it was asked for"
        assert self._process.stdout is not None, "it was asked for"
        with _Deadline(self._process, self._limits.wall_s) as self._deadline:
            write_message(self._process.stdin, request, values)
            return read_message(self._process.stdout)

    def _error_of(self, kind: str, answer: dict[str, Any]) -> EdgeDeepLabError:
        """Return the error that a message which is no answer means."""
        try:
            if kind == ERROR:
                return _same_error(answer)
            if kind == FAILURE:
                reason = printable(f"{answer['type']}: {answer['message']}")
                log.debug("%s: in its own process:\n%s", self._subject, self._stderr.text())
                return self._ended(f"it failed with {reason[:LONGEST_REASON]}")
            if kind == NO_MEMORY:
                return self._ended(*self._out_of_memory())
            raise ValueError(f"a message of kind {kind!r:.40}")
        except (KeyError, TypeError, ValueError) as error:
            return self._ended(f"its answer cannot be read: {printable(str(error))}")

    def _ended(self, *ending: str) -> ChildError:
        """End a child that is of no more use, and return the error, which every later request gets too."""
        self._lost = ending
        self.close()
        return ChildError(self._subject, *ending)

    def _how_it_ended(self) -> tuple[str, ...]:
        """Return what became of a child whose pipe closed, and what to do where that is not to get another file."""
        try:
            code = self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            return ("it closed its pipe without an answer",)
        said = self._stderr.text()
        if self._deadline.passed:
            return f"it gave no answer in {self._limits.wall_s:g} s", _MORE_TIME
        if code < 0 and -code == getattr(signal, "SIGXCPU", None):
            return f"it took more than {self._limits.cpu_s} s of processor time", _MORE_TIME
        if "bad_alloc" in said:
            return self._out_of_memory()
        if code < 0:
            words = f"it was ended by {signal_name(-code)}"
            return (f"{words}: {last_line(said)}" if code == -signal.SIGABRT else words,)
        return (f"it ended with code {code}: {last_line(said)}",)

    def _out_of_memory(self) -> tuple[str, str]:
        gib = self._limits.memory_bytes / 2**30
        return f"it asked for more memory than the {gib:.1f} GiB that it may take", _MORE_MEMORY


def ask_once(
    module: str, request: str, /, *, subject: str, limits: Limits, **values: Any
) -> dict[str, Any]:
    """Start a child, ask it one thing and end it; arguments and errors as for `BoundedChild` and `ask`."""
    child = BoundedChild(module, subject=subject, limits=limits)
    try:
        return child.ask(request, **values)
    finally:
        child.close()


class _Deadline:
    """Kills a process when the block takes longer than it may by the clock.

    Args:
        process: what is waited for.
        seconds: how long.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", seconds: float) -> None:
        self.passed = False
        self._process = process
        self._timer = threading.Timer(seconds, self._stop)
        self._timer.daemon = True

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _stop(self) -> None:
        self.passed = True
        self._process.kill()


def _new_folder(subject: str) -> str:
    """Make a folder for a child's temporary files.

    Raises:
        ChildError: when there is no place for one.
    """
    try:
        return tempfile.mkdtemp(prefix="edge-deeplab-")
    except OSError as error:
        raise _not_started(subject, error) from error


def _not_started(subject: str, error: OSError) -> ChildError:
    return ChildError(subject, f"it could not be started: {error.strerror or error}")


def _end(process: "subprocess.Popen[bytes]", stderr: Tail, scratch: str, parent: int) -> None:
    """Kill a child, close what led to it, and remove what it left."""
    if os.getpid() != parent:
        return  # a fork of the parent, as a data loader's worker, has no say in it
    process.kill()
    for stream in (process.stdin, process.stdout):
        assert stream is not None, "it was asked for"
        try:
            stream.close()
        except BrokenPipeError:
            continue  # what was still to be written has no reader
    process.wait(_PATIENCE_S)
    stderr.close()
    shutil.rmtree(scratch, ignore_errors=True)


def _same_error(told: dict[str, Any]) -> EdgeDeepLabError:
    """Return the error that a child's function raised: of the same class, with the same message and data.

    Raises:
        KeyError, TypeError, ValueError: when it is none of this package's.
    """
    kind = getattr(errors, str(told["type"]), None)
    if not (isinstance(kind, type) and issubclass(kind, EdgeDeepLabError)):
        raise KeyError(f"no error of type {told['type']!r:.40}")
    error = kind.__new__(kind, str(told["message"]))
    data = dict(told["data"]).items()
    vars(error).update({k: tuple(v) if isinstance(v, list) else v for k, v in data})
    return error
