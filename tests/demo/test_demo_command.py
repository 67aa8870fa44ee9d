"""`edge-deeplab demo`: options, exit codes, the JSON document, and one sentence for each failure."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from edge_deeplab.cli.demo import demo, refuse_recording_over_source
from edge_deeplab.runtimes import open as open_module
from tests.demo.conftest import CLASSES, BrightestChannel

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run the command with the `BrightestChannel` in place of whatever artifact is named."""
    monkeypatch.setattr(open_module, "open_artifact", lambda *_, **__: BrightestChannel())
    return run_command


def run_command(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(demo)
    return CliRunner().invoke(app, ["--artifact", "some.onnx", *map(str, arguments)])


def error_of(result: Result) -> str:
    """Return the one sentence of a failed command."""
    assert result.exit_code == 1, result.output
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    return result.stderr


def test_demo_json_is_one_document_with_the_promised_keys(
    invoke: Invoke, image_folder: Path, tmp_path: Path
) -> None:
    film = tmp_path / "out.mp4"
    result = invoke(
        "--source", image_folder, "--headless", "--record", film, "--limit", 3, "--json"
    )
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (document["frames"], document["recorded"]) == (3, str(film))
    assert document["runtime"] == "brightest-channel 1"
    assert {"artifact", "source", "dropped", "seconds", "fps", "stopped"} < document.keys()
    assert document["inference_ms"].keys() == {"median", "p95"}


def test_demo_table_tells_stages_and_where_the_recording_lies(
    invoke: Invoke, image_folder: Path, tmp_path: Path
) -> None:
    result = invoke("--source", image_folder, "--headless", "--record", tmp_path / "out.mp4")
    assert result.exit_code == 0
    assert "inference" in result.stdout
    assert "5 pictures" in result.stdout
    assert f"recorded: {tmp_path / 'out.mp4'}" in result.stdout


def test_demo_records_pictures_without_panel_at_their_own_size(
    invoke: Invoke, image_folder: Path, tmp_path: Path
) -> None:
    place = ("--record", tmp_path / "drawn", "--no-panel", "--opacity", 1)
    assert invoke("--source", image_folder, "--headless", *place).exit_code == 0
    with Image.open(tmp_path / "drawn" / "street_0.png") as picture:
        assert picture.size == (96, 64)
        assert picture.getpixel((10, 30)) == CLASSES[0].color


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("nowhere.mp4", "nowhere.mp4 does not exist"),
        ("camera:/dev/no-such-camera", "camera '/dev/no-such-camera' cannot be opened"),
    ],
)
def test_demo_bad_source_is_one_sentence(invoke: Invoke, source: str, sentence: str) -> None:
    assert sentence in error_of(invoke("--source", source, "--headless"))


def test_demo_empty_folder_is_one_sentence(invoke: Invoke, tmp_path: Path) -> None:
    assert "holds no images" in error_of(invoke("--source", tmp_path, "--headless"))


def test_demo_corrupt_image_is_named_and_the_earlier_film_kept(
    invoke: Invoke, image_folder: Path, tmp_path: Path
) -> None:
    (image_folder / "street_3.png").write_bytes(b"no picture")
    film = tmp_path / "out.mp4"
    film.write_bytes(b"an earlier film")
    sentence = error_of(invoke("--source", image_folder, "--headless", "--record", film))
    assert "street_3.png cannot be read as an image" in sentence
    assert film.read_bytes() == b"an earlier film"


def test_demo_failure_with_json_still_prints_one_document(invoke: Invoke) -> None:
    result = invoke("--source", "nowhere.mp4", "--headless", "--json")
    assert "does not exist" in json.loads(result.stdout)["error"]


def test_demo_recording_over_its_own_source_is_refused(invoke: Invoke, image_folder: Path) -> None:
    for shown in (image_folder, next(image_folder.iterdir())):
        result = invoke("--source", shown, "--headless", "--record", image_folder)
        assert "is where the source lies" in error_of(result)


@pytest.mark.parametrize("source", ["camera", "film.mp4", "gstreamer:v4l2src"])
def test_demo_records_pictures_beside_what_is_no_picture(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refuse_recording_over_source(Path(), source)


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux: a display may be absent")
def test_demo_without_display_says_how_to_run_without_one(
    invoke: Invoke, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    sentence = error_of(invoke("--source", image_folder))
    assert "no window can be opened here" in sentence
    assert "--headless --record OUT.mp4" in sentence


def test_demo_artifact_without_description_says_what_is_missing(
    invoke: Invoke, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = BrightestChannel(describes_itself=False)
    monkeypatch.setattr(open_module, "open_artifact", lambda *_, **__: silent)
    sentence = error_of(invoke("--source", image_folder, "--headless"))
    assert "carries no self-description (class names, colours and input size" in sentence


def test_demo_artifact_that_does_not_exist_is_one_sentence(image_folder: Path) -> None:
    assert "some.onnx does not exist" in error_of(
        run_command("--source", image_folder, "--headless")
    )


@pytest.mark.parametrize("option", [("--opacity", 2), ("--limit", 0), ("--threads", 0)])
def test_demo_option_out_of_range_is_a_usage_error(
    invoke: Invoke, image_folder: Path, option: tuple[str, int]
) -> None:
    assert invoke("--source", image_folder, "--headless", *option).exit_code == 2


def test_demo_in_another_formats_runtime_says_which_it_runs(image_folder: Path) -> None:
    result = run_command("--source", image_folder, "--headless", "--runtime", "compiled-model")
    assert "some.onnx was to be run by compiled-model, which runs .tflite" in error_of(result)
