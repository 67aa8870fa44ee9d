"""What a file's timing found: its latency, that it failed, or that no time of it would mean anything."""

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.formats.sizes import Size

EVALUATED = (
    "the MIL reference evaluator runs it, operator by operator in torch: not timed, because its time would be "
    "no device's"
)
PLAIN_KERNELS = (
    "Core AI's plain kernels run it off the Mac: not timed, because its time would be no device's"
)


@dataclass(frozen=True)
class Latency:
    """What was measured of one file.

    Args:
        path: the file.
        runtime: runtime and version that executed it.
        threads: CPU threads it was given.
        bytes: size on disk; of a folder, that of all its files.
        rounds_ms: its time in each round, in milliseconds.
        ratio_to_first: median over rounds of its time over the first file's in the same round.
        size_hw: height and width of its picture; None where it has none.
    """

    path: Path
    runtime: str
    threads: int
    bytes: int
    rounds_ms: tuple[float, ...]
    ratio_to_first: float
    size_hw: Size | None = None

    @property
    def median_ms(self) -> float:
        """Median time in milliseconds."""
        return statistics.median(self.rounds_ms)

    @property
    def p95_ms(self) -> float:
        """95th percentile of the times in milliseconds."""
        return float(np.percentile(self.rounds_ms, 95))

    def to_json(self) -> dict[str, Any]:
        """Return the measurement as plain JSON values."""
        return {
            "path": str(self.path),
            "runtime": self.runtime,
            "threads": self.threads,
            "bytes": self.bytes,
            "latency_ms": {"median": self.median_ms, "p95": self.p95_ms},
            "ratio_to_first": self.ratio_to_first,
            "note": None,
            "size_hw": _to_json(self.size_hw),
        }


@dataclass(frozen=True)
class Failed:
    """A file that could not be opened, or failed in some round.

    Args:
        path: the file.
        error: why, in one sentence.
        runtime: runtime and version; None where it could not be opened.
        size_hw: at which it was run, or was to be; None for its only one, where it could not be opened.
    """

    path: Path
    error: str
    runtime: str | None = None
    size_hw: Size | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values, with null for what was not measured."""
        unknown = dict.fromkeys(("threads", "bytes", "latency_ms", "ratio_to_first"))
        known = {"size_hw": _to_json(self.size_hw), "error": self.error}
        return {"path": str(self.path), "runtime": self.runtime, **unknown, **known}


@dataclass(frozen=True)
class Untimed:
    """A file that was not timed, as nothing which devices use runs it here.

    Args:
        path: the file.
        runtime: what runs it instead.
        bytes: size on disk; of a folder, that of all its files.
        note: why it was not timed.
        size_hw: height and width of its picture.
    """

    path: Path
    runtime: str
    bytes: int
    note: str
    size_hw: Size | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what is known as plain JSON values; what was not measured is null."""
        return {
            "path": str(self.path),
            "runtime": self.runtime,
            "threads": None,
            "bytes": self.bytes,
            "latency_ms": None,
            "ratio_to_first": None,
            "note": self.note,
            "size_hw": _to_json(self.size_hw),
        }


def _to_json(size_hw: Size | None) -> list[int] | None:
    return None if size_hw is None else list(size_hw)


Row = Latency | Failed | Untimed


@dataclass(frozen=True)
class BenchReport:
    """What came of every file, at each of its sizes, timed side by side.

    Args:
        rows: in the order they came; the sizes of a file in its order.
        rounds: how often each was timed.
        threads: CPU threads that they were given.
    """

    rows: tuple[Row, ...]
    rounds: int
    threads: int

    @property
    def failures(self) -> tuple[Failed, ...]:
        """The files that could not be opened, or failed in some round."""
        return tuple(row for row in self.rows if isinstance(row, Failed))

    def to_json(self) -> dict[str, Any]:
        """Return the document of `bench --json`."""
        return {"artifacts": [row.to_json() for row in self.rows]}
