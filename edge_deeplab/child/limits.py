"""How much a file may take of the machine, and why; and how a process bounds itself to that.

Memory is bounded by RLIMIT_DATA, which counts what can be written to and so really takes memory. RLIMIT_AS would also
count what is only reserved or mapped from a file (thread arenas, weights read in place), which grows with threads and
says nothing. Both bounds count from what the process has once its imports are done.

Where the system has no such limits (Windows; of macOS, memory) the wall clock alone bounds a child.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.errors import ConfigError

MEMORY_BYTES = 3 << 29
"""1.5 GiB: the largest DeepLab activations at 1024x2048 fit; a file that was tampered with stays below 2 GB."""
_TIMES_THE_FILE = 8
"""Weights are held as read, as parsed, widened from 16 to 32 bits and packed for kernels, some of that twice."""
_BYTES_A_THREAD = 1 << 24
"""A thread's stack of 8 MiB, and as much for its allocator."""
CPU_S = 7
"""Seconds of one core for a request of a small file: an order of magnitude above the slowest that was measured."""
_BYTES_A_CPU_S = 1 << 21
"""A larger file has more to compute: one more second for each 2 MiB, ten times what DeepLabs of 2 to 160 MB need."""
_LEAST_WALL_S, _WALL_S_A_CPU_S = 120.0, 10.0
"""The clock only ends a child that waits instead of computing: it runs on while others have the cores."""


@dataclass(frozen=True)
class Allowance:
    """What a user allows a file instead of the defaults.

    Args:
        memory_bytes: beyond what the runtime takes itself; None for the default.
        cpu_s: seconds of one core for each request; None for the default.

    Raises:
        ConfigError: when one is no positive number.
    """

    memory_bytes: int | None = None
    cpu_s: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("memory", self.memory_bytes), ("time", self.cpu_s)):
            if value is not None and not (isinstance(value, int | float) and value > 0):
                raise ConfigError(
                    f"a {name} limit of {value} came; a positive number was expected; raise it"
                )


@dataclass(frozen=True)
class Limits:
    """The bounds of one child.

    Args:
        memory_bytes: what it may take beyond what it has after its imports.
        cpu_s: processor seconds for each request, of all threads together.
        wall_s: seconds by the clock for each request.
    """

    memory_bytes: int
    cpu_s: int
    wall_s: float

    @classmethod
    def for_file(
        cls,
        size: int,
        *,
        threads: int = 1,
        runs: int = 1,
        patience: int = 1,
        allowance: Allowance | None = None,
    ) -> "Limits":
        """Return the bounds that suit a file.

        Args:
            size: its bytes.
            threads: CPU threads that it is run with.
            runs: how often a request executes it.
            patience: how many times as long as others' its runtime may take where the user says nothing.
            allowance: what the user allows instead.
        """
        asked = allowance or Allowance()
        memory = asked.memory_bytes or MEMORY_BYTES + _TIMES_THE_FILE * size
        each_s = asked.cpu_s or patience * (CPU_S + size // _BYTES_A_CPU_S)
        cpu_s = max(1, round(each_s * threads * runs))
        wall_s = max(_LEAST_WALL_S, _WALL_S_A_CPU_S * each_s * runs)
        return cls(memory + threads * _BYTES_A_THREAD, cpu_s, wall_s)


def bound_memory(memory_bytes: int) -> None:
    """Bound this process's memory to so many bytes more than it has now, where the system can."""
    resource, held = _resource_module(), _writable_bytes()
    if resource is None or held is None:
        return
    limit = _within(held + memory_bytes, resource.getrlimit(resource.RLIMIT_DATA)[1])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no file behind


def bound_processor_time(cpu_s: int) -> None:
    """Bound this process's processor time to so many seconds from now, where the system can."""
    resource = _resource_module()
    if resource is None:
        return
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    limit = _within(int(time.process_time()) + 1 + cpu_s, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def bound_process(process_id: int, limits: Limits) -> None:
    """Bound another process, and what it will start, by what it has in all, where the system can (Linux)."""
    resource = _resource_module()
    if not hasattr(resource, "prlimit"):
        return
    for kind, limit in (
        (resource.RLIMIT_DATA, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ProcessLookupError):  # it ended at once
            bound = _within(limit, resource.prlimit(process_id, kind)[1])
            resource.prlimit(process_id, kind, (bound, bound))


def _within(limit: int, hard: int) -> int:
    """Return the limit, or the system's own where that is lower (-1: it has none)."""
    return limit if hard < 0 else min(limit, hard)


def _resource_module() -> Any:
    """Return the standard library's `resource`; None on Windows, which has none."""
    try:
        import resource
    except ImportError:
        return None
    return resource


def _writable_bytes() -> int | None:
    """Return what RLIMIT_DATA counts of this process; None where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    sizes = [line.split()[1] for line in lines if line.startswith("VmData:")]
    return int(sizes[0]) << 10 if sizes else None
