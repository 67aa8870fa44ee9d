"""`edge-deeplab demo --replay`: class maps that parity scores as it scores the file itself."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from edge_deeplab.cli.demo import demo
from edge_deeplab.demo.replay import find_photographs, replay_photographs
from edge_deeplab.errors import DataError, OutputError
from edge_deeplab.formats.replay import read_replay
from edge_deeplab.runtimes import open as open_module
from tests.conftest import MakeDataset
from tests.demo.conftest import CLASSES, BrightestChannel, halves


@pytest.fixture
def runtime(tmp_path: Path) -> BrightestChannel:
    """The `BrightestChannel` as if it came from a file."""
    runtime = BrightestChannel()
    runtime.path = tmp_path / "model.onnx"
    runtime.path.write_bytes(b"the model")
    return runtime


def run(*arguments: object) -> tuple[int, str, str]:
    app = typer.Typer()
    app.command()(demo)
    result = CliRunner().invoke(app, [*map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_replay_writes_a_class_map_for_each_photograph_at_the_models_size(
    runtime: BrightestChannel, image_folder: Path, tmp_path: Path
) -> None:
    photographs = sorted(image_folder.glob("*.png"))
    written = replay_photographs(runtime, photographs, tmp_path / "masks")
    assert read_replay(tmp_path / "masks") == written
    assert written.model_sha256 == hashlib.sha256(b"the model").hexdigest()
    assert (written.runtime, written.version) == ("brightest-channel", "1")
    assert (written.size_hw, written.classes) == ((32, 48), tuple(c.name for c in CLASSES))
    assert [image.file for image in written.images] == [path.name for path in photographs]
    for image in written.images:
        content = (tmp_path / "masks" / image.file).read_bytes()
        assert image.sha256 == hashlib.sha256(content).hexdigest()
        assert image.ms.infer >= 0
        assert image.ms.draw is None
    with Image.open(tmp_path / "masks" / "street_0.png") as picture:
        assert (picture.mode, picture.size) == ("L", (48, 32))
        assert np.array_equal(np.asarray(picture)[0, [0, 47]], [0, 1])


def test_replay_replaces_an_earlier_one_and_nothing_else(
    runtime: BrightestChannel, image_folder: Path, tmp_path: Path
) -> None:
    photographs, masks = sorted(image_folder.glob("*.png")), tmp_path / "masks"
    replay_photographs(runtime, photographs, masks)
    replay_photographs(runtime, photographs[:2], masks)
    assert sorted(p.name for p in masks.iterdir()) == [
        "replay.json",
        "street_0.png",
        "street_1.png",
    ]
    (masks / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds something else \(notes.txt\)"):
        replay_photographs(runtime, photographs, masks)
    with pytest.raises(OutputError, match="holds something else"):
        replay_photographs(runtime, photographs, image_folder)
    assert len(list(image_folder.iterdir())) == 6


def test_replay_that_fails_leaves_the_earlier_one(
    runtime: BrightestChannel, image_folder: Path, tmp_path: Path
) -> None:
    photographs, masks = sorted(image_folder.glob("*.png")), tmp_path / "masks"
    replay_photographs(runtime, photographs[:1], masks)
    photographs[2].write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"street_2\.png cannot be read"):
        replay_photographs(runtime, photographs, masks)
    assert len(read_replay(masks).images) == 1
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_photographs_of_one_name_are_refused(
    runtime: BrightestChannel, image_folder: Path, tmp_path: Path
) -> None:
    Image.fromarray(halves()).save(image_folder / "street_0.jpg")
    with pytest.raises(DataError, match=r"would have one class map, street_0\.png"):
        replay_photographs(runtime, sorted(image_folder.glob("street_0.*")), tmp_path / "masks")


def test_photograph_whose_name_no_document_may_hold_is_refused(
    runtime: BrightestChannel, image_folder: Path, tmp_path: Path
) -> None:
    odd = image_folder / "street\n9.png"
    Image.fromarray(halves()).save(odd)
    with pytest.raises(DataError, match="has control characters in its name"):
        replay_photographs(runtime, [odd], tmp_path / "masks")


def test_photographs_are_those_of_a_folder_or_of_a_split_of_labelled_data(
    image_folder: Path, make_dataset: MakeDataset, tmp_path: Path
) -> None:
    data = make_dataset("val", count=2)
    own = [data / "val" / "images" / f"{index}.png" for index in range(2)]
    assert find_photographs(data, "val") == own
    assert find_photographs(data / "val" / "images", "test") == own
    assert find_photographs(image_folder, "test") == sorted(image_folder.glob("*.png"))
    with pytest.raises(DataError, match="has no split 'test'"):
        find_photographs(data, "test")
    with pytest.raises(DataError, match="holds no images"):
        find_photographs(data / "val", "val")
    with pytest.raises(DataError, match="cannot be listed"):
        find_photographs(tmp_path / "absent", "test")


def test_replay_command_prints_its_account_and_how_to_score_it(
    runtime: BrightestChannel,
    image_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_module, "open_artifact", lambda *_, **__: runtime)
    asked = (runtime.path, "--replay", image_folder, "--output", tmp_path / "masks")
    code, told, _ = run(*asked, "--limit", 2, "--json")
    assert code == 0
    document = json.loads(told)
    stored = json.loads((tmp_path / "masks" / "replay.json").read_text())
    assert document == {"masks": str(tmp_path / "masks"), **stored}
    assert len(document["images"]) == 2
    keys = {"device", "os", "runtime", "version", "accelerator", "model_sha256", "size_hw"}
    assert keys < document.keys()
    assert document["accelerator"].keys() == {"asked", "got"}
    code, told, _ = run(*asked)
    assert code == 0
    assert "class maps of 5 photographs" in told
    assert f"edge-deeplab parity {runtime.path} --masks" in told


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a.onnx"], "none came; one of --source, --replay, --contract, --web was expected"),
        (["a.onnx", "--source", "x", "--replay", "y"], "--source and --replay came; one of"),
        (["a.onnx", "--replay", "x"], "a folder for the class maps was expected"),
        (["a.onnx", "--source", "x", "--output", "y"], "it came without --replay"),
        (["a.onnx", "--replay", "x", "--output", "y", "--record", "z"], "it came without --source"),
        (
            ["a.onnx", "--replay", "x", "--output", "y", "--data", "z"],
            "it came without --contract or --web",
        ),
        (["--source", "x"], "0 files came"),
        (["a.onnx", "--artifact", "a.onnx", "--source", "x"], "2 files came"),
    ],
)
def test_demo_asked_for_two_things_or_none_is_a_usage_error(
    arguments: list[str], sentence: str
) -> None:
    code, _, told = run(*arguments)
    assert code == 2
    assert sentence in " ".join(told.replace("│", " ").split())


def test_replay_of_an_exported_file_is_scored_as_the_file_itself(
    artifacts: dict[str, Path], tmp_path: Path
) -> None:
    """The whole way: photographs, class maps, and parity's two rows from one file."""
    from edge_deeplab import api
    from edge_deeplab.evaluation.parity import measure_parity, open_trials
    from edge_deeplab.evaluation.replay_trial import open_replays
    from edge_deeplab.progress import SILENT
    from edge_deeplab.runtimes.open import open_artifact
    from tests.evaluation.conftest import SpelledDataset

    mask = np.kron([[0, 1], [2, 0]], np.ones((16, 24), np.uint8))
    dataset = SpelledDataset([mask, mask.T.reshape(mask.shape)])
    dataset.classes = CLASSES
    photographs = [tmp_path / "photographs" / f"{name}.png" for name in dataset.names]
    photographs[0].parent.mkdir()
    for index, path in enumerate(photographs):
        Image.fromarray(dataset[index].image_hwc).save(path)
    file = artifacts["onnx"]
    with api.open_artifact(file) as opened:
        replay_photographs(opened, photographs, tmp_path / "masks")
    files = open_trials([file], open_artifact, dataset)
    replays = open_replays([tmp_path / "masks"], files, dataset, None, SILENT)
    report = measure_parity(
        [*files, *replays], file, lambda size: open_artifact(file), dataset, max_drop=0
    )
    own, replayed = report.artifacts
    assert report.passed, [str(failure) for failure in report.failures()]
    assert replayed.miou == own.miou
    assert replayed.replay is not None
    assert replayed.replay.runtime_agreement == 1.0
