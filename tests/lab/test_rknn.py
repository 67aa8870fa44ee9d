"""What is read of the log of Rockchip's toolkit, and the toolkit and its simulator themselves, on tiny files."""

import runpy

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge_deeplab.checker.report import check_artifact
from edge_deeplab.lab.devices import DEVICES
from edge_deeplab.lab.observers import available_observers
from edge_deeplab.lab.tools import TOOLS
from edge_deeplab.lab.trial import TRIAL_FILES
from tests.lab.real_tools import link_tool, run_trial
from tests.tiny_files import conv_node, save_onnx, weights

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


def test_rknn_log_in_colours_is_read_without_them(read_log):
    said = "\x1b[31mE\x1b[0m \x1b[1;31mload_onnx: Unsupport onnx opset 20, need <= 19!\x1b[0m\n"
    assert read_log(said) == {"refused": "load_onnx: Unsupport onnx opset 20, need <= 19!"}


def test_rknn_log_of_an_exception_is_refused_with_what_was_raised(read_log):
    said = (
        "E build: Traceback (most recent call last):\n"
        '  File "rknn/api/ir_utils.py", line 1375, in rknn.api.ir_utils.elimate_quant_node2\n'
        "KeyError: 'cat'\nE rknn-toolkit2 version: 2.5.0\nValueError: Traceback\n"
    )
    assert read_log(said) == {"refused": "build: KeyError: 'cat'"}


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


def test_rknn_refuses_an_operator_set_above_19_as_predicted(built, tmp_path):
    model = onnx.load(TRIAL_FILES["onnx"])
    model.opset_import[0].version = 20
    onnx.save(model, tmp_path / "a.onnx")
    comparison = built(tmp_path / "a.onnx", "rknn-rk3588")
    assert comparison.equal
    assert "need <= 19" in comparison.observation.refusal


@pytest.mark.parametrize(
    ("device", "rate", "refused"),
    [("rknn-rk3576", 24, True), ("rknn-rk3576", 12, False), ("rknn-rk3588", 24, False)],
)
def test_rknn_refuses_wide_rates_where_predicted(built, tmp_path, device, rate, refused):
    node = conv_node(dilations=[rate] * 2, pads=[rate] * 4, group=256)
    constants = {"model.aspp.branches.1.0.weight": weights(256, 1, 3, 3)}
    path = save_onnx(tmp_path / "a.onnx", [node], constants, image_shape=(1, 256, 8, 8))
    comparison = built(path, device)
    assert comparison.equal
    assert (comparison.observation.refusal is not None) == refused


@pytest.mark.parametrize("how", ["align_corners", "half_pixel"])
def test_rknn_leaves_a_resize_with_corners_aligned_as_predicted(built, tmp_path, how):
    sizes = {"coordinate_transformation_mode": how, "mode": "linear"}
    nodes = [
        conv_node(),
        helper.make_node("Resize", ["conv2d", "", "", "sizes"], ["y"], name="y", **sizes),
    ]
    constants = {
        "model.aspp.branches.1.0.weight": weights(8, 1, 3, 3),
        "sizes": np.array([1, 8, 32, 32], np.int64),
    }
    comparison = built(save_onnx(tmp_path / "a.onnx", nodes, constants), "rknn-rk3588")
    assert comparison.equal
    assert (len(comparison.left) == 1) == (how == "align_corners")


def test_rknn_simulator_computes_the_trial_file(built, tmp_path):
    expected, found = run_trial("rknn", "rk3588", tmp_path)
    assert np.abs(found - expected).max() <= 3  # of 256: it resizes integers
