"""Files on devices: each cell stands alone, and what is kept is not asked again."""

import numpy as np
import pytest

from edge_deeplab.errors import ConfigError
from edge_deeplab.formats.read import read_graph
from edge_deeplab.lab import devices, matrix, tools
from edge_deeplab.lab.devices import Device
from edge_deeplab.lab.matrix import LabRequest, run_lab
from tests.lab.conftest import DEVICE
from tests.progress import Heard


@pytest.fixture
def lab(fake, monkeypatch):
    """Return a function that looks at files on the fake tool's device and on one whose tool is missing."""
    table = {DEVICE: Device("fake", "fake-1"), "ethos-u55-128": Device("absent", "")}
    monkeypatch.setitem(tools.TOOLS, "fake", fake.tool)
    monkeypatch.setitem(tools.TOOLS, "absent", tools.TOOLS["vela"])
    for module in (devices, matrix):
        monkeypatch.setattr(module, "DEVICES", table)

    def look(*paths, progress=None, **options):
        return run_lab(LabRequest(artifacts=paths, **options), progress or Heard())

    return look


def test_run_lab_tells_what_the_tool_did_and_leaves_other_devices_to_the_rules(
    lab, fake, tflite_path
):
    fake.install()
    first = read_graph(tflite_path).operators[0]
    fake.answers(f"{{'left': {{{first.name!r}: 'no kernel'}}, 'partitions': 3}}")
    told = Heard()
    compiled, predicted = lab(tflite_path, progress=told).cells
    assert (compiled.device, compiled.evidence, compiled.version) == (
        DEVICE, "compiled", "fake-compiler 1.0",
    )  # fmt: skip
    assert [(left.operator, left.reason) for left in compiled.left] == [(first.type, "no kernel")]
    assert compiled.partitions == 3
    assert compiled.predicted_equal is False
    assert "the rules say that it does not load" in compiled.differences[0]
    assert (predicted.evidence, predicted.predicted_equal, predicted.error) == (
        "predicted", None, None,
    )  # fmt: skip
    assert "get it with" in predicted.notes[0]
    assert told.stages == [("asking the lab's tools", 2, "cells")]
    assert told.steps == 2


def test_run_lab_share_is_of_what_the_tool_took(lab, fake, tflite_path):
    fake.install()
    graph = read_graph(tflite_path)
    fake.answers(f"{{'left': {dict.fromkeys([o.name for o in graph.operators], 'no')}}}")
    cell = lab(tflite_path, devices=(DEVICE,)).cells[0]
    assert (cell.taken, cell.accelerated_macs) == (0, 0.0)
    assert len(cell.left) == len(graph.operators)


def test_run_lab_fails_the_cell_of_a_named_device_without_its_tool(lab, tflite_path):
    report = lab(tflite_path, devices=("ethos-u55-128",))
    (cell,) = report.failures
    assert "vela is not installed" in cell.error
    assert report.to_json()["devices"][0]["error"] == cell.error


def test_run_lab_goes_on_after_a_file_and_a_tool_that_fail(lab, fake, tflite_path, tmp_path):
    fake.install()
    fake.says("import os; os.abort()")
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"no flatbuffer")
    cells = lab(broken, tflite_path).cells
    assert len(cells) == 4
    assert "broken.tflite" in cells[0].error
    assert "SIGABRT" in cells[1].error
    assert cells[1].predicted_equal is None
    assert cells[3].error is None


def test_run_lab_goes_on_where_it_was_stopped(lab, fake, tflite_path, tmp_path):
    fake.install()
    asked = tmp_path / "asked"
    fake.answers(f"open({str(asked)!r}, 'a').write('.') and {{'left': {{}}}}")
    lab(tflite_path)
    assert lab(tflite_path).cells[0].evidence == "compiled"
    assert asked.read_text() == "."


def test_run_lab_tells_a_refusal(lab, fake, tflite_path):
    fake.install()
    fake.answers("{'refused': 'too large'}")
    cell = lab(tflite_path, devices=(DEVICE,)).cells[0]
    assert (cell.refusal, cell.taken, cell.error) == ("too large", None, None)
    assert cell.to_json()["operators"] == {"taken": None, "left": 0}


