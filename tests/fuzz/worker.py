"""Runs mutants in this process, one after the other, and tells how each ended; whoever started it watches.

    python -m tests.fuzz.worker BASES FOLDER

An order is one line of JSON on stdin: {"kind", "seed", "index"}. What happens is told in lines of JSON on the stdout
that the process was started with: {"step", "limit_s", "told"} when a step begins, {"ending"} when it has ended.
SIGUSR1 prints where every thread is.
"""

import contextlib
import faulthandler
import io
import json
import logging
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from edge_deeplab.cli.app import app
from edge_deeplab.errors import EdgeDeepLabError
from tests.fuzz.ending import BAD, OK, REFUSED, Ending, excerpt, judge_output
from tests.fuzz.kinds import Mutant, make_mutant

_PACKAGE = Path(sys.modules["edge_deeplab"].__file__ or "").parents[1]


def main(bases: Path, folder: Path) -> None:
    """Work until stdin ends."""
    report = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    for line in sys.stdin:
        order = json.loads(line)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        mutant = make_mutant(order["kind"], order["seed"], order["index"], bases, folder)
        begun = {
            "step": mutant.step.name,
            "limit_s": mutant.step.limit_s,
            "told": excerpt(mutant.told),
        }
        report.write(json.dumps(begun) + "\n")
        report.write(json.dumps({"ending": run_mutant(mutant).to_json()}) + "\n")


def run_mutant(mutant: Mutant) -> Ending:
    """Return how a mutant's step ends in this process."""
    step, start = mutant.step, time.perf_counter()
    with _in_folder(mutant.case.out):
        if step.call is not None:
            call, case = step.call, mutant.case
            ending = end_of(lambda: call(case), is_command=False, as_json=False)
        else:
            arguments = step.command(mutant.case, as_json=mutant.as_json)
            ending = end_of(lambda: run_command(arguments), is_command=True, as_json=mutant.as_json)
    return replace(ending, seconds=round(time.perf_counter() - start, 3))


def run_command(arguments: list[str]) -> None:
    """Run the program on arguments in this process; whatever it raises comes through."""
    program: Any = get_command(app)
    with program.make_context("edge-deeplab", list(arguments)) as context:
        program.invoke(context)


def end_of(call: Callable[[], None], *, is_command: bool, as_json: bool) -> Ending:
    """Return how a call ends.

    Args:
        call: what is called.
        is_command: whether it is a command, which ends with an exit code, or functions, which raise errors.
        as_json: whether it was asked for one JSON document.
    """
    code: int | None = 0 if is_command else None
    error: BaseException | None = None
    said = io.StringIO(), io.StringIO()
    with _captured(*said):
        try:
            call()
        except typer.Exit as exit_:
            code, error = exit_.exit_code, exit_.__cause__
        except typer.BadParameter as usage:
            return Ending(REFUSED, excerpt(str(usage)))
        except BaseException as raised:  # whatever it is, it is what this looks for
            if not is_command and isinstance(raised, EdgeDeepLabError):
                return _refusal(raised)
            return Ending(BAD, f"{type(raised).__name__}: {excerpt(str(raised))}", place_of(raised))
    if error is not None and not isinstance(error, EdgeDeepLabError):
        return Ending(BAD, f"{type(error).__name__}: {excerpt(str(error))}", place_of(error))
    ending = judge_output(code, said[0].getvalue(), said[1].getvalue(), as_json=as_json)
    if ending.verdict == BAD and error is not None:
        return replace(ending, where=place_of(error))
    return replace(ending, verdict=OK if error is None and code == 1 else ending.verdict)


def _refusal(error: EdgeDeepLabError) -> Ending:
    sentence = str(error)
    if not sentence.strip():
        return Ending(BAD, f"{type(error).__name__} without a message", place_of(error))
    return Ending(REFUSED, excerpt(sentence))


def place_of(error: BaseException) -> str:
    """Return the last place in the package, or else in the fuzzer, that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [
        f
        for f in frames
        if Path(f.filename).is_relative_to(_PACKAGE) and "/.venv/" not in f.filename
    ]
    if not inside:
        return ""
    last = inside[-1]
    return f"{Path(last.filename).relative_to(_PACKAGE)}:{last.lineno} {last.name}"


@contextlib.contextmanager
def _captured(stdout: io.StringIO, stderr: io.StringIO) -> Iterator[None]:
    """Catch what is printed; log handlers of the call before hold its streams and go."""
    logging.getLogger().handlers.clear()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        yield


@contextlib.contextmanager
def _in_folder(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
