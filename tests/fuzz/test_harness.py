"""The fuzzer itself: what is planted is found, a mutant is the same every time, and mutants differ."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.ending import BAD, OK, REFUSED, find_problem
from tests.fuzz.kinds import PLANTED, kinds, make_mutant
from tests.fuzz.planted import FOUND, HARMLESS
from tests.fuzz.processes import family
from tests.fuzz.run import main
from tests.fuzz.supervise import Worker

REPOSITORY = Path(__file__).resolve().parents[2]
STEPS = {step.call: number for number, step in enumerate(kinds()[PLANTED].subjects[0].steps)}


@pytest.fixture(scope="module")
def small_bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the one valid file that planted steps are given."""
    folder = tmp_path_factory.mktemp("bases")
    (folder / "class-map.toml").write_text('[map]\n0 = "road"\n')
    return folder


@pytest.fixture(scope="module")
def worker(small_bases: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with Worker(small_bases, tmp_path_factory.mktemp("worker")) as worker:
        yield worker


@pytest.mark.parametrize("call", FOUND, ids=lambda call: call.__name__)
def test_worker_planted_harm_is_found_with_its_kind(worker, call):
    result = worker.run(PLANTED, 0, STEPS[call])
    assert result.ending.verdict == BAD
    assert FOUND[call] in result.ending.what


def test_worker_planted_error_is_found_with_its_place(worker):
    ending = worker.run(PLANTED, 0, STEPS[next(c for c in FOUND if c.__name__ == "crash")]).ending
    assert "crashes (Segmentation fault)" in ending.what
    raised = worker.run(PLANTED, 0, STEPS[next(c for c in FOUND if "key" in c.__name__)]).ending
    assert raised.where.startswith("tests/fuzz/planted.py:")


@pytest.mark.parametrize("call", HARMLESS, ids=lambda call: call.__name__)
def test_worker_harmless_call_is_not_bad(worker, call):
    ending = worker.run(PLANTED, 0, STEPS[call]).ending
    assert ending.verdict == (OK if call.__name__ == "pass_by" else REFUSED), ending


def test_worker_closed_leaves_no_process(small_bases, tmp_path):
    before = set(family(os.getpid()))
    with Worker(small_bases, tmp_path / "worker") as worker:
        worker.run(PLANTED, 0, STEPS[HARMLESS[0]])
        assert set(family(os.getpid())) > before
    assert set(family(os.getpid())) == before


def test_main_planted_harm_gives_code_1_and_the_command_that_finds_it_again(small_bases, capsys):
    index = STEPS[next(c for c in FOUND if c.__name__ == "steer")]
    arguments = ["--seed", "5", "--kind", PLANTED, "--index", str(index)]
    assert main([*arguments, "--bases", str(small_bases)]) == 1
    assert f"--seed 5 --kind {PLANTED} --index {index}" in capsys.readouterr().out
    arguments[-1] = str(STEPS[HARMLESS[0]])
    assert main([*arguments, "--bases", str(small_bases)]) == 0


@pytest.mark.parametrize(
    ("code", "stdout", "stderr", "told"),
    [
        (3, "", "", "exit code 3"),
        (-11, "", "", "exit code -11"),
        (1, "", "Traceback (most recent call last):\n", "lays bare"),
        (1, '{"error": "unexpected KeyError: 3; run with --debug"}', "", "lays bare"),
        (0, "{}{}", "", "no JSON document"),
        (0, '{"a": NaN}', "", "no JSON document"),
        (1, "", "error: \x1b[2J", "steers"),
        (1, "", "error: \u202ereversed", "steers"),
    ],
)
def test_find_problem_tells_what_is_wrong(code, stdout, stderr, told):
    assert told in (find_problem(code, stdout, stderr, as_json=True) or "")


@pytest.mark.parametrize(
    ("code", "stdout", "stderr"),
    [(0, '{"a": 1}\n', "timing 1 files\n"), (1, '{"error": "x"}', "error: x\n"), (2, "", "Usage")],
)
def test_find_problem_lets_an_answer_and_a_sentence_pass(code, stdout, stderr):
    assert find_problem(code, stdout, stderr, as_json=True) is None


MAKE = """
import hashlib, sys
from pathlib import Path
from tests.fuzz.test_harness import digests
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
    written = []
    for hash_seed in ("1", "2"):
        folder = tmp_path / "made"
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", MAKE, str(bases), str(folder), "3"],
            capture_output=True,
            text=True,
            check=True,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        written.append(done.stdout)
        folder.rename(tmp_path / hash_seed)
    assert written[0] == written[1]


def test_make_mutant_indices_and_seeds_give_other_bytes(bases, tmp_path):
    one, other = digests(bases, tmp_path / "one", 1), digests(bases, tmp_path / "other", 2)
    assert set(one) == {name for name, kind in kinds().items() if kind.share}
    for kind, hashes in one.items():
        assert len(set(hashes)) > 8, kind
        assert hashes != other[kind]
