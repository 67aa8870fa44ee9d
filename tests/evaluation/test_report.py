"""The tables that people read."""

from io import StringIO
from pathlib import Path

import pytest
from rich.table import Table

from edge_deeplab.cli.score_tables import evaluation_table, parity_table, per_class_table
from edge_deeplab.cli.terminal import Terminal
from edge_deeplab.evaluation.evaluate import evaluate_runtime
from edge_deeplab.evaluation.parity import measure_parity, open_trials


def rendered(table: Table) -> str:
    text = StringIO()
    Terminal(width=160, file=text).print(table)
    return text.getvalue()


@pytest.fixture
def report(runtime, dataset):
    runtimes = {
        r.path: r
        for r in (
            runtime("good.onnx"),
            runtime("bad.tflite", wrong_rows=2),
            runtime("crash[1].tflite", fails_at=0),
        )
    }
    trials = open_trials(list(runtimes), lambda path, size_hw: runtimes[path], dataset)
    return measure_parity(
        trials, Path("best.safetensors"), lambda size: runtime("r", size_hw=size), dataset
    )


def row(text: str, name: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if name in line]
    return [cell.strip() for cell in line.strip("│┃").split("│")]


def test_parity_table_shows_the_reference_first_and_a_verdict_for_each(report):
    text = rendered(parity_table(report))
    assert row(text, "reference:")[:4] == [
        "reference: best.safetensors",
        "8x8",
        "reading 1.0",
        "100.00",
    ]
    good = row(text, "good.onnx")
    assert good[3:7] == ["100.00", "+0.000", "+0.000 to +0.000", "1.00000"]
    assert good[-1] == "passed"
    assert row(text, "bad.tflite")[-1] == "FAILED"
    assert row(text, "crash[1].tflite")[-1] == "FAILED"
    assert text.index("reference:") < text.index("good.onnx") < text.index("bad.tflite")


def test_per_class_table_shows_differences_of_measured_artifacts_only(report):
    text = rendered(per_class_table(report))
    assert row(text, "road") == ["road", "100.00", "+0.000", "+0.000"]
    assert "crash" not in text


def test_evaluation_table_shows_classes_and_scores_with_absent_ones_as_a_dash(runtime, dataset):
    dataset.masks = [mask * (mask != 2) for mask in dataset.masks]  # cars become sky
    text = rendered(evaluation_table(evaluate_runtime(runtime(), dataset)))
    assert row(text, "car") == ["car", "-"]
    assert row(text, "│ mIoU")[1] == "100.00"
    assert row(text, "pixel accuracy")[1] == "1.0000"
