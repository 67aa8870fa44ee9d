"""The shipped checkpoints' int8 files are identical, and every change of one number of them is found.

Integers of weights are changed in the tiny file only (`test_mutations`): these files have millions.
"""

import json
import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge_deeplab.cli.app import app
from edge_deeplab.formats.source import ReadingBudget
from edge_deeplab.formats.stored.read import compare_stored, read_stored
from tests.formats.stored.sweep import MUTABLE, sweep

logger = logging.getLogger(__name__)
"""Shows the counts that docs/quantization.md gives: `make slow` with PYTEST_ADDOPTS="--log-cli-level=INFO"."""


@pytest.fixture(scope="module", params=["int8", "pruned-int8"])
def files(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The files of a shipped int8 checkpoint, by format."""
    folder = tmp_path_factory.mktemp("shipped")
    command = ["export", f"camvid-efficientnet-lite0-{request.param}", "--precision", "int8"]
    result = CliRunner().invoke(
        app, [*command, "--target", "all", "--output", str(folder), "--json"]
    )
    assert result.exit_code == 0, result.stderr
    return {a["target"]: Path(a["path"]) for a in json.loads(result.stdout)["artifacts"]}


@pytest.mark.slow
def test_shipped_files_are_identical(files: dict[str, Path]) -> None:
    comparison = compare_stored(list(files.values()))
    assert comparison.differences == ()
    assert comparison.rounded_scales == 0


@pytest.mark.slow
@pytest.mark.parametrize("changed", MUTABLE)
def test_change_of_any_scale_zero_point_axis_or_bias_of_a_shipped_file_is_found(
    changed: str,
    files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = {target: read_stored(path) for target, path in files.items()}
    monkeypatch.setattr(
        ReadingBudget, "spend", lambda self, count, each=1: count
    )  # one reader, asked often
    tally = sweep(files, stored, changed, tmp_path, weights=False)
    logger.info("%s of %s: %s", changed, files[changed].name, tally)
    stated = stored[changed].stated()
    assert tally.missed == []
    assert tally.found == tally.made
    assert tally.made["scale"] == stated["scales"]
    assert tally.made["zero point"] >= stated["zero_points"]
    assert tally.made["axis"] == stated["axes"]
    assert tally.made["bias"] == stated["bias_numbers"]
