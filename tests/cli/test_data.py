"""The data command: its document, what people see, exit codes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge_deeplab.cli.app import app


def test_data_prints_the_document_scripts_rely_on(data: Path) -> None:
    result = CliRunner().invoke(app, ["data", str(data), "--json"])
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert document["splits"]["train"]["images"] == 2
    assert document["splits"]["train"]["class_share"] == {"left": 0.5, "right": 0.5}
    assert {"path", "problem"} <= document["problems"][0].keys()
    assert [p["kind"] for p in document["problems"]].count("copy") == 2, "val has train's pictures"


def test_data_with_what_ends_a_training_exits_with_1_and_names_it(data: Path) -> None:
    (data / "train" / "masks" / "0.png").write_bytes(b"\x1b[31m")
    result = CliRunner().invoke(app, ["data", str(data), "--sheet", str(data.parent / "s.png")])
    assert result.exit_code == 1
    assert "error (mask): " in result.stdout
    assert "train/masks/0.png cannot be read as an image" in result.stdout
    assert "warning (split): there is no split 'test'" in result.stdout
    assert "1 error (reading ends on it), 3 warnings" in result.stdout
    assert (data.parent / "s.png").is_file()


def test_data_counts_what_ends_a_reading_in_words_that_fit(data: Path) -> None:
    result = CliRunner().invoke(app, ["data", str(data)])
    assert "0 errors, " in result.stdout
    for number in (0, 1):
        (data / "train" / "masks" / f"{number}.png").write_bytes(b"")
    result = CliRunner().invoke(app, ["data", str(data)])
    assert "2 errors (reading ends on each), " in result.stdout


def test_data_tells_what_it_found_where_the_sheet_cannot_be_drawn(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no picture")

    monkeypatch.setattr("edge_deeplab.data.inspection.inspect.write_sheet", fail)
    sheet = data.parent / "s.png"
    result = CliRunner().invoke(app, ["data", str(data), "--sheet", str(sheet), "--json"])
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["splits"]["train"]["images"] == 2
    assert document["sheet"] is None
    assert document["error"].endswith("was not written, the result stands: ValueError: no picture")
