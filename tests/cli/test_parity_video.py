"""`edge-deeplab parity --video`: its tables, its document, its exit codes, and what does not go with it."""

import json
import re

import pytest
import typer
from typer.testing import CliRunner

from edge_deeplab.cli.parity import parity
from tests.cli.test_parity import folder

__all__ = ["folder"]  # a fixture, which pytest finds by name in this file


@pytest.fixture
def invoke(folder):
    """Run the command where opening a file gives a runtime whose class maps are known."""
    app = typer.Typer()
    app.command()(parity)
    return lambda *arguments: CliRunner().invoke(app, [*map(str, arguments)])


def test_labelled_folder_gives_flips_and_scores_of_each_smoothing(invoke) -> None:
    result = invoke("good.onnx", "bad.tflite", "--video", "data", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["sequences"], document["labelled"]) == (3, True)
    good, bad = document["artifacts"]
    assert [each["smoothing"] for each in good["smoothings"]] == ["off", "majority:3"]
    assert bad["smoothings"][0]["still"]["flips"] == 0, "sky everywhere never flips"
    assert document["references"][0]["path"].endswith("camvid-efficientnet-lite0.safetensors")


def test_folder_of_photographs_alone_has_no_score(invoke, folder) -> None:
    result = invoke("good.onnx", "--video", folder / "data" / "test" / "images", "--limit", 2)
    assert result.exit_code == 0, result.stderr
    assert "2 photographs, standing still" in result.stdout
    assert re.search(r"\d to \d", result.stdout)
    assert "mIoU" not in result.stdout


def test_single_photograph_has_no_interval(invoke) -> None:
    result = invoke("good.onnx", "--video", "data", "--limit", 1)
    assert result.exit_code == 0, result.stderr
    assert "1 photograph, standing still" in result.stdout
    assert "nan" not in result.stdout
    assert not re.search(r"\d to \d", result.stdout)


def test_tables_tell_both_stretches_the_cost_and_whose_scores_are_not_averaged(invoke) -> None:
    result = invoke("good.onnx", "--video", "data")
    for told in ("standing still", "moving by known shifts", "ms a frame", "against off"):
        assert told in result.stdout
    assert "good.onnx gives class ids; export --head logits" in result.stdout


def test_file_that_fails_is_told_and_the_exit_code_is_1(invoke) -> None:
    result = invoke("gone.onnx", "good.onnx", "--video", "data")
    assert result.exit_code == 1
    assert "failed: gone.onnx does not exist; pass an exported file" in result.stderr
    assert "good.onnx" in result.stdout


@pytest.mark.parametrize(
    "option",
    [
        ("--masks", "masks"),
        ("--data", "data"),
        ("--max-drop", "0.5"),
        ("--plot", "a.png"),
        ("--on", "litert-gpu"),
        ("--junit", "a.xml"),
        ("--markdown", "a.md"),
        ("--html", "a.html"),
        ("--fail-inconclusive",),
        *(("--canonical",), ("--explain",), ("--per-class",)),
    ],
)
def test_option_that_asks_for_a_score_is_a_usage_error(invoke, option) -> None:
    result = invoke("good.onnx", "--video", "data", *option)
    assert result.exit_code == 2
    assert option[0] in result.stderr


def test_photograph_that_cannot_be_read_ends_it_with_one_document(invoke, folder) -> None:
    (folder / "data" / "test" / "images" / "0.png").write_bytes(b"\x89PNG\x1b[2J")
    result = invoke("good.onnx", "--video", "data", "--json")
    assert result.exit_code == 1
    assert "0.png cannot be read as an image" in json.loads(result.stdout)["error"]


def test_names_from_strangers_are_shown_and_steer_nothing(invoke, folder) -> None:
    hostile = folder / "[red]\x1b[2J"
    (folder / "data" / "test" / "images").rename(hostile)
    result = invoke("good [bold]\x1b[1m.onnx", "--video", hostile)
    assert result.exit_code == 0, result.stderr
    assert "\x1b" not in result.stdout + result.stderr
