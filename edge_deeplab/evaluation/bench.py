"""Latency and size of exported files, side by side.

The idea to hold: a machine's speed drifts (heat, other programs), so files are not timed one after the other but
round by round: each round runs every file once, each round begins with another file, and files are compared within
rounds. A ratio is thus a median of ratios between times taken moments apart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge_deeplab.child.limits import Allowance
from edge_deeplab.errors import ArtifactError, ConfigError, EdgeDeepLabError
from edge_deeplab.evaluation.latency import (
    EVALUATED,
    PLAIN_KERNELS,
    BenchReport,
    Failed,
    Latency,
    Row,
    Untimed,
)
from edge_deeplab.formats.artifacts import expand_artifacts
from edge_deeplab.formats.manifest import content_bytes
from edge_deeplab.formats.read import sizes_of
from edge_deeplab.formats.sizes import Size
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.runtimes.base import CORE_AI, is_timed_here
from edge_deeplab.runtimes.open import known_runtime, open_artifact
from edge_deeplab.runtimes.threads import available_cpus

WARM_UPS = 3
"""Runs of each file that are not counted: they allocate, fill caches and choose kernels."""


@dataclass(frozen=True, kw_only=True)
class BenchRequest:
    """Which files are timed, and how.

    Args:
        artifacts: exported files of this project or anyone's, or folders that export wrote.
        size_hw: height and width of the picture that they are timed at; None takes every size that a file lists.
        threads: CPU threads; None for all that are available.
        rounds: how often each file is timed.
        runtime: what runs the files; None for the default of each format.
        allowance: memory and time that a file may take; None for the defaults.

    Raises:
        ConfigError: for an unknown runtime.
    """

    artifacts: tuple[Path, ...]
    size_hw: Size | None = None
    threads: int | None = None
    rounds: int = 30
    runtime: str | None = None
    allowance: Allowance | None = None

    def __post_init__(self) -> None:
        known_runtime(self.runtime)


class Timed(Protocol):
    """A loaded file that can be timed: every `Runtime`, and a single layer's file.

    Attributes:
        name: runtime and version.
        path: the file.
        size_hw: height and width of its picture; None where it takes none.
    """

    name: str
    path: Path

    @property
    def size_hw(self) -> Size | None: ...

    def time_once(self) -> float:
        """Execute the file once and return the seconds that took."""
        ...


Loaded = Timed | Failed | Untimed
"""A file on its way: it can be timed, or what became of it is known already."""


def bench(request: BenchRequest, progress: Progress = SILENT) -> BenchReport:
    """Time exported files against each other; one that cannot be opened or run is a failure among them.

    A file of several sizes is timed at each, or at the one that was asked for, in the same rounds.

    Args:
        request: what is asked for.
        progress: told of each file that is opened and of each run.

    Raises:
        ConfigError: when a folder lists no artifacts, or there is no file.
    """
    threads = request.threads or available_cpus()
    files: list[Timed | Failed] = []
    for path in expand_artifacts(request.artifacts):
        progress.begin(f"opening {path.name}")
        sizes = sizes_of(path) if request.size_hw is None else (request.size_hw,)
        files += [_open(path, size, threads, request) for size in sizes]
    rows = time_files(files, rounds=request.rounds, threads=threads, progress=progress)
    return BenchReport(tuple(rows), request.rounds, threads)


def _open(path: Path, size_hw: Size | None, threads: int, request: BenchRequest) -> Timed | Failed:
    try:
        return open_artifact(
            path,
            size_hw=size_hw,
            threads=threads,
            allowance=request.allowance,
            runtime=request.runtime,
        )
    except EdgeDeepLabError as error:
        return Failed(path, str(error), size_hw=size_hw)


def measure_latency(
    runtimes: Sequence[Timed],
    *,
    rounds: int,
    threads: int,
    warm_ups: int = WARM_UPS,
    progress: Progress = SILENT,
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
    progress: Progress = SILENT,
) -> list[Row]:
    """Time loaded files against each other, interleaved round by round; one that fails takes no further part.

    Files that only the MIL reference evaluator runs here stay out of it.

    Args:
        files: loaded, or failed already; the first that gets through is the one that ratios are taken to.
        rounds: how often each file is timed.
        threads: CPU threads that they were opened with, for the record.
        warm_ups: uncounted runs of each file before.
        progress: told of each run.

    Returns:
        What came of each, in their order.

    Raises:
        ConfigError: when there is no file, or no round.
    """
    results = [_leave_untimed(file) if _is_evaluated(file) else file for file in files]
    return _run_rounds(results, rounds, threads, warm_ups, progress)


def _is_evaluated(file: Timed | Failed) -> bool:
    return not isinstance(file, Failed) and not is_timed_here(file.name)


def _leave_untimed(file: Timed | Failed) -> Loaded:
    assert not isinstance(file, Failed), "nothing runs it"
    note = PLAIN_KERNELS if file.name.startswith(CORE_AI) else EVALUATED
    return Untimed(file.path, file.name, content_bytes(file.path), note, file.size_hw)


def _run_rounds(
    results: list[Loaded],
    rounds: int,
    threads: int,
    warm_ups: int,
    progress: Progress,
) -> list[Row]:
    """Return what came of each file; one that fails is replaced by its failure, in place."""
    if not results or rounds < 1:
        raise ConfigError(
            f"{len(results)} files and {rounds} rounds came; at least one of each was expected; name a file to time"
        )
    times_ms = np.zeros((rounds, len(results)))
    timed = [i for i, result in enumerate(results) if not isinstance(result, Failed | Untimed)]
    if timed:
        progress.begin(f"timing {len(timed)} files", (warm_ups + rounds) * len(timed), "runs")
    for index in timed:
        for _ in range(warm_ups):
            _time_or_fail(results, index)
            progress.advance()
    for number in range(rounds):
        for index in round_order(number, len(results)):
            if index in timed:
                times_ms[number, index] = _time_or_fail(results, index)
                progress.advance()
    return _latencies(results, times_ms, threads)


def _time_or_fail(results: list[Loaded], index: int) -> float:
    """Return the milliseconds that a file took; one that fails is replaced by its failure, in place."""
    file = results[index]
    if isinstance(file, Failed | Untimed):
        return 0.0
    try:
        return file.time_once() * 1000
    except EdgeDeepLabError as error:
        results[index] = Failed(file.path, str(error), file.name, file.size_hw)
        return 0.0


def _latencies(
    results: Sequence[Loaded], times_ms: npt.NDArray[np.float64], threads: int
) -> list[Row]:
    """Return each file's latency, with its ratio to the first that was timed to the end."""
    first: int | None = None
    latencies: list[Row] = []
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
            size_hw=result.size_hw,
            rounds_ms=tuple(times_ms[:, index].tolist()),
            ratio_to_first=float(np.median(times_ms[:, index] / times_ms[:, first])),
        )
        latencies.append(latency)
    return latencies


def round_order(number: int, files: int) -> Iterator[int]:
    """Yield the order in which a round runs its files: rotated by one from round to round."""
    return ((number + step) % files for step in range(files))
