"""What a file's timing found: its latency, that it failed, or that no time of it would mean anything."""

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

EVALUATED = (
    "the MIL reference evaluator runs it, operator by operator in torch: not timed, because its time would be "
    "no device's"
)
PLAIN_KERNELS = (
    "Core AI's plain kernels run it off the Mac: not timed, because its time would be no device's"
)
OTHER_SIZE = "a file of several sizes is timed at the first that it lists"


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
    """

    path: Path
    runtime: str
    threads: int
    bytes: int
    rounds_ms: tuple[float, ...]
    ratio_to_first: float

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
        }


@dataclass(frozen=True)
class Failed:
    """A file that could not be opened, or failed in some round.

    Args:
        path: the file.
        error: why, in one sentence.
        runtime: runtime and version; None where it could not be opened.
    """

    path: Path
    error: str
    runtime: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values, with null for what was not measured."""
        unknown = dict.fromkeys(("threads", "bytes", "latency_ms", "ratio_to_first"))
        return {"path": str(self.path), "runtime": self.runtime, **unknown, "error": self.error}


@dataclass(frozen=True)
class Untimed:
    """A file, or one of its sizes, that was not timed: mostly as nothing which devices use runs it here.

    Args:
        path: the file.
        runtime: what runs it instead.
        bytes: size on disk; of a folder, that of all its files.
        note: why it was not timed.
    """

    path: Path
    runtime: str
    bytes: int
    note: str

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
        }


Row = Latency | Failed | Untimed


@dataclass(frozen=True)
class BenchReport:
    """What came of every file, timed side by side.

    Args:
        rows: in the order they came.
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