def test_run_lab_refuses_what_cannot_be_meant(lab, tflite_path, onnx_path):
    with pytest.raises(ConfigError, match="no file came"):
        lab()
    with pytest.raises(ConfigError, match=r"unknown device 'ethos-u85-51'.*did you mean"):
        lab(tflite_path, devices=("ethos-u85-51",))
    with pytest.raises(ConfigError, match=f"{DEVICE} reads tflite files and none came"):
        lab(onnx_path, devices=(DEVICE,))


def test_run_lab_names_files_that_no_device_reads(lab, tflite_path, tmp_path):
    told = Heard()
    assert len(lab(tflite_path, tmp_path / "a.mlpackage", progress=told).cells) == 2
    assert told.notes == [f"{tmp_path / 'a.mlpackage'}: none of these devices reads it"]
    with pytest.raises(ConfigError, match=r"a.xyz came, which no device .* .tflite was expected"):
        lab(tmp_path / "a.xyz")


RUNS = """
import numpy as np
def compile(path, device, folder):
    return {"left": {}}
def run(path, device, inputs, outputs, folder):
    given = np.load(inputs)
    np.save(outputs, BODY)
    return {}
"""


@pytest.fixture
def executing(lab, monkeypatch, fake):
    """Return a function that also runs files on the fake tool's device."""
    monkeypatch.setitem(matrix.DEVICES, DEVICE, Device("fake", "fake-1", executes=True))
    fake.install()

    def run(*paths, **options):
        meaning = {0: "left", 1: "right"}
        return lab(*paths, devices=(DEVICE,), class_map=meaning, **options)

    return run


@pytest.fixture
def halves_path(tiny, tmp_path):
    """A TFLite file that gives the brightest channel of each pixel: 0 for red, 1 for green."""
    builder = tiny.TFLiteBuilder()
    picture = builder.tensor("picture", (1, 16, 16, 3), "UINT8")
    axis = builder.tensor("axis", (1,), "INT32", data=np.array([3], np.int32))
    classes = builder.tensor("classes", (1, 16, 16), "INT32")
    builder.add(
        "ARG_MAX", [picture, axis], [classes], version=2, options="ArgMaxOptions", outputType=2
    )
    return builder.save(tmp_path / "halves.tflite", [picture], [classes])


def test_run_lab_runs_a_file_on_labelled_images_and_keeps_the_scores(
    executing, fake, halves_path, make_dataset
):
    data = make_dataset("test", 2, (16, 16))
    fake.says(RUNS.replace("BODY", "(given[..., 1] > given[..., 0]).astype('int32')"))
    told = Heard()
    cell = executing(halves_path, data=data, limit=2, progress=told).cells[0]
    assert (cell.error, cell.evidence) == (None, "executed")
    ran = cell.execution
    assert (ran.agreement, ran.delta_miou, ran.delta_interval, ran.images) == (1, 0, (0, 0), 2)
    assert told.stages[-1] == ("halves.tflite on fake-1", 2, "images")
    assert cell.to_json()["delta_interval"] == [0, 0]
    again = Heard()
    assert executing(halves_path, data=data, limit=2, progress=again).cells == (cell,)
    assert again.stages == told.stages[:1]


def test_run_lab_counts_pixels_that_a_device_gets_wrong(executing, fake, halves_path, make_dataset):
    data = make_dataset("test", 2, (16, 16))
    fake.says(RUNS.replace("BODY", "np.zeros(given.shape[:3], np.int32)"))
    ran = executing(halves_path, data=data).cells[0].execution
    assert ran.agreement == pytest.approx(0.5)
    assert ran.delta_miou < -50


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("np.array(['text'])", "no tensor of numbers"),
        ("np.array([{}])", "its output cannot be read"),
        ("given[:, :2]", "proportions was expected"),
    ],
)
def test_run_lab_of_a_device_that_fails_to_run_is_one_failed_cell(
    executing, fake, halves_path, make_dataset, body, told
):
    data = make_dataset("test", 1, (16, 16))
    fake.says(RUNS.replace("BODY", body))
    cell = executing(halves_path, data=data).cells[0]
    assert told in cell.error
    assert cell.execution is None
