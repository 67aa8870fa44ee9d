"""What is told of work on a stderr that is no terminal: of short work nothing, of long work a line now and then."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_deeplab.cli import progress


def test_short_work_says_nothing_but_its_notes(capfd: pytest.CaptureFixture[str]) -> None:
    with progress.drawn_progress() as drawn:
        drawn.begin("loading torch")
        drawn.begin("scoring", 3, "images")
        drawn.advance()
        drawn.note("epoch 1: loss 0.5")
    assert capfd.readouterr().err == "epoch 1: loss 0.5\n"


def test_long_work_says_where_it_stands_also_when_it_cannot_report(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.1)
    with progress.drawn_progress() as drawn:
        drawn.begin("loading torch")
        time.sleep(0.5)
        drawn.begin("scoring", 4, "images")
        drawn.advance(2)
        time.sleep(0.5)
    lines = capfd.readouterr().err.splitlines()
    assert lines[0].startswith("loading torch, for ")
    assert lines[-1].startswith("scoring: 2/4 images, ")
    assert lines[-1].endswith(" left")


def test_failing_command_writes_one_sentence_on_stderr(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge_deeplab", "parity", str(tmp_path / "absent.onnx")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
