"""The fuzzer itself: what is planted is found, and nothing else is."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.ending import BAD, OK, REFUSED, find_problem
from tests.fuzz.kinds import PLANTED, kinds
from tests.fuzz.planted import FOUND, HARMLESS
from tests.fuzz.processes import family
from tests.fuzz.run import main
from tests.fuzz.supervise import Worker
from tests.slow import or_slow

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


@pytest.mark.parametrize(
    "call",
    [or_slow(call, not call.__name__.startswith("hoard")) for call in FOUND],
    ids=lambda call: call.__name__,
)
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
