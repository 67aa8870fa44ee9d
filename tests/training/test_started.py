"""A run that goes on by its folder alone, and the one that is found where none is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import edge_deeplab as ed
from edge_deeplab.data.class_list import ClassList
from edge_deeplab.description import ClassInfo
from edge_deeplab.errors import CheckpointError, ConfigError, DataError, OutputError
from edge_deeplab.training.started import STARTED_FILE, StartedWith, find_unfinished
from tests.progress import Heard
from tests.training.test_run_folder import TINY
from tests.training.test_train import StoppedError, stop_in_second_epoch

MakeDataset = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("shallow")


def stop(data: Path, output: Path, **keywords: Any) -> None:
    with pytest.raises(StoppedError):
        ed.train(data, output, recipe=TINY, workers=0, progress=stop_in_second_epoch(), **keywords)


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


def test_run_that_is_at_work_is_not_resumed(
    make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = []

    def resume(stage: str) -> None:
        if stage.startswith("epoch 2/"):
            monkeypatch.chdir(tmp_path)
            with pytest.raises(OutputError, match="another training is at work in run"):
                ed.train(resume=True, workers=0)
            refused.append(stage)

    ed.train(make_dataset(), tmp_path / "run", recipe=TINY, workers=0, progress=Heard(resume))
    assert len(refused) == 1


def test_run_without_data_or_output_is_refused(tmp_path: Path) -> None:
    for keywords, lacking in (({"output": tmp_path / "run"}, "data"), ({"data": "x"}, "output")):
        with pytest.raises(ConfigError, match=f"no {lacking} came; a folder was expected"):
            ed.train(**keywords)


def test_run_of_told_classes_goes_on_with_their_colours_and_what_is_ignored(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    data = make_dataset()
    listed = (data / "dataset.toml").rename(tmp_path / "mine.toml")
    mask = data / "train" / "masks" / "0.png"
    Image.fromarray(np.where(np.asarray(Image.open(mask)), np.uint8(9), np.uint8(0))).save(mask)
    whole = ed.train(data, tmp_path / "whole", recipe=TINY, classes=listed, workers=0)
    stop(data, tmp_path / "parts", classes=listed)
    listed.unlink()
    found = ed.train(output=tmp_path / "parts", resume=True, workers=0)
    assert found.checkpoint.read_bytes() == whole.checkpoint.read_bytes()


def test_run_goes_on_with_the_largest_image_that_it_was_started_with(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    data, output = make_dataset(size_hw=(40, 48)), tmp_path / "run"
    stop(data, output, max_pixels=40 * 48)
    make_dataset(size_hw=(50, 48))
    with pytest.raises(DataError, match="at most 1920 pixels"):
        ed.train(output=output, resume=True, workers=0)
    with pytest.raises(CheckpointError, match="whose data had other images or masks"):
        ed.train(output=output, resume=True, workers=0, max_pixels=50 * 48)
    make_dataset(size_hw=(40, 48))
    assert ed.train(output=output, resume=True, workers=0, max_pixels=50 * 48).epoch is None


@pytest.mark.parametrize("text", ["", "[]", '{"data": 5}', '{"format": "x", "epochs": -1}'])
def test_what_a_run_was_started_with_is_read_with_care(text: str, tmp_path: Path) -> None:
    (tmp_path / STARTED_FILE).write_text(text)
    with pytest.raises(CheckpointError, match="does not say what the run was started with"):
        StartedWith.read(tmp_path)


def test_what_a_run_was_started_with_reads_as_it_was_written(tmp_path: Path) -> None:
    classes = ClassList((ClassInfo("a", (1, 2, 3)), ClassInfo("b, c", (255, 0, 0))), 7)
    started = StartedWith("/data", 3, init="camvid-mobilenetv2", max_pixels=5, classes=classes)
    started.write(tmp_path)
    assert StartedWith.read(tmp_path) == started


def test_what_another_version_has_written_is_not_read(tmp_path: Path) -> None:
    StartedWith("/data", 3).write(tmp_path)
    told = json.loads((tmp_path / STARTED_FILE).read_text())
    (tmp_path / STARTED_FILE).write_text(json.dumps({**told, "format": "edge-deeplab-run/0"}))
    with pytest.raises(CheckpointError, match="format is 'edge-deeplab-run/0', not one of"):
        StartedWith.read(tmp_path)
