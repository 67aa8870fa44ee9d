"""`edge-deeplab rewrites`."""

import json
from functools import partial

import pytest
from typer.testing import CliRunner

from edge_deeplab.cli.app import app
from edge_deeplab.converters.rewrites.catalogue import ALWAYS, REWRITES
from edge_deeplab.converters.rewrites.pipeline import rewrites
from edge_deeplab.models.quantization import Quantization

runner = CliRunner()


def test_rewrites_as_json_lists_the_standing_ones_and_the_catalogue() -> None:
    result = runner.invoke(app, ["rewrites", "--json"])
    assert result.exit_code == 0, result.stderr
    entries = json.loads(result.stdout)["rewrites"]
    assert [e["name"] for e in entries if e["always"]] == [rewrite.name for rewrite in ALWAYS]
    assert [e["name"] for e in entries if not e["always"]] == list(REWRITES)
    assert all(e["does"] and e["equality"] for e in entries)
    assert all(bool(e["asked_by"]) != e["always"] for e in entries)


def test_rewrites_for_people_says_how_each_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = runner.invoke(app, ["rewrites"]).stdout
    assert "always, on every graph" in text
    assert "export --head fast" in text


@pytest.mark.parametrize(
    ("quantization", "graphs"),
    [(None, "float graphs"), (Quantization((), {}), "int8 graphs")],
    ids=["float", "int8"],
)
def test_standing_rewrites_are_those_that_the_pipeline_runs(
    quantization: Quantization | None, graphs: str
) -> None:
    listed = {rewrite.name for rewrite in ALWAYS if rewrite.runs_on in ("every graph", graphs)}
    assert {name_of(rewrite) for rewrite in rewrites(quantization)} == listed


def name_of(rewrite: object) -> str:
    function = rewrite.func if isinstance(rewrite, partial) else rewrite
    return str(getattr(function, "__name__", "")).replace("_", "-")


def test_catalogue_names_are_those_of_their_functions_and_documented() -> None:
    for name, rewrite in REWRITES.items():
        assert rewrite.apply.__name__.replace("_", "-") == name
        assert "Requires:" in (rewrite.apply.__doc__ or "")
        assert "Ensures:" in (rewrite.apply.__doc__ or "")
