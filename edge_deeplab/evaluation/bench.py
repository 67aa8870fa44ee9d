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
import numpy.typing as npt

from edge_deeplab.errors import ArtifactError, ConfigError, EdgeDeepLabError
from edge_deeplab.formats.manifest import content_bytes
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


Loaded = Timed | Failed | Untimed
"""A file on its way: it can be timed, or what became of it is known already."""


def open_timed(paths: Sequence[Path], open_file: Callable[[Path], Timed]) -> list[Timed | Failed]:
    """Open files; one that cannot be opened is a failure among them.

    Args:
        paths: the files.
        open_file: opens one, as `edge_deeplab.runtimes.open_artifact` does.
    """
    return [_open_or_fail(path, open_file) for path in paths]


def _open_or_fail(path: Path, open_file: Callable[[Path], Timed]) -> Timed | Failed:
    try:
        return open_file(path)
    except EdgeDeepLabError as error:
        return Failed(path, str(error))


def measure_latency(
    runtimes: Sequence[Timed],
    *,
    rounds: int,
    threads: int,
    warm_ups: int = WARM_UPS,
    progress: Callable[[], None] = lambda: None,
) -> list[Latency]:
    """Time loaded files against each other, whatever runs them; as `time_files`, but a file that fails ends it.

    Raises:
        ConfigError: when there is nothing to time.
        ArtifactError: when a file loads but does not run.
    """
    results: list[Loaded] = list(runtimes)
    timed = []
    for result in _run_rounds(results, rounds, threads, warm_ups, progress):
        if isinstance(result, Failed):
            raise ArtifactError(result.error)
        if isinstance(result, Latency):
            timed.append(result)
    return timed


def time_files(
    files: Sequence[Timed | Failed],
    *,
    rounds: int,
    threads: int,
    warm_ups: int = WARM_UPS,
    progress: Callable[[], None] = lambda: None,
) -> list[Latency | Failed | Untimed]:
    """Time loaded files against each other, interleaved round by round; one that fails takes no further part.

    Files that only the MIL reference evaluator runs here stay out of it.

    Args:
        files: loaded, or failed already; the first that gets through is the one that ratios are taken to.
        rounds: how often each file is timed.
        threads: CPU threads that they were opened with, for the record.
        warm_ups: uncounted runs of each file before.
        progress: called after each round.

    Returns:
        What came of each, in their order.

    Raises:
        ConfigError: when there is no file, or no round.
    """
    results = [_leave_untimed(file) if _is_evaluated(file) else file for file in files]
    return _run_rounds(results, rounds, threads, warm_ups, progress)


def _is_evaluated(file: Timed | Failed) -> bool:
    return not isinstance(file, Failed) and file.name.startswith(REFERENCE_EVALUATOR)


def _leave_untimed(file: Timed | Failed) -> Loaded:
    assert not isinstance(file, Failed), "nothing runs it"
    return Untimed(file.path, file.name, content_bytes(file.path))


def _run_rounds(
    results: list[Loaded],
    rounds: int,
    threads: int,
    warm_ups: int,
    progress: Callable[[], None],
) -> list[Latency | Failed | Untimed]:
    """Return what came of each file; one that fails is replaced by its failure, in place."""
    if not results or rounds < 1:
        raise ConfigError(
            f"{len(results)} files and {rounds} rounds came; at least one of each was expected; name a file to time"
        )
    for index in range(len(results)):
        for _ in range(warm_ups):
            _time_or_fail(results, index)
    times_ms = np.zeros((rounds, len(results)))
    if any(not isinstance(result, Failed | Untimed) for result in results):
        for number in range(rounds):
            for index in round_order(number, len(results)):
                times_ms[number, index] = _time_or_fail(results, index)
            progress()
    return _latencies(results, times_ms, threads)


def _time_or_fail(results: list[Loaded], index: int) -> float:
    """Return the milliseconds that a file took; one that fails is replaced by its failure, in place."""
    file = results[index]
    if isinstance(file, Failed | Untimed):
        return 0.0
    try:
        return file.time_once() * 1000
    except EdgeDeepLabError as error:
        results[index] = Failed(file.path, str(error), file.name)
        return 0.0


def _latencies(
    results: Sequence[Loaded], times_ms: npt.NDArray[np.float64], threads: int
) -> list[Latency | Failed | Untimed]:
    """Return each file's latency, with its ratio to the first that was timed to the end."""
    first: int | None = None
    latencies: list[Latency | Failed | Untimed] = []
    for index, result in enumerate(results):
        if isinstance(result, Failed | Untimed):
            latencies.append(result)
            continue
        first = index if first is None else first
        latency = Latency(
            path=result.path,
            runtime=result.name,
            threads=threads,
            bytes=content_bytes(result.path),
            rounds_ms=tuple(times_ms[:, index].tolist()),
            ratio_to_first=float(np.median(times_ms[:, index] / times_ms[:, first])),
        )
        latencies.append(latency)
    return latencies


def round_order(number: int, files: int) -> Iterator[int]:
    """Yield the order in which a round runs its files: rotated by one from round to round."""
    return ((number + step) % files for step in range(files))
