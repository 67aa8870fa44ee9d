"""Drives workers from outside: a crash, a hang or a hoard cannot be told by the process that it ends.

A worker is replaced after a number of mutants, and whenever one of them has ended it. On a busy machine the clock runs
on through no fault of the mutant: one that is over its limit by the clock has taken too long once its processor time
is over it too, or the clock over `_PATIENCE` times it; then it is run once more in a new worker.
"""

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.fuzz.dice import OUTSIDE
from tests.fuzz.ending import BAD, Ending, excerpt, judge_output
from tests.fuzz.kinds import Mutant
from tests.fuzz.processes import Guard, end, processor_seconds, resident_bytes

MEMORY_LIMIT_BYTES = 2 << 30
"""What a mutant may make its process and that process's children hold, beyond what they hold before."""
MUTANTS_A_WORKER = 200
_START_LIMIT_S = 120.0
_PATIENCE = 6
_SAMPLE_S = 0.05
_REPOSITORY = Path(__file__).resolve().parents[2]
_WITHOUT_TOOLS = {**os.environ, "XDG_CACHE_HOME": str(Path(tempfile.gettempdir(), "fuzz-no-cache"))}
"""Vendors' tools below the user's cache are not asked: the clock they take is their own."""
_PLACE = re.compile(
    r'File "([^"]+/(edge_deeplab|converters|quantization|demo)/[^"]+)", line (\d+) in (\w+)'
)


@dataclass(frozen=True)
class Result:
    """One mutant and how it ended.

    Args:
        kind: key of `kinds()`.
        index: the mutant's number within its kind.
        step: what it went through.
        told: what was changed.
        ending: how it ended.
    """

    kind: str
    index: int
    step: str
    told: str
    ending: Ending


class Clock:
    """How long a step has taken, by the clock and of the processor.

    Args:
        pid: the process in which it begins now.
        limit_s: seconds that it may take.
    """

    def __init__(self, pid: int, limit_s: float) -> None:
        self._pid, self._limit_s = pid, limit_s
        self._start, self._used_s = time.monotonic(), processor_seconds(pid)

    def seconds(self) -> float:
        """Return the seconds by the clock."""
        return round(time.monotonic() - self._start, 3)

    def is_over(self) -> bool:
        """Tell whether it has taken too long."""
        seconds = self.seconds()
        if seconds <= self._limit_s:
            return False
        used_s = processor_seconds(self._pid) - self._used_s
        return used_s > self._limit_s or seconds > _PATIENCE * self._limit_s


