"""A minute of fuzzing: whatever a stranger's file holds, a command answers or refuses it in one sentence.

More is run by hand; `tests/fuzz/run.py` says how.
"""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.fuzz import flatbuffer
from tests.fuzz.dice import Dice
from tests.fuzz.ending import BAD, OK, REFUSED
from tests.fuzz.kinds import kinds, make_mutant
from tests.fuzz.run import deal, run_all, summary

REPOSITORY = Path(__file__).resolve().parents[2]
SEED = 20261126
MUTANTS, PROGRAM_MUTANTS = 75, 6
"""About a minute on two quiet cores; at least three of each kind."""


def test_commands_mutants_are_answered_or_refused_in_one_sentence(bases: Path, tmp_path: Path):
    results = list(run_all(list(deal(MUTANTS)), SEED, bases, tmp_path))
    assert not [r for r in results if r.ending.verdict == BAD], summary(results, SEED, 0)
    ended = Counter((result.kind, result.ending.verdict) for result in results)
    for kind in (name for name, kind in kinds().items() if kind.share):
        assert ended[kind, OK] + ended[kind, REFUSED] > 2, kind
    assert min(_share(ended, OK), _share(ended, REFUSED)) > 0.2, "too mild or too harsh"


def test_program_mutants_are_answered_or_refused_in_one_sentence(bases: Path, tmp_path: Path):
    results = list(run_all(list(deal(PROGRAM_MUTANTS)), SEED, bases, tmp_path, program=True))
    assert results
    assert not [r for r in results if r.ending.verdict == BAD], summary(results, SEED, 0)


def _share(ended: Counter[tuple[str, str]], verdict: str) -> float:
    return sum(count for (_, v), count in ended.items() if v == verdict) / ended.total()


MAKE = """
import hashlib, sys
from pathlib import Path
from tests.fuzz.test_fuzz import digests
print(digests(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
"""


def digests(bases: Path, folder: Path, seed: int) -> dict[str, list[str]]:
    """Return hashes of the first mutants of every kind."""
    found: dict[str, list[str]] = {}
    for kind in kinds():
        for index in range(12 if kinds()[kind].share else 0):
            place = folder / kind / str(index)
            place.mkdir(parents=True)
            path = make_mutant(kind, seed, index, bases, place).case.path
            files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
            small = [f for f in files if f.is_relative_to(place) and not f.is_symlink()]
            content = b"".join(f.read_bytes() for f in small)
            found.setdefault(kind, []).append(hashlib.sha256(content).hexdigest())
    return found


def test_make_mutant_same_seed_and_index_gives_the_same_bytes_in_every_process(bases, tmp_path):
    """The folder's path goes into some mutants, so both processes write to the same place."""
    folder = tmp_path / "made"
    here = digests(bases, folder, 3)
    folder.rename(tmp_path / "here")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MAKE, str(bases), str(folder), "3"],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONHASHSEED": "1"},  # this process has another
    )
    assert done.stdout == f"{here}\n"


def test_make_mutant_indices_and_seeds_give_other_bytes(bases, tmp_path):
    one, other = digests(bases, tmp_path / "one", 1), digests(bases, tmp_path / "other", 2)
    assert set(one) == {name for name, kind in kinds().items() if kind.share}
    for kind, hashes in one.items():
        assert len(set(hashes)) > 8, kind
        assert hashes != other[kind]


def test_change_after_which_a_file_is_not_read_again_is_the_last(bases, monkeypatch):
    """An operator's options under another type's number: the schema's classes pack it, and do not read it."""

    def misname(model, _):
        convolution = schema.BuiltinOptions.Conv2DOptions
        operators = model.subgraphs[0].operators
        (first, *_) = (each for each in operators if each.builtinOptionsType == convolution)
        first.builtinOptionsType = schema.BuiltinOptions.ConcatEmbeddingsOptions
        return "misnamed"

    monkeypatch.setattr(flatbuffer, "change_field", misname)
    monkeypatch.setattr(flatbuffer, "change_constant", misname)
    content = (bases / "small-int8.tflite").read_bytes()
    dice = Dice(0)
    monkeypatch.setattr(dice, "choices", lambda *_: [3])
    changed, told = flatbuffer.mutate_fields(content, dice)
    assert (changed != content, told) == (True, "misnamed")
    with pytest.raises(ValueError, match="buffer is smaller"):
        schema.ModelT.InitFromPackedBuf(changed, 0)
