"""What is read of the log of Rockchip's toolkit, and the toolkit and its simulator themselves, on tiny files."""

import runpy

import numpy as np
import pytest
from onnx import TensorProto, helper

from edge_deeplab.checker.report import check_artifact
from edge_deeplab.lab.devices import DEVICES
from edge_deeplab.lab.observers import available_observers
from edge_deeplab.lab.tools import TOOLS
from edge_deeplab.lab.trial import TRIAL_FILES
from tests.lab.real_tools import link_tool, run_trial
from tests.tiny_files import save_onnx, weights

CHIPS = sorted(name for name, device in DEVICES.items() if device.tool == "rknn")
TABLE = """\
W RKNN: [07:01:23.472] Model initializer tensor data is empty, name: empty_placeholder_0
E RKNN: [07:01:23.431] Unkown op target: 0
D RKNN: [07:01:23.430] ID   OpType   DataType Target InputShape    OutputShape  Cycles(DDR/NPU/Total) RW(KB) FullName
D RKNN: [07:01:23.431] 0    InputOperator INT8 CPU \\               (1,8,8,3)    0/0/0       0     InputOperator:image
D RKNN: [07:01:23.431] 1    Transpose  INT8  CPU    (1,8,8,3)     (1,3,8,8)    0/0/0       5     Transpose:turned
D RKNN: [07:01:23.431] 2    ConvClip   INT8  NPU    (1,3,8,8),(8) (1,8,8,8)    179/397/397 27    Conv:stem
D RKNN: [07:01:23.431] 3    Conv       INT8  NPU    (1,8,8,8),... (1,8,8,8)    119/97/119  13    Conv:head
D RKNN: [07:01:23.431] 4    ArgMax     INT8  CPU    (1,8,8,8)     (1,1,8,8)    0/0/0       27    ArgMax:classes
D RKNN: [07:01:23.431] 5    OutputOperator INT64 CPU (1,1,8,8)    \\            0/0/0       6     OutputOperator:classes
"""


@pytest.fixture(scope="module")
def read_log():
    """What reads a log inside the toolkit's environment."""
    return runpy.run_path(str(TOOLS["rknn"].script))["read_log"]


def test_rknn_log_tells_what_runs_where(read_log):
    answer = read_log(TABLE)
    assert answer["left"] == {
        "turned": "RKNN puts the Transpose on the CPU",
        "classes": "RKNN puts the ArgMax on the CPU",
    }
    assert answer["cost"]["cycles"] == 397 + 119
    assert answer["notes"] == ["RKNN's layers change between NPU and processor 2 times"]


def test_rknn_log_with_an_error_is_a_refusal_whatever_else_it_holds(read_log):
    error = "E RKNN: [07:01:24.001] REGTASK: The bit width of field value exceeds the limit"
    assert read_log(f"{TABLE}{error}\n") == {
        "refused": "REGTASK: The bit width of field value exceeds the limit"
    }


def test_rknn_log_without_layers_tells_nothing(read_log):
    with pytest.raises(RuntimeError, match="Segmentation"):
        read_log("I rknn building ...\nSegmentation fault\n")


@pytest.fixture
def built(monkeypatch, lab_folder):
    """Return a function that holds a file against a chip as the toolkit builds for it."""
    link_tool("rknn", monkeypatch, lab_folder)

    def built(path, device):
        (report,) = check_artifact(path, [device], available_observers()).profiles
        return report.comparison

    return built


@pytest.mark.parametrize("device", CHIPS)
def test_rknn_places_the_trial_file_whole_as_predicted(built, device):
    comparison = built(TRIAL_FILES["onnx"], device)
    seen = comparison.observation
    assert (comparison.equal, seen.left) == (True, {})
    assert seen.cost.cycles > 0


def test_rknn_refuses_floats_of_an_integer_picture_as_predicted(built, tmp_path):
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["floats", "weight"], ["features"], name="conv"),
    ]
    path = save_onnx(
        tmp_path / "a.onnx", nodes, {"weight": weights(8, 8, 3, 3)}, image_type=TensorProto.UINT8
    )
    comparison = built(path, "rknn-rk3588")
    assert comparison.equal
    assert "Not Support Dtype" in comparison.observation.refusal


def test_rknn_simulator_computes_the_trial_file(built, tmp_path):
    expected, found = run_trial("rknn", "rk3588", tmp_path)
    assert np.abs(found - expected).max() <= 3  # of 256: it resizes integers
