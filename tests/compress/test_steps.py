"""A step is done once for the same inputs, settings and packages, whatever stops it on the way."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from edge_deeplab.compress import steps
from edge_deeplab.compress.steps import DONE_FILE, Step, run_step
from edge_deeplab.errors import ConfigError, StepError
from edge_deeplab.formats.manifest import content_sha256
from tests.progress import Heard

STATE = "state.bin"


class Work:
    """Writes one file and one folder, and counts how often; fails with what it is told to."""

    def __init__(self) -> None:
        self.runs: list[bool] = []
        self.fails_with: BaseException | None = None

    def __call__(self, folder: Path, resume: bool) -> Sequence[Path]:
        self.runs.append(resume)
        (folder / "round").mkdir(exist_ok=True)
        (folder / "round" / STATE).write_text("half way")
        if self.fails_with is not None:
            raise self.fails_with
        (folder / "weights.bin").write_text("weights")
        (folder / "tiny.mlpackage").mkdir(exist_ok=True)
        (folder / "tiny.mlpackage" / "model").write_text("model")
        return [folder / "weights.bin", folder / "tiny.mlpackage"]


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def step(work: Work) -> Step:
    return Step("prune", {"macs": 0.5}, {"checkpoint": "ab"}, ("numpy",), work)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def run(tmp_path: Path, said: list[str]) -> Callable[[Step], steps.Finished]:
    return lambda step: run_step(step, tmp_path, Heard(notes=said))


def test_step_is_found_when_nothing_has_changed(run, step: Step, work: Work, said: list[str]):
    first, second = run(step), run(step)
    assert first == second
    assert [path.name for path in second.paths()] == ["weights.bin", "tiny.mlpackage"]
    assert len(work.runs) == 1
    assert said == ["prune: running", "prune: done already"]


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"macs": 0.6}},
        {"inputs": {"checkpoint": "cd"}},
        {"packages": ("numpy", "torch")},
        {"name": "qat"},
    ],
)
def test_step_is_done_again_beside_the_old_one_when_something_has(
    run, step: Step, work: Work, change
):
    old = run(step)
    new = run(replace(step, **change))
    assert len(work.runs) == 2
    assert new.folder != old.folder
    run(step)
    assert len(work.runs) == 2


def test_key_depends_on_the_version_of_a_package(step: Step, monkeypatch: pytest.MonkeyPatch):
    before = step.key
    monkeypatch.setattr(steps, "installed_versions", lambda *names: dict.fromkeys(names, "9.9"))
    assert step.key != before


def test_key_does_not_depend_on_the_order_of_settings(step: Step):
    one, other = {"a": 1, "b": [2]}, {"b": [2], "a": 1}
    assert replace(step, settings=one).key == replace(step, settings=other).key


@pytest.mark.parametrize("damage", ["changed", "missing", "inside a folder"])
def test_damaged_output_is_made_again_with_a_warning(
    run, step: Step, work: Work, said: list[str], damage: str
):
    weights, package = run(step).paths()
    if damage == "missing":
        weights.unlink()
    elif damage == "changed":
        weights.write_text("other weights")
    else:
        (package / "model").write_text("other model")
    run(replace(step, state_file=STATE))
    assert work.runs == [False, False]
    assert weights.read_text() == "weights"
    assert "warning" in said[1]
    assert "was changed" in said[1]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"key": "other", "outputs": {}}'])
def test_unreadable_note_of_completion_is_none(run, step: Step, work: Work, content: str):
    (run(step).folder / DONE_FILE).write_text(content)
    run(step)
    assert len(work.runs) == 2


@pytest.mark.parametrize("way", ["../secret", "link"])
def test_note_that_names_a_file_elsewhere_is_none(run, step: Step, work: Work, way: str):
    done = run(step)
    secret = done.folder.parent / "secret"
    secret.write_text("secret")
    (done.folder / "link").symlink_to(secret)
    note = json.loads((done.folder / DONE_FILE).read_text())
    note["outputs"] = {way: content_sha256(secret)}
    (done.folder / DONE_FILE).write_text(json.dumps(note))
    again = run(step)
    assert list(again.outputs) == ["weights.bin", "tiny.mlpackage"]
    assert len(work.runs) == 2
    assert secret.read_text() == "secret"


def test_stopped_training_goes_on_and_other_work_starts_over(
    run, step: Step, work: Work, said: list[str], tmp_path: Path
):
    training = replace(step, name="qat", state_file=STATE)
    work.fails_with = KeyboardInterrupt()
    for stopped in (step, training):
        with pytest.raises(KeyboardInterrupt):
            run(stopped)
    work.fails_with = None
    run(step), run(training)
    assert work.runs == [False, False, False, True]
    assert said[-2:] == ["prune: running", "qat: going on"]
    assert "prune: stopped; the same command goes on from here" in said


def test_state_that_a_killed_writer_left_half_written_is_no_state(
    run, step: Step, work: Work, tmp_path: Path
):
    training = replace(step, state_file=STATE)
    folder = run(training).folder
    (folder / DONE_FILE).unlink()
    (folder / "round" / STATE).unlink()
    leftover = folder / f".{STATE}.abc"
    leftover.mkdir()
    (leftover / STATE).write_text("half")
    run(training)
    assert work.runs == [False, False]
    assert not leftover.exists()


def test_removal_that_was_killed_leaves_nothing_to_go_on_from(
    run, step: Step, work: Work, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    training = replace(step, state_file=STATE)
    weights, _ = run(training).paths()
    weights.unlink()

    def remove_a_part(folder: Path, **_: object) -> None:
        (folder / DONE_FILE).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(steps.shutil, "rmtree", remove_a_part)
        with pytest.raises(KeyboardInterrupt):
            run(training)
    finished = run(training)
    assert work.runs == [False, False]
    assert [path.name for path in tmp_path.iterdir()] == [finished.folder.name]


def test_step_stopped_before_its_note_is_not_done(
    run, step: Step, work: Work, monkeypatch: pytest.MonkeyPatch
):
    def stop(path: Path, content: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(steps, "write_atomically", stop)
        with pytest.raises(KeyboardInterrupt):
            run(step)
    run(step)
    assert len(work.runs) == 2


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ConfigError("macs came as 2"), "step prune: macs came as 2; the steps before it are kept"),
        (RuntimeError("out of memory\n  at C++"), "step prune: unexpected RuntimeError: out of"),
    ],
)
def test_failure_names_the_step(run, step: Step, work: Work, error: Exception, sentence: str):
    work.fails_with = error
    with pytest.raises(StepError) as raised:
        run(step)
    assert str(raised.value).startswith(sentence)
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is error


def test_note_lists_outputs_with_hashes(run, step: Step):
    finished = run(step)
    document = json.loads((finished.folder / DONE_FILE).read_text())
    assert document["outputs"] == finished.outputs
    assert all(len(digest) == 64 for digest in document["outputs"].values())
