"""How a process ended, in words: the signal, and the end of what it printed."""

import re
import signal
import threading
from typing import IO

from edge_deeplab.text import printable

LONGEST_REASON = 300
"""Letters of another program's message that a sentence quotes."""
_KEPT = 1 << 12
_REMARK = re.compile(r"\s*(INFO\b|I\d{4} \d\d:|\S+ \S+ \[I:)")
"""How lines of LiteRT ("INFO: Created ..."), of abseil and of ONNX Runtime begin that tell of nothing wrong."""
_PATIENCE_S = 5.0
"""How long the reader of a process that was killed may take to see its end."""


class Tail:
    """The end of what a child prints, read in a thread so that the child never waits for a reader."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._kept = stream, b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while piece := self._stream.read1(_KEPT):  # type: ignore[attr-defined]  # a pipe has it
            self._kept = (self._kept + piece)[-_KEPT:]

    def text(self) -> str:
        """Return what is kept; of a process that ended, all there is to keep."""
        self._thread.join(timeout=0.2)
        return self._kept.decode(errors="replace")

    def close(self) -> None:
        """Stop reading once the process is gone; a grandchild that still holds the pipe keeps it."""
        self._thread.join(timeout=_PATIENCE_S)
        if not self._thread.is_alive():
            self._stream.close()


def signal_name(number: int) -> str:
    """Return a signal for people: "SIGSEGV (Segmentation fault)"."""
    try:
        return f"{signal.Signals(number).name} ({signal.strsignal(number)})"
    except ValueError:
        return f"signal {number}"


def last_line(text: str) -> str:
    """Return the last line of what a process printed, as a terminal may show it; what runtimes remark is none."""
    lines = [line for line in text.splitlines() if line.strip() and not _REMARK.match(line)]
    return printable((lines or ["no message"])[-1].strip())[:LONGEST_REASON]
