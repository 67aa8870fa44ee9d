"""Every single number of a small int8 file, changed for one reader alone, is found; in each format."""

from pathlib import Path

import pytest

from edge_deeplab.formats.source import ReadingBudget
from edge_deeplab.formats.stored.file import StoredFile
from edge_deeplab.formats.stored.read import compare_stored
from tests.by_target import ByTarget
from tests.formats.stored.sweep import MUTABLE, sweep


def test_tiny_files_are_identical_and_small(
    tiny_files: ByTarget[Path], tiny_stored: ByTarget[StoredFile]
) -> None:
    assert compare_stored(list(tiny_files.values())).differences == ()
    assert tiny_stored["onnx"].stated()["weight_integers"] < 5000


@pytest.mark.parametrize("changed", MUTABLE)
def test_change_of_any_number_of_a_tiny_file_is_found(
    changed: str,
    tiny_files: ByTarget[Path],
    tiny_stored: ByTarget[StoredFile],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        ReadingBudget, "spend", lambda self, count, each=1: count
    )  # one reader, asked often
    tally = sweep(tiny_files, tiny_stored, changed, tmp_path, weights=True)
    stated = tiny_stored[changed].stated()
    assert tally.missed == []
    assert tally.found == tally.made
    assert tally.made["weight"] == stated["weight_integers"]
    assert tally.made["scale"] == stated["scales"]
    assert tally.made["zero point"] >= stated["zero_points"]
    assert tally.made["axis"] == stated["axes"]
    assert tally.made["bias"] == stated["bias_numbers"]
    assert tally.saved > 1
