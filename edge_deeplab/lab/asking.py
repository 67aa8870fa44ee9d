"""Asks a tool, in a process of its own that is bounded and killed with all that it started.

The idea to hold: nothing that a tool does reaches further than one `ToolError`. It may crash, hang, print garbage, take
all memory or start processes; its replies alone, lines of JSON on a descriptor of their own, are believed once checked.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
from types import TracebackType
from typing import IO, Any

from edge_deeplab.child.ending import LONGEST_REASON, Tail, last_line, signal_name
from edge_deeplab.child.limits import Limits, bound_process
from edge_deeplab.documents import LARGEST_BYTES, Fields, parse_json
from edge_deeplab.errors import ToolError
from edge_deeplab.lab.environments import ToolStatus
from edge_deeplab.lab.tools import WORKERS
from edge_deeplab.lab.vulkan import find_driver
from edge_deeplab.text import printable

_SERVE = WORKERS / "serve.py"
_MEMORY_BYTES = 8 << 30
_REQUEST_S = 600.0
"""Seconds by the clock: the slowest compilation that was seen took 40, a simulator up to 20 a picture."""
_PATIENCE_S = 5.0
_ADVICE = "a file that it takes was expected; look at what the tool says, or leave the device out"


def bounds(requests: int = 1) -> Limits:
    """Return what a tool may take: memory, the clock for each request, and processor time for so many."""
    cpu_s = int(_REQUEST_S) * (os.cpu_count() or 1) * requests
    return Limits(_MEMORY_BYTES, cpu_s, _REQUEST_S)


def ask_tool(status: ToolStatus, verb: str, limits: Limits, /, **values: str) -> dict[str, Any]:
    """Return what a tool's worker answers to one request; arguments and errors as for `ToolProcess`."""
    with ToolProcess(status, limits) as process:
        return process.ask(verb, **values)


class ToolProcess:
    """A tool's worker in a process of its own, with a folder that is removed with it.

    Args:
        status: of a tool that can be used.
        limits: its bounds.

    Raises:
        ToolError: when the tool cannot be used or started.
    """

    def __init__(self, status: ToolStatus, limits: Limits) -> None:
        if status.python is None:
            raise ToolError(status.tool.name, status.lack or "it cannot be used")
        self._tool, self._limits = status.tool, limits
        self._folder = tempfile.TemporaryDirectory(prefix="edge-deeplab-lab-")
        reading, writing = os.pipe()
        command = [str(status.python), "-I", str(_SERVE), str(status.tool.script), str(writing)]
        driver = find_driver() if status.tool.needs_vulkan else None
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[writing],
                cwd=self._folder.name,
                env={**os.environ, **(driver or {}), "TMPDIR": self._folder.name},
                start_new_session=True,
            )
        except OSError as error:
            os.close(reading)
            self._folder.cleanup()
            reason = f"its worker cannot be started ({error.strerror}); install it again"
            raise ToolError(status.tool.name, reason) from error
        finally:
            os.close(writing)
        assert self._process.stdin is not None, "it was asked for"
        assert self._process.stdout is not None, "it was asked for"
        self._requests, self._said = self._process.stdin, Tail(self._process.stdout)
        self._replies = _Lines(os.fdopen(reading, "rb"))
        bound_process(self._process.pid, limits)

    def __enter__(self) -> "ToolProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, verb: str, /, **values: str) -> dict[str, Any]:
        """Return what the worker's function answers.

        Args:
            verb: its name.
            values: its arguments; the folder is added, but for `version`.

        Raises:
            ToolError: when it fails, ends, stalls, or gives no proper answer.
        """
        folder = {} if verb == "version" else {"folder": self._folder.name}
        request = json.dumps({"verb": verb, **values, **folder}) + "\n"
        with contextlib.suppress(BrokenPipeError):
            self._requests.write(request.encode())
            self._requests.flush()
        try:
            line = self._replies.next_line(self._limits.wall_s)
        except TimeoutError:
            raise self._failed(f"gave no answer in {self._limits.wall_s:g} s") from None
        if not line:
            raise self._failed(self._ending())
        return self._read(line)

    def close(self) -> None:
        """End the process and all that it started, and remove its folder."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses a dead group
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._replies.close()
        self._said.close()
        with contextlib.suppress(BrokenPipeError):
            self._requests.close()
        self._folder.cleanup()

    def _read(self, line: bytes) -> dict[str, Any]:
        try:
            reply = Fields(parse_json(line))
            failure = printable(reply.prose("failure")) if reply.has("failure") else None
            if failure is None:
                return reply.table("answer")
        except (ValueError, RecursionError) as error:
            raise self._failed(f"gave an answer that cannot be read ({error})") from error
        raise self._failed(f"failed with {failure[:LONGEST_REASON]}")

    def _ending(self) -> str:
        """Return how a process ended that closed its replies."""
        try:
            code = self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            return "closed its replies without an answer"
        said = self._said.text()
        if code < 0 and -code == signal.SIGXCPU:
            return f"took more than {self._limits.cpu_s} s of processor time"
        if "bad_alloc" in said or "MemoryError" in said:
            return f"asked for more memory than the {self._limits.memory_bytes / 2**30:.1f} GiB that it may take"
        how = f"was ended by {signal_name(-code)}" if code < 0 else f"ended with code {code}"
        return f"{how} without an answer; it said last: {last_line(said)}"

    def _failed(self, how: str) -> ToolError:
        return ToolError(self._tool.name, f"{self._tool.label} {how}; {_ADVICE}")


class _Lines:
    """Lines that another process writes, read in a thread so that they can be waited for.

    Args:
        stream: a pipe's end.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def next_line(self, seconds: float) -> bytes:
        """Return the next line; an empty one where the other process closed its end.

        Raises:
            TimeoutError: when none came in so many seconds.
        """
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty as error:
            raise TimeoutError from error

    def close(self) -> None:
        """Stop reading once the other process is gone; a process that still holds the pipe keeps it."""
        self._thread.join(timeout=_PATIENCE_S)
        if not self._thread.is_alive():
            self._stream.close()

    def _read(self) -> None:
        while line := self._stream.readline(LARGEST_BYTES):
            self._lines.put(line)
        self._lines.put(b"")
