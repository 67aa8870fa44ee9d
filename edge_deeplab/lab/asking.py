"""Asks a tool one thing, in a process of its own that is bounded and killed with all that it started.

The idea to hold: nothing that a tool does reaches further than one `ToolError`. It may crash, hang, print garbage, take
all memory or start processes; the reply alone, a JSON document on a descriptor of its own, is believed, once checked.
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from edge_deeplab.child.ending import LONGEST_REASON, Tail, last_line, signal_name
from edge_deeplab.child.limits import Limits
from edge_deeplab.documents import LARGEST_BYTES, Fields, parse_json
from edge_deeplab.errors import ToolError
from edge_deeplab.lab.environments import ToolStatus
from edge_deeplab.lab.tools import WORKERS
from edge_deeplab.lab.vulkan import find_driver
from edge_deeplab.text import printable

_SERVE = WORKERS / "serve.py"
_MEMORY_BYTES = 8 << 30
_COMPILE_S, _RUN_S = 600.0, 120.0
"""Seconds by the clock: the slowest compilation that was seen took 40; a simulator takes up to 20 a picture."""
_ADVICE = "a file that it takes was expected; look at what the tool says, or leave the device out"


def bounds(pictures: int = 0) -> Limits:
    """Return what a tool may take for one request.

    Args:
        pictures: how many it is to run; 0 where it only compiles.
    """
    seconds = _COMPILE_S + _RUN_S * pictures
    return Limits(_MEMORY_BYTES, int(seconds) * (os.cpu_count() or 1), seconds)


def ask_tool(
    status: ToolStatus, verb: str, limits: Limits, /, **values: str | int | None
) -> dict[str, Any]:
    """Return what a tool's worker answers.

    Args:
        status: of a tool that can be used.
        verb: function of the worker.
        limits: its bounds.
        values: its arguments; a folder to work in is added, and removed afterwards.

    Raises:
        ToolError: when the tool cannot be used, fails, ends, stalls, or gives no proper answer.
    """
    if status.python is None:
        raise ToolError(status.tool.name, status.lack or "it cannot be used")
    with tempfile.TemporaryDirectory(prefix="edge-deeplab-lab-") as folder:
        request = {"verb": verb, **values}
        if verb != "version":
            request["folder"] = folder
        with _started(status, folder) as (process, reply):
            return _Exchange(status, process, limits).ask(request, reply)


class _Exchange:
    """One request to one process.

    Args:
        status: the tool's.
        process: its worker.
        limits: its bounds.
    """

    def __init__(
        self, status: ToolStatus, process: "subprocess.Popen[bytes]", limits: Limits
    ) -> None:
        assert process.stdout is not None, "it was asked for"
        self._name, self._label = status.tool.name, status.tool.label
        self._process, self._limits = process, limits
        self._said = Tail(process.stdout)

    def ask(self, request: Mapping[str, Any], reply: Tail) -> dict[str, Any]:
        """Write the request and return the answer that the reply holds."""
        _bound(self._process.pid, self._limits)
        assert self._process.stdin is not None, "it was asked for"
        with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
            stdin.write(json.dumps(request).encode())
        try:
            code = self._process.wait(self._limits.wall_s)
        except subprocess.TimeoutExpired:
            raise self._failed(f"gave no answer in {self._limits.wall_s:g} s") from None
        _end_group(self._process)
        reply.close()
        if code or not reply.kept:
            raise self._failed(self._ending(code))
        return self._read(reply.kept)

    def _read(self, text: bytes) -> dict[str, Any]:
        try:
            reply = Fields(parse_json(text))
            if reply.has("failure"):
                reason = printable(reply.prose("failure"))[:LONGEST_REASON]
                raise self._failed(f"failed with {reason}")
            return reply.table("answer")
        except (ValueError, RecursionError) as error:
            raise self._failed(f"gave an answer that cannot be read ({error})") from error

    def _ending(self, code: int) -> str:
        said = self._said.text()
        if code < 0 and -code == signal.SIGXCPU:
            return f"took more than {self._limits.cpu_s} s of processor time"
        if "bad_alloc" in said or "MemoryError" in said:
            return f"asked for more memory than the {self._limits.memory_bytes / 2**30:.1f} GiB that it may take"
        how = f"was ended by {signal_name(-code)}" if code < 0 else f"ended with code {code}"
        return f"{how} without an answer; it said last: {last_line(said)}"

    def _failed(self, how: str) -> ToolError:
        return ToolError(self._name, f"{self._label} {how}; {_ADVICE}")


@contextlib.contextmanager
def _started(status: ToolStatus, folder: str) -> Iterator[tuple["subprocess.Popen[bytes]", Tail]]:
    """Start a tool's worker; give its process and its reply, and leave nothing of it running.

    Raises:
        ToolError: when it cannot be started.
    """
    reading, writing = os.pipe()
    command = [str(status.python), "-I", str(_SERVE), str(status.tool.script), str(writing)]
    driver = find_driver() if status.tool.needs_vulkan else None
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[writing],
            cwd=folder,
            env={**os.environ, **(driver or {}), "TMPDIR": folder},
            start_new_session=True,
        )
    except OSError as error:
        os.close(reading)
        reason = f"its worker cannot be started ({error.strerror}); make it anew with --install"
        raise ToolError(status.tool.name, reason) from error
    finally:
        os.close(writing)
    reply = Tail(os.fdopen(reading, "rb"), keep=LARGEST_BYTES)
    try:
        yield process, reply
    finally:
        _end_group(process)
        process.wait()
        reply.close()
        assert process.stdout is not None, "it was asked for"
        process.stdout.close()


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses a dead group
        os.killpg(process.pid, signal.SIGKILL)


def _bound(process_id: int, limits: Limits) -> None:
    """Bound a process that waits for its request, and what it starts, where the system can (Linux)."""
    if not hasattr(resource, "prlimit"):
        return
    for kind, limit in (
        (resource.RLIMIT_DATA, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ProcessLookupError, ValueError):  # gone; a lower limit of the user
            resource.prlimit(process_id, kind, (limit, limit))
