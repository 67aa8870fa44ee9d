"""The fuzzer's own command.

    python -m tests.fuzz.run --seed 1 --count 2000              # in recycled workers, all kinds by their shares
    python -m tests.fuzz.run --seed 1 --kind tflite --count 500
    python -m tests.fuzz.run --seed 1 --kind tflite --index 17 --keep /tmp/seventeen   # one again, and its files
    python -m tests.fuzz.run --seed 1 --count 300 --program     # through the command line
    python -m tests.fuzz.run --valid                            # the valid files themselves: all must be accepted

Exit code 1 when a mutant does what none may: crash, hang, take 2 GB, or end in anything but an answer or one sentence.
"""

import argparse
import json
import shlex
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.fuzz.bases import build_bases
from tests.fuzz.dice import OUTSIDE
from tests.fuzz.ending import BAD, OK, REFUSED
from tests.fuzz.kinds import kinds, make_mutant
from tests.fuzz.supervise import Result, Worker, run_program

Order = tuple[str, int]
"""A kind and a mutant's number within it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for and return the exit code."""
    asked = _parse(arguments)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fuzz-")))
        log = None if asked.log is None else stack.enter_context(asked.log.open("w", buffering=1))
        bases = build_bases((asked.bases or work / "bases").absolute())
        orders = list(choose_orders(asked))
        start = time.monotonic()
        results = []
        for result in run_all(orders, asked.seed, bases, work, program=asked.program):
            results.append(result)
            if log is not None:  # line by line: a run that is ended has told what it did
                log.write(json.dumps({**vars(result), "ending": result.ending.to_json()}) + "\n")
            if result.ending.verdict == BAD or asked.verbose:
                _say(tell(result, asked.seed))
            if asked.seconds and time.monotonic() - start > asked.seconds:
                break
        if asked.keep is not None:
            keep(orders[0], asked.seed, bases, work, asked.keep)
    _say(summary(results, asked.seed, time.monotonic() - start))
    return int(any(result.ending.verdict == BAD for result in results))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200, help="mutants in all")
    parser.add_argument("--first", type=int, default=0, help="number of each kind's first mutant")
    parser.add_argument("--kind", action="append", choices=sorted(kinds()))
    parser.add_argument("--index", type=int, help="one mutant alone")
    parser.add_argument("--valid", action="store_true", help="no mutants, but the valid files")
    parser.add_argument("--program", action="store_true", help="through the command line")
    parser.add_argument("--seconds", type=float, help="stop after so long")
    parser.add_argument(
        "--bases", type=Path, help="folder of the valid files, kept for the next run"
    )
    parser.add_argument("--keep", type=Path, help="with --index: where the mutant is left")
    parser.add_argument("--log", type=Path, help="one line of JSON a mutant")
    parser.add_argument("--verbose", action="store_true", help="tell of every mutant")
    asked = parser.parse_args(arguments)
    if asked.index is not None and len(asked.kind or ()) != 1:
        parser.error("--index needs one --kind")
    return asked


def choose_orders(asked: argparse.Namespace) -> Iterator[Order]:
    """Yield the mutants that were asked for; kinds take turns, each as often as its share says."""
    chosen = asked.kind or [name for name, kind in kinds().items() if kind.share]
    if asked.index is not None:
        yield chosen[0], asked.index
    elif asked.valid:
        for name in chosen:
            subjects = kinds()[name].subjects
            turns = max(len(subject.steps) for subject in subjects)
            yield from ((name, -1 - number) for number in range(turns * len(subjects)))
    else:
        yield from deal(asked.count, chosen, first=asked.first)


def deal(count: int, names: Sequence[str] = (), *, first: int = 0) -> Iterator[Order]:
    """Yield mutants; kinds take turns, each as often as its share says.

    Args:
        count: of all mutants.
        names: of the kinds; none for all.
        first: number of each kind's first mutant.
    """
    shares = {name: kind.share for name, kind in kinds().items() if not names or name in names}
    most, dealt = max(shares.values()) or 1, Counter[str]()
    deck = [
        name
        for turn in range(most)
        for name, share in shares.items()
        if turn * share // most < (turn + 1) * share // most or not any(shares.values())
    ]
    for number in range(count):
        name = deck[number % len(deck)]
        yield name, first + dealt[name]
        dealt[name] += 1


def run_all(
    orders: Sequence[Order], seed: int, bases: Path, work: Path, *, program: bool = False
) -> Iterator[Result]:
    """Run mutants in workers or through the command line, and yield how each ended.

    Args:
        orders: which.
        seed: of the run.
        bases: folder of the valid files.
        work: folder for everything that is written.
        program: through the command line; steps that are no command are left out.
    """
    if program:
        yield from (r for order in orders if (r := run_one(order, seed, bases, work)) is not None)
        return
    with Worker(bases, work / "worker") as worker:
        for kind, index in orders:
            yield worker.run(kind, seed, index)


def run_one(order: Order, seed: int, bases: Path, work: Path) -> Result | None:
    """Run one mutant through the command line; None where its step is no command."""
    kind, index = order
    folder = work / "program" / "mutant"
    shutil.rmtree(folder.parent, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder.parent / OUTSIDE).write_text("{}")
    mutant = make_mutant(kind, seed, index, bases, folder)
    if mutant.step.call is not None:
        return None
    return Result(kind, index, mutant.step.name, mutant.told, run_program(mutant))


def keep(order: Order, seed: int, bases: Path, work: Path, goal: Path) -> None:
    """Leave a mutant's files in a new folder and tell the command that was run on them."""
    goal.mkdir(parents=True)
    mutant = make_mutant(order[0], seed, order[1], bases, goal.absolute())
    _say(f"changed: {mutant.told!a}")
    if mutant.step.call is None:
        arguments = mutant.step.command(mutant.case, as_json=mutant.as_json)
        _say(f"edge-deeplab {shlex.join(arguments)}")


def tell(result: Result, seed: int) -> str:
    """Return a line about one mutant, and the command that runs it again."""
    ending = result.ending
    where = f" at {ending.where}" if ending.where else ""
    again = f"python -m tests.fuzz.run --seed {seed} --kind {result.kind} --index {result.index}"
    return (
        f"{ending.verdict}: {result.kind} {result.index}, {result.step}: {ending.what}{where} "
        f"[{result.told}] {ending.seconds:.1f} s, {ending.peak_bytes >> 20} MiB\n    {again}"
    )


def summary(results: Sequence[Result], seed: int, seconds: float) -> str:
    """Return how many mutants of each kind ended how, and each bad ending once."""
    counts = Counter((result.kind, result.ending.verdict) for result in results)
    lines = [f"{len(results)} mutants of seed {seed} in {seconds:.0f} s"]
    for kind in dict.fromkeys(result.kind for result in results):
        ended = ", ".join(f"{counts[kind, verdict]} {verdict}" for verdict in (OK, REFUSED, BAD))
        lines.append(f"  {kind}: {ended}")
    bad: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        if result.ending.verdict == BAD:
            sort = result.ending.what.partition(":")[0]
            bad.setdefault((result.kind, result.step, sort, result.ending.where), []).append(result)
    lines += [f"{len(alike)} times {tell(alike[0], seed)}" for alike in bad.values()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
