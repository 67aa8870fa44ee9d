"""The examples run as they stand, from the face alone, on a small set."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

EXAMPLES = REPOSITORY / "examples"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two labelled noise pictures with the classes of the shipped checkpoint."""
    import numpy as np
    from PIL import Image

    import edge_deeplab as ed

    classes = ed.load("camvid-efficientnet-lite0").info.classes
    folder = tmp_path / "camvid"
    tables = "".join(
        f'[[classes]]\nname = "{each.name}"\ncolor = {list(each.color)}\n' for each in classes
    )
    rng = np.random.default_rng(0)
    for kind, content in (
        ("images", rng.integers(0, 256, (2, 96, 128, 3), np.uint8)),
        ("masks", rng.integers(0, len(classes), (2, 96, 128), np.uint8)),
    ):
        (folder / "test" / kind).mkdir(parents=True)
        for number, pixels in enumerate(content):
            Image.fromarray(pixels).save(folder / "test" / kind / f"{number}.png")
    (folder / "dataset.toml").write_text(
        f'name = "noise"\nlicence = "CC0"\nignore_index = 255\n{tables}'
    )
    return folder


def run(code: list[str], tmp_path: Path, **variables: str) -> str:
    environment = {**os.environ, "MPLBACKEND": "Agg", **variables}
    done = subprocess.run(
        [sys.executable, *code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow  # the notebook, which runs every time, calls the same
def test_script_exports_and_proves(data: Path, tmp_path: Path) -> None:
    script = str(EXAMPLES / "export_and_prove.py")
    told = run([script, "--data", str(data), "--size", "96", "128", "--output", "proof"], tmp_path)
    assert told.count("passed") == 2
    assert "on tflite-xnnpack: " in told
    for name in ("classes.png", "class-map.png", "manifest.json"):
        assert (tmp_path / "proof" / name).stat().st_size > 0


def test_notebook_runs_cell_by_cell(data: Path, tmp_path: Path) -> None:
    notebook = json.loads((EXAMPLES / "export_and_prove.ipynb").read_text())
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    assert all(not c["outputs"] for c in notebook["cells"] if c["cell_type"] == "code")
    (tmp_path / "cells.py").write_text("\n".join(cells))
    told = run(
        ["cells.py"],
        tmp_path,
        EDGE_DEEPLAB_DATA=str(data),
        EDGE_DEEPLAB_SIZE="96x128",
        EDGE_DEEPLAB_OUTPUT="proof",
    )
    assert told.count(": passed") == 2


def test_examples_use_the_face_alone() -> None:
    script = (EXAMPLES / "export_and_prove.py").read_text()
    notebook = (EXAMPLES / "export_and_prove.ipynb").read_text()
    assert "edge_deeplab." not in script
    assert "from edge_deeplab" not in script + notebook
