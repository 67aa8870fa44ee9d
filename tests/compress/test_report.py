"""What the chain's report says as a table and as a picture."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edge_deeplab.cli.terminal import Terminal
from edge_deeplab.compress.pareto import draw_pareto, pareto_front
from edge_deeplab.compress.tables import report_markdown, report_table


def entry(stage: str, target: str, miou: float | None, latency_ms: float | None) -> dict[str, Any]:
    scored = miou is not None
    return {
        "stage": stage,
        "target": target,
        "precision": "fp32",
        "bytes": 2_500_000,
        "multiply_adds": 1_250_000_000,
        "miou": miou,
        "delta_miou": miou - 60 if scored else None,
        "delta_interval": [-1.0, 0.5] if scored else None,
        "latency_ms": latency_ms and {"median": latency_ms},
        "ratio_to_reference": latency_ms and latency_ms / 8,
    }


@pytest.fixture
def report() -> dict[str, Any]:
    stages = [
        {
            "stage": "reference",
            "checkpoint": "street",
            "parameters": 4_000_000,
            "multiply_adds": 2_000_000_000,
            "training": None,
        },
        {
            "stage": "pruned",
            "checkpoint": "checkpoints/street-pruned.safetensors",
            "parameters": 2_000_000,
            "multiply_adds": 1_250_000_000,
            "training": {"epochs": 20, "minutes": 81.5},
        },
    ]
    return {
        "reference": {"name": "street", "miou": 60.0},
        "images": 5,
        "stages": stages,
        "files": [entry("pruned", "tflite", 59.5, 4.0), entry("pruned", "coreml", 59.0, None)],
        "failures": ["a.tflite is bad"],
    }


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([], []),
        ([(2, 5)], [(2, 5)]),
        ([(3, 6), (1, 4), (2, 3)], [(1, 4), (3, 6)]),
        ([(1, 4), (1, 5), (2, 5)], [(1, 5)]),
    ],
)
def test_front_holds_the_points_that_no_other_beats(points: Any, front: Any) -> None:
    assert pareto_front(points) == front


def test_markdown_has_a_row_a_file_and_the_cost_of_each_training(report: dict[str, Any]) -> None:
    text = report_markdown(report)
    row = "| pruned | tflite | fp32 | 59.50 | -0.50 | -1.00 to +0.50 | 2.50 | 1.25 | 4.00 | 0.500 |"
    assert row in text
    assert "| 59.00 | -1.00 | -1.00 to +0.50 | 2.50 | 1.25 | - | - |" in text
    assert "20 epochs in 81.5 minutes" in text
    assert "failed: a.tflite is bad" in text


def test_loss_that_rounds_to_nothing_has_no_minus(report: dict[str, Any]) -> None:
    report["files"][0]["delta_miou"] = -0.0004
    assert "| +0.00 |" in report_markdown(report)


def test_names_that_would_be_markup_are_shown_in_markdown_and_in_the_picture(
    report: dict[str, Any], tmp_path: Path
) -> None:
    name = "a|b\n<script>`x`</script> [c](d) $\\frac$"
    report["reference"]["name"] = report["stages"][0]["checkpoint"] = name
    report["failures"] = [f"{name} is bad"]
    shown = "a\\|b\ufffd\\<script\\>\\`x\\`\\</script\\> \\[c\\](d) $\\\\frac$"
    text = report_markdown(report)
    assert text.startswith(f"# compressed from {shown}: 60.00 mIoU on 5 images\n")
    assert f"\nreference: {shown}, 4.00 M parameters" in text
    assert f"\nfailed: {shown} is bad\n" in text
    draw_pareto(report, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 0


def test_table_says_the_same(report: dict[str, Any]) -> None:
    console = Terminal(width=160)
    with console.capture() as captured:
        console.print(report_table(report))
    assert "compressed from street: 60.00 mIoU on 5 images" in captured.get()
    assert "0.500" in captured.get()


@pytest.mark.parametrize("measured", ["everything", "no times"])
def test_picture_is_drawn_and_the_same_each_time(
    report: dict[str, Any], measured: str, tmp_path: Path
) -> None:
    if measured == "no times":
        report["files"] = [entry("pruned", "coreml", 59.0, None)]
    draw_pareto(report, tmp_path / "a.png")
    draw_pareto(report, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 50