class Worker:
    """A worker process and its folder.

    Args:
        bases: folder of the valid files.
        folder: absolute path of a folder of its own.
    """

    def __init__(self, bases: Path, folder: Path) -> None:
        self._bases, self._folder = bases, folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / OUTSIDE).write_text("{}")
        self._guard = Guard(folder / OUTSIDE)
        self._process: subprocess.Popen[bytes] | None = None
        self._done = 0
        self._buffer = b""

    def run(self, kind: str, seed: int, index: int) -> Result:
        """Run one mutant; one that takes too long is run twice."""
        result = self._run_once(kind, seed, index)
        if _took_too_long(result.ending):
            result = self._run_once(kind, seed, index)
        return result

    def close(self) -> None:
        """End the process."""
        self._stop()
        self._guard.close()

    def __enter__(self) -> "Worker":
        """Give the worker, closed with the block."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run_once(self, kind: str, seed: int, index: int) -> Result:
        process = self._ready()
        assert process.stdin is not None
        order = {"kind": kind, "seed": seed, "index": index}
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        self._done += 1
        begun = self._await_line(time.monotonic() + _START_LIMIT_S)
        if begun is None:
            told = f"the mutant could not be made: {self._last_words()}"
            self._stop()
            raise RuntimeError(f"{kind} {seed} {index}: {told}")
        ending = self._watch(process, begun["limit_s"])
        if self._guard.touched():
            ending = replace(ending, verdict=BAD, what="opens a file outside its folder")
            (self._folder / OUTSIDE).write_text("{}")
            self._guard.touched()
        return Result(kind, index, begun["step"], begun["told"], ending)

    def _watch(self, process: "subprocess.Popen[bytes]", limit_s: float) -> Ending:
        """Return how the step at work ends, or is ended."""
        clock, before, peak = Clock(process.pid, limit_s), resident_bytes(process.pid), 0
        while True:
            line = self._await_line(time.monotonic() + _SAMPLE_S)
            seconds = clock.seconds()
            if line is not None:
                return Ending(**{**line["ending"], "peak_bytes": peak})
            if process.poll() is not None:
                return self._ended(_death(process.returncode), seconds, peak)
            peak = max(peak, resident_bytes(process.pid) - before)
            if peak > MEMORY_LIMIT_BYTES:
                return self._ended("takes 2 GiB of memory", seconds, peak)
            if clock.is_over():
                return self._ended(f"takes more than {limit_s:g} s", seconds, peak)

    def _ended(self, what: str, seconds: float, peak: int) -> Ending:
        """Return a bad ending, the place in the package from the threads' tracebacks, and end the worker."""
        process = self._process
        assert process is not None
        if process.poll() is None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGUSR1)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
        words = self._last_words()
        self._stop()
        place = _PLACE.search(words)
        where = "" if place is None else f"{_shortened(place[1])}:{place[3]} {place[4]}"
        native = [
            line for line in words.splitlines() if "what():" in line or "terminate called" in line
        ]
        return Ending(BAD, f"{what} {excerpt(' '.join(native))}".strip(), where, seconds, peak)

    def _ready(self) -> "subprocess.Popen[bytes]":
        if self._process is not None and self._done >= MUTANTS_A_WORKER:
            self._stop()
        if self._process is None or self._process.poll() is not None:
            self._start()
        assert self._process is not None
        return self._process

    def _start(self) -> None:
        command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.worker"]
        self._done, self._buffer = 0, b""
        with self._words.open("wb") as words:
            self._process = subprocess.Popen(
                [*command, str(self._bases), str(self._folder / "mutant")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                cwd=_REPOSITORY,
                env=_WITHOUT_TOOLS,
            )

    def _stop(self) -> None:
        if self._process is not None:
            end(self._process.pid)
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                with suppress(BrokenPipeError):
                    pipe.close()
        self._process = None

    @property
    def _words(self) -> Path:
        return self._folder / "stderr.txt"

    def _last_words(self) -> str:
        with self._words.open("rb") as file:
            file.seek(max(0, self._words.stat().st_size - 20_000))
            return file.read().decode(errors="replace")

    def _await_line(self, until: float) -> dict[str, Any] | None:
        """Return the next line that the worker tells; None when there is none until then, or it has ended."""
        assert self._process is not None
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                return None
            read = os.read(descriptor, 1 << 16)
            if not read:
                self._process.wait()
                return None
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\n")
        document: dict[str, Any] = json.loads(line)
        return document


def run_program(mutant: Mutant) -> Ending:
    """Return how the program ends on a mutant, watched from outside; one that takes too long is run twice.

    Args:
        mutant: its step must be a command.
    """
    ending = _run_program_once(mutant)
    return _run_program_once(mutant) if _took_too_long(ending) else ending


def _run_program_once(mutant: Mutant) -> Ending:
    arguments = mutant.step.command(mutant.case, as_json=mutant.as_json)
    command = [sys.executable, "-m", "edge_deeplab", *arguments]
    folder = mutant.case.out.parent
    limit_s = (
        mutant.step.limit_s + 5.0
    )  # the interpreter, torch and the converters are imported first
    with (folder / "stdout").open("w+b") as stdout, (folder / "stderr").open("w+b") as stderr:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=mutant.case.out,
            env=_WITHOUT_TOOLS,
        )
        clock, peak, problem = Clock(process.pid, limit_s), 0, None
        while process.poll() is None and problem is None:
            time.sleep(_SAMPLE_S)
            peak = max(peak, resident_bytes(process.pid))
            if peak > MEMORY_LIMIT_BYTES:
                problem = "takes 2 GiB of memory"
            elif clock.is_over():
                problem = f"takes more than {limit_s:g} s"
        end(process.pid)
        process.wait()
        said = []
        for stream in (stdout, stderr):
            stream.seek(0)
            said.append(stream.read().decode(errors="replace"))
    if problem is None and process.returncode < 0:
        problem = _death(process.returncode)
    ending = judge_output(process.returncode, *said, as_json=mutant.as_json)
    if problem is not None:
        ending = Ending(BAD, problem)
    return replace(ending, seconds=clock.seconds(), peak_bytes=peak)


def _took_too_long(ending: Ending) -> bool:
    return ending.verdict == BAD and ending.what.startswith("takes more than")


def _death(code: int) -> str:
    return (
        f"crashes ({signal.strsignal(-code)})" if code < 0 else f"ends the process with code {code}"
    )


def _shortened(path: str) -> str:
    with suppress(ValueError):
        return str(Path(path).relative_to(_REPOSITORY))
    return path
