"""A run that goes on by its folder alone, and the one that is found where none is named."""

from collections.abc import Callable
from pathlib import Path

import pytest

import edge_deeplab as ed
from edge_deeplab.errors import CheckpointError, ConfigError
from edge_deeplab.training.started import STARTED_FILE, StartedWith, find_unfinished
from tests.progress import Heard
from tests.training.test_run_folder import TINY
from tests.training.test_train import StoppedError, stop_in_second_epoch

MakeDataset = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("shallow")


def stop(data: Path, output: Path) -> None:
    with pytest.raises(StoppedError):
        ed.train(data, output, recipe=TINY, workers=0, progress=stop_in_second_epoch())


def test_run_is_found_and_goes_on_as_one_that_was_not_stopped(
    make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, heard = make_dataset(), Heard()
    whole = ed.train(data, tmp_path / "runs" / "whole", recipe=TINY, workers=0)
    monkeypatch.chdir(tmp_path)
    stop(Path("data"), tmp_path / "runs" / "parts")
    found = ed.train(resume=True, workers=0, progress=heard)
    assert heard.notes[0] == f"resuming {Path('runs/parts')}"
    assert found.checkpoint.read_bytes() == whole.checkpoint.read_bytes()
    with pytest.raises(CheckpointError, match="no run with epochs left lies in"):
        ed.train(resume=True)


def test_of_several_runs_none_is_taken(make_dataset: MakeDataset, tmp_path: Path) -> None:
    data = make_dataset()
    stop(data, tmp_path / "one")
    stop(data, tmp_path / "runs" / "two")
    (tmp_path / "data" / "state.safetensors").write_bytes(b"no state")
    with pytest.raises(CheckpointError, match=r"2 runs have epochs left, .*two, .*one; one was"):
        find_unfinished(tmp_path)


def test_run_without_data_or_output_is_refused(tmp_path: Path) -> None:
    for keywords, lacking in (({"output": tmp_path / "run"}, "data"), ({"data": "x"}, "output")):
        with pytest.raises(ConfigError, match=f"no {lacking} came; a folder was expected"):
            ed.train(**keywords)


@pytest.mark.parametrize("text", ["", "[]", '{"data": 5}', '{"format": "x", "epochs": -1}'])
def test_what_a_run_was_started_with_is_read_with_care(text: str, tmp_path: Path) -> None:
    (tmp_path / STARTED_FILE).write_text(text)
    with pytest.raises(CheckpointError, match="does not say what the run was started with"):
        StartedWith.read(tmp_path)


def test_what_a_run_was_started_with_reads_as_it_was_written(tmp_path: Path) -> None:
    started = StartedWith(data="/data", epochs=3, init="camvid-mobilenetv2", classes="a\nb, c")
    started.write(tmp_path)
    assert StartedWith.read(tmp_path) == started
