"""Native code and a stranger's file meet in a process of their own, whose time and memory are bounded.

The module that does the work is run with `python -m`; it ends in `answer_from`, which prints one JSON document.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from edge_deeplab.text import printable

MEMORY_LIMIT_BYTES = 8 << 30
"""Address space of the process; a mutated file may ask for any amount."""
REFUSAL = "refusal"
"""Key of an answer that says why there is none."""
TIME_LIMIT_S = 120.0
"""A safety net by the clock, for a process that waits instead of computing; processor time is what bounds a file
(`cpu_limit_s`), because on a busy machine the clock runs on through no fault of the file."""
_CPU_S, _BYTES_A_CPU_S = 10, 1 << 23


def cpu_limit_s(size: int) -> int:
    """Return the seconds of processor time that reading a file may take: 10, and one more for each 8 MiB of it."""
    return _CPU_S + size // _BYTES_A_CPU_S


def run_isolated(
    module: str, arguments: Sequence[str], *, time_limit_s: float, cpu_s: int
) -> dict[str, Any]:
    """Run a module of this package in a process of its own and return what it answered.

    A process that crashes, stalls or fails is an answer too: {"refusal": what became of it}.

    Args:
        module: dotted name; it calls `answer_from` when it is run.
        arguments: what it is given.
        time_limit_s: seconds by the clock.
        cpu_s: seconds of processor time.
    """
    command = [sys.executable, "-m", module, str(cpu_s), *arguments]
    try:
        finished = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=time_limit_s
        )
    except subprocess.TimeoutExpired:
        return {REFUSAL: f"it took more than {time_limit_s:g} s"}
    if finished.returncode:
        return {REFUSAL: _death(finished)}
    answer: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return {**answer, REFUSAL: printable(answer[REFUSAL])} if REFUSAL in answer else answer


def answer_from(work: Callable[..., dict[str, Any]]) -> None:
    """In the process of its own: bound it, do the work on the command's arguments and print the answer."""
    seconds, *arguments = sys.argv[1:]
    _limit_resources(int(seconds))
    sys.stdout.write(f"\n{json.dumps(work(*arguments))}\n")


def _death(finished: subprocess.CompletedProcess[str]) -> str:
    if finished.returncode < 0:
        return f"it crashed or was stopped ({signal.strsignal(-finished.returncode)})"
    lines = finished.stderr.strip().splitlines() or ["no message"]
    return f"it ended with code {finished.returncode} ({printable(lines[-1][:200])})"


def _limit_resources(cpu_s: int) -> None:
    """Bound this process's processor time and address space, where the system can."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
