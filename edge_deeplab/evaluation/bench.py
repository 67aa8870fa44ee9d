"""Latency and size of exported files, side by side.

The idea to hold: a machine's speed drifts (heat, other programs), so files are not timed one after the other but
round by round: each round runs every file once, each round begins with another file, and files are compared within
rounds. A ratio is thus a median of ratios between times taken moments apart.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edge_deeplab.converters.manifest import content_bytes
from edge_deeplab.errors import ConfigError
from edge_deeplab.runtimes.base import REFERENCE_EVALUATOR

WARM_UPS = 3
"""Runs of each file that are not counted: they allocate, fill caches and choose kernels."""
EVALUATED = (
    "the MIL reference evaluator runs it, operator by operator in torch: not timed, because its time would be "
    "no device's"
)


class Timed(Protocol):
    """A loaded file that can be timed: every `Runtime`, and a single layer's file.

    Attributes:
        name: runtime and version.
        path: the file.
    """

    name: str
    path: Path

    def time_once(self) -> float:
        """Execute the file once and return the seconds that took."""
        ...


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
class Untimed:
    """A file that nothing which devices use runs here, so that no time of it would mean anything.

    Args:
        path: the file.
        runtime: what runs it instead.
        bytes: size on disk; of a folder, that of all its files.
        note: why it was not timed.
    """

    path: Path
    runtime: str
    bytes: int
    note: str = EVALUATED

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


def time_files(
    runtimes: Sequence[Timed],
    *,
    rounds: int,
    threads: int,
    progress: Callable[[], None] = lambda: None,
) -> list[Latency | Untimed]:
    """Time files against each other; those that only the MIL reference evaluator runs here stay out of it.

    Args:
        runtimes: the files, loaded; the first that is timed is the one that ratios are taken to.
        rounds: how often each file is timed.
        threads: CPU threads that they were opened with, for the record.
        progress: called after each round.

    Returns:
        A measurement of each file, in the order they came.

    Raises:
        ConfigError: when there is no file, or no round.
        ArtifactError: when a file loads but does not run.
    """
    timed = [runtime for runtime in runtimes if not _is_evaluated(runtime)]
    if runtimes and not timed:
        return [_leave_untimed(runtime) for runtime in runtimes]
    measured = iter(measure_latency(timed, rounds=rounds, threads=threads, progress=progress))
    return [_leave_untimed(r) if _is_evaluated(r) else next(measured) for r in runtimes]


def _is_evaluated(runtime: Timed) -> bool:
    return runtime.name.startswith(REFERENCE_EVALUATOR)


def _leave_untimed(runtime: Timed) -> Untimed:
    return Untimed(runtime.path, runtime.name, content_bytes(runtime.path))


def measure_latency(
    runtimes: Sequence[Timed],
    *,
    rounds: int,
    threads: int,
    warm_ups: int = WARM_UPS,
    progress: Callable[[], None] = lambda: None,
) -> list[Latency]:
    """Time loaded files against each other, interleaved round by round.

    Args:
        runtimes: the files, loaded; the first is the one that ratios are taken to.
        rounds: how often each file is timed.
        threads: CPU threads that they were opened with, for the record.
        warm_ups: uncounted runs of each file before.
        progress: called after each round.

    Raises:
        ConfigError: when there is nothing to time.
        ArtifactError: when a file loads but does not run.
    """
    if not runtimes or rounds < 1:
        raise ConfigError(
            f"{len(runtimes)} files and {rounds} rounds came; at least one of each was expected; name a file to time"
        )
    for runtime in runtimes:
        for _ in range(warm_ups):
            runtime.time_once()
    times_ms = np.zeros((rounds, len(runtimes)))
    for number in range(rounds):
        for index in round_order(number, len(runtimes)):
            times_ms[number, index] = runtimes[index].time_once() * 1000
        progress()
    ratios = np.median(times_ms / times_ms[:, :1], axis=0)
    return [
        Latency(
            path=runtime.path,
            runtime=runtime.name,
            threads=threads,
            bytes=content_bytes(runtime.path),
            rounds_ms=tuple(times_ms[:, index].tolist()),
            ratio_to_first=float(ratios[index]),
        )
        for index, runtime in enumerate(runtimes)
    ]


def round_order(number: int, files: int) -> Iterator[int]:
    """Yield the order in which a round runs its files: rotated by one from round to round."""
    return ((number + step) % files for step in range(files))
