"""The matrix as a terminal shows it: no name is cut, and no two files look the same."""

from dataclasses import replace
from pathlib import Path

import pytest

from edge_deeplab.checker.observing import RunCost
from edge_deeplab.cli import lab_tables
from edge_deeplab.cli.terminal import Terminal
from edge_deeplab.lab.report import AgainstReference, Cell, Execution, LabReport, LeftOperator

LEFT = tuple(LeftOperator("RESIZE_BILINEAR", f"up_{index}", "scale 4") for index in range(5))
COMPILED = Cell(
    "ethos-u55-256", Path("a/camvid-efficientnet-lite0-int8.tflite"), "compiled", "Vela",
    "ethos-u-vela 5.2.0", 79, LEFT, 0.995, 3, RunCost(110.6, 1, 2, "an estimate"),
    predicted_equal=True, notes=("42 of 63 with integers",),
)  # fmt: skip
EXECUTED = replace(
    COMPILED, device="openvino-cpu-tflite", evidence="executed", left=(), predicted_equal=False,
    differences=("one part more",),
    execution=Execution(
        0.9962, -0.17, (-0.34, 0.04), 20, 1.5, AgainstReference(Path("r"), 0.2, (0.1, 0.3))
    ),
)  # fmt: skip


@pytest.fixture
def show(monkeypatch, capsys):
    """Return a function that gives what is printed of cells, where nobody's terminal sets a width."""

    def show(*cells):
        monkeypatch.setattr(lab_tables, "stdout_console", lambda: Terminal(width=120))
        lab_tables.show_report(LabReport(cells))
        return capsys.readouterr().out

    return show


def named(cell, name):
    return replace(cell, path=Path(name))


def test_files_have_their_whole_names_however_alike_they_are(show):
    ends = ("fp32.tflite", "fp16.tflite", "int8.tflite", "pruned-int8.tflite", "int8.onnx")
    names = [f"a/camvid-efficientnet-lite0-{end}" for end in ends]
    told = show(*(named(EXECUTED, name) for name in names))
    assert "…" not in told
    for name in names:
        assert told.count(f" {Path(name).name} ") >= 2, name
    assert "0.9962 │ -0.17 [-0.34, +0.04] │ +0.20 [+0.10, +0.30] │        1.50 │" in told
    assert "executed on 20 images" in told


def test_files_of_one_name_are_told_apart_by_their_folders(show):
    told = show(named(COMPILED, "out/a/net.tflite"), named(COMPILED, "out/b/net.tflite"))
    assert " out/a/net.tflite " in told
    assert " out/b/net.tflite " in told


def test_a_file_of_several_sizes_is_named_with_each(show):
    told = show(*(replace(named(COMPILED, "a/n.tflite"), size_hw=s) for s in ((8, 8), (16, 24))))
    assert " n.tflite at 8x8 " in told
    assert " n.tflite at 16x24 " in told


def test_a_single_file_has_its_name(show):
    told = show(named(COMPILED, "out/net-int8.tflite"))
    assert " net-int8.tflite " in told
    assert "79 of 84" in told
    assert "agreement" not in told


def test_remarks_are_told_once_with_their_devices_and_files(show):
    other = replace(COMPILED, device="ethos-u55-128")
    refused = replace(named(other, "b/net.tflite"), refusal="too large", taken=None, notes=())
    told = " ".join(show(COMPILED, other, EXECUTED, refused).split())
    assert (
        "ethos-u55-256, ethos-u55-128: camvid-efficientnet-lite0-int8.tflite leaves RESIZE_BILINEAR up_0, "
        "RESIZE_BILINEAR up_1, RESIZE_BILINEAR up_2 and 2 more: scale 4" in told
    )
    assert "ethos-u55-128: net.tflite is not taken: too large" in told
    assert "net.tflite leaves" not in told
    advised = replace(
        COMPILED, left=(LeftOperator("DequantizeLinear", "y", "an output", "offload nothing"),)
    )
    assert "leaves DequantizeLinear y: an output (offload nothing)" in " ".join(
        show(advised).split()
    )
    assert "openvino-cpu-tflite: camvid-efficientnet-lite0-int8.tflite one part more" in told
    assert told.count("42 of 63 with integers") == 1
    assert (
        "ethos-u55-256, ethos-u55-128, openvino-cpu-tflite: camvid-efficientnet-lite0-int8.tflite: 42 of 63"
        in told
    )
    assert told.count("ms: an estimate") == 1
    assert "asked: ethos-u-vela 5.2.0" in told


def test_what_is_wrong_is_named_in_its_cell(show):
    failed = replace(COMPILED, error="crashed")
    told = show(failed, EXECUTED, replace(COMPILED, refusal="no", taken=None))
    for word in ("FAILED", "not taken", "NO"):
        assert f" {word} │" in told


def test_a_missing_tool_is_told_once_and_not_of_a_file(show):
    missing = Cell("d", Path("net.tflite"), "predicted", taken=3, notes=("not asked: get it",))
    told = show(missing, replace(missing, device="e"), named(COMPILED, "net.onnx"))
    assert told.count("not asked: get it") == 1
    assert "net.tflite: not asked" not in told
