"""What the chain's report says as a table and as a picture."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edge_deeplab.cli.compress import report_table
from edge_deeplab.cli.terminal import Terminal
from edge_deeplab.compress import summary
from edge_deeplab.compress.pareto import draw_pareto, pareto_front
from edge_deeplab.compress.report import (
    ChainReport,
    FileReport,
    Scores,
    StageReport,
    Times,
    TrainingTime,
)
from edge_deeplab.compress.tables import report_markdown
from edge_deeplab.evaluation.deciding import ParityVerdict
from edge_deeplab.targets import TargetName

REFERENCE = StageReport("reference", "street", "0" * 64, 4_000_000, 2_000_000_000, (32, 48), None)
PRUNED = StageReport(
    stage="pruned",
    checkpoint="checkpoints/street-pruned.safetensors",
    sha256="1" * 64,
    parameters=2_000_000,
    multiply_adds=1_250_000_000,
    size_hw=(32, 48),
    training=TrainingTime(epochs=20, minutes=81.5),
)


def pruned_file(target: TargetName, miou: float, latency_ms: float | None) -> FileReport:
    return FileReport(
        stage=PRUNED,
        target=target,
        precision="fp32",
        path=f"exports/a{target}",
        bytes=2_500_000,
        operators={"ok": 1, "slow": 0, "fallback": 0, "rejected": 0},
        scores=Scores(miou, miou - 60, (-1.0, 0.5), 0.99, 50.0, "some runtime"),
        times=None if latency_ms is None else Times(latency_ms, latency_ms, 1, latency_ms / 8),
        verdict=ParityVerdict.PASSED,
    )


@pytest.fixture
def report() -> ChainReport:
    files = [pruned_file("tflite", 59.5, 4.0), pruned_file("coreml", 59.0, None)]
    return ChainReport(
        stages=[REFERENCE, PRUNED],
        miou=60.0,
        images=5,
        files=files,
        steps=[],
        failures=["a.tflite is bad"],
    )


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


def test_markdown_has_a_row_a_file_and_the_cost_of_each_training(report: ChainReport) -> None:
    text = report_markdown(report)
    row = "| pruned | tflite | fp32 | 59.50 | -0.50 | -1.00 to +0.50 | 2.50 | 1.25 | 4.00 | 0.500 | passed |"
    assert row in text
    assert "| 59.00 | -1.00 | -1.00 to +0.50 | 2.50 | 1.25 | - | - | passed |" in text
    assert "20 epochs in 81.5 minutes" in text
    assert "failed: a.tflite is bad" in text


def test_loss_that_rounds_to_nothing_has_no_minus(report: ChainReport) -> None:
    first = report.files[0]
    scores = replace(first.scores, delta_miou=-0.0004)
    report = replace(report, files=[replace(first, scores=scores)])
    assert "| +0.00 |" in report_markdown(report)


def test_names_that_would_be_markup_are_shown_in_markdown_and_in_the_picture(
    report: ChainReport, tmp_path: Path
) -> None:
    name = "a|b\n<script>`x`</script> [c](d) $\\frac$"
    stages = [replace(REFERENCE, checkpoint=name)]
    report = replace(report, stages=stages, failures=[f"{name} is bad"])
    shown = "a\\|b\ufffd\\<script\\>\\`x\\`\\</script\\> \\[c\\](d) $\\\\frac$"
    text = report_markdown(report)
    assert text.startswith(f"# compressed from {shown}: 60.00 mIoU on 5 images\n")
    assert f"\nreference: {shown}, 4.00 M parameters" in text
    assert f"\nfailed: {shown} is bad\n" in text
    draw_pareto(report, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 0


def test_table_says_the_same(report: ChainReport) -> None:
    console = Terminal(width=160)
    with console.capture() as captured:
        console.print(report_table(report))
    assert "compressed from street: 60.00 mIoU on 5 images" in captured.get()
    assert "0.500" in captured.get()


@pytest.mark.parametrize("measured", ["everything", "no times"])
def test_picture_is_drawn_and_the_same_each_time(
    report: ChainReport, measured: str, tmp_path: Path
) -> None:
    if measured == "no times":
        report = replace(report, files=report.files[1:])
    draw_pareto(report, tmp_path / "a.png")
    draw_pareto(report, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 50


def test_time_of_a_training_is_that_of_all_rounds_whose_logs_can_be_read(tmp_path: Path) -> None:
    for folder, rows in (("round-1", "1,2.0,,90\n"), ("", "1,2.0,,60\n2,1.5,50.0,30\n3,torn\n")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "log.csv").write_text(f"epoch,loss,validation_miou,seconds\n{rows}")
    assert summary._training_time(tmp_path) == TrainingTime(4, 3.0)
