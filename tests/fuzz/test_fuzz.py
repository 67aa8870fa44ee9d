"""A minute of fuzzing: whatever a stranger's file holds, a command answers or refuses it in one sentence.

More is run by hand; `tests/fuzz/run.py` says how.
"""

from collections import Counter
from pathlib import Path

from tests.fuzz.ending import BAD, OK, REFUSED
from tests.fuzz.kinds import kinds
from tests.fuzz.run import deal, run_all, summary

SEED = 20261126
MUTANTS, PROGRAM_MUTANTS = 240, 6
"""About a minute on two quiet cores."""


def test_commands_mutants_are_answered_or_refused_in_one_sentence(bases: Path, tmp_path: Path):
    results = list(run_all(list(deal(MUTANTS)), SEED, bases, tmp_path))
    assert not [r for r in results if r.ending.verdict == BAD], summary(results, SEED, 0)
    ended = Counter((result.kind, result.ending.verdict) for result in results)
    for kind in (name for name, kind in kinds().items() if kind.share):
        assert ended[kind, OK] + ended[kind, REFUSED] > 5, kind
    assert min(_share(ended, OK), _share(ended, REFUSED)) > 0.2, "too mild or too harsh"


def test_program_mutants_are_answered_or_refused_in_one_sentence(bases: Path, tmp_path: Path):
    results = list(run_all(list(deal(PROGRAM_MUTANTS)), SEED, bases, tmp_path, program=True))
    assert results
    assert not [r for r in results if r.ending.verdict == BAD], summary(results, SEED, 0)


def _share(ended: Counter[tuple[str, str]], verdict: str) -> float:
    return sum(count for (_, v), count in ended.items() if v == verdict) / ended.total()
