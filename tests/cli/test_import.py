"""`edge-deeplab import`: what is told for people and for scripts, and what it ends with."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from edge_deeplab.cli.app import app
from tests.models.tflite_files import write_segmenter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file of three classes, and two lists of class names."""
    write_segmenter(tmp_path / "cities.tflite")
    (tmp_path / "own.txt").write_text("road\nsky\ncar\n")
    (tmp_path / "map.toml").write_text('[map]\n0 = "road"\n1 = "sky"\n2 = "car"\n')
    (tmp_path / "other.txt").write_text("car\nperson\n")
    return tmp_path


def invoke(folder: Path, *arguments: str) -> Result:
    line = ["import", str(folder / "cities.tflite"), "--output", str(folder / "a.safetensors")]
    return CliRunner().invoke(app, [*line, *arguments])


def test_import_tells_people_whose_weights_they_are(folder: Path) -> None:
    result = invoke(folder, "--classes", str(folder / "own.txt"), "--licence", "research only")
    assert result.exit_code == 0, result.stderr
    assert "imported checkpoint: " in result.stdout
    assert "3 classes, made for 17x25; weights of cities.tflite (sha256 " in result.stdout
    assert "terms: research only" in result.stdout
    assert "floor" not in result.stdout


def test_import_tells_which_classes_start_afresh(folder: Path) -> None:
    given = ("--class-map", str(folder / "map.toml"), "--classes", str(folder / "other.txt"))
    result = invoke(folder, *given)
    assert "classes that start afresh: person" in result.stdout
    assert "classes of the file that are left out: road, sky" in result.stdout
    assert "terms: unknown" in result.stdout


def test_import_measured_is_one_document_with_its_floor(folder: Path, data: Path) -> None:
    given = ("--classes", str(folder / "own.txt"), "--data", str(data), "--split", "val")
    result = invoke(folder, *given, "--limit", "1", "--json")
    told = json.loads(result.stdout)
    assert {"checkpoint", "spec", "leftover", "missing", "agreement", "floor"} <= told.keys()
    assert told["images"] == 1
    assert 0 <= told["agreement"] <= 1
    result = invoke(folder, *given, "--limit", "1")
    assert "pixels that agree with the file, on 1 pictures: " in result.stdout
    assert "floor, the file in LiteRT's own kernels against XNNPACK's: " in result.stdout


def test_import_that_fails_leaves_what_was_there(folder: Path) -> None:
    (folder / "a.safetensors").write_text("before")
    result = invoke(folder)
    assert result.exit_code == 1
    assert "scores 3 classes and names none" in result.stderr
    assert (folder / "a.safetensors").read_text() == "before"
