"""What is read of Qualcomm's compiler, and the compiler and its simulator themselves, on tiny files."""

import runpy

import numpy as np
import onnx
import pytest
from onnx import helper

from edge_deeplab.checker.report import check_artifact
from edge_deeplab.lab.devices import DEVICES
from edge_deeplab.lab.observers import available_observers
from edge_deeplab.lab.tools import TOOLS
from edge_deeplab.lab.trial import TRIAL_FILES
from tests.lab.real_tools import link_tool, run_file, run_trial
from tests.tiny_files import conv_node, save_onnx, weights

NPUS = sorted(name for name, device in DEVICES.items() if device.tool == "qnn")
LOG = """\
[V:onnxruntime:, qnn_execution_provider.cc:1713 LogNodeSupport] Validation PASSED for 1 nodes in OrtNodeUnit (Relu) :
\tOperator type: Relu Node name: relu Node index: 1

[V:onnxruntime:, qnn_execution_provider.cc:1713 LogNodeSupport] Validation FAILED for 2 nodes in OrtNodeUnit (Resize) :
\tOperator type: Resize Node name: larger one Node index: 3
\tOperator type: QuantizeLinear Node name: rounded Node index: 4
\tREASON : QNN EP: Resize doesn't support cubic

"""


def test_qnn_log_tells_why_nodes_are_left():
    pytest.importorskip("onnxruntime")
    worker = runpy.run_path(str(TOOLS["qnn"].script))
    reason = "QNN EP: Resize doesn't support cubic"
    assert worker["read_reasons"](LOG) == {"larger one": reason, "rounded": reason}


@pytest.fixture
def compiled(monkeypatch, lab_folder):
    """Return a function that holds a file against a device as the provider compiles for it."""
    link_tool("qnn", monkeypatch, lab_folder)

    def compiled(path, device):
        (report,) = check_artifact(path, [device], available_observers()).profiles
        return report.comparison

    return compiled


@pytest.mark.parametrize("device", NPUS)
def test_qnn_places_the_trial_file_whole_as_predicted(compiled, device):
    comparison = compiled(TRIAL_FILES["onnx"], device)
    seen = comparison.observation
    assert (comparison.equal, seen.left, seen.partitions) == (True, {}, 1)


@pytest.fixture
def scores_path(tmp_path):
    """The trial file with its result dequantized."""
    model = onnx.load(TRIAL_FILES["onnx"])
    last = helper.make_node("DequantizeLinear", ["result", "scale", "zero"], ["scores"])
    model.graph.node.append(last)
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, (1, 8, 32, 32))
    )
    onnx.save(model, tmp_path / "scores.onnx")
    return tmp_path / "scores.onnx"


def test_qnn_leaves_a_dequantize_whose_result_the_file_gives_as_predicted(compiled, scores_path):
    comparison = compiled(scores_path, "onnx-qnn-v75")
    assert comparison.equal
    assert list(comparison.observation.left.values()) == [
        "QNN EP is configured to not take DQ nodes that generate a graph output."
    ]


@pytest.mark.parametrize(
    ("kind", "device", "refused"),
    [
        *((kind, "onnx-qnn-v68", True) for kind in ("Div", "Max", "Pow", "Sub")),
        *((kind, "onnx-qnn-v68", False) for kind in ("Add", "Mul")),
        ("Sub", "onnx-qnn-v69", False),
    ],
)
def test_qnn_refuses_floats_with_a_stored_operand_where_predicted(
    compiled, tmp_path, kind, device, refused
):
    nodes = [helper.make_node(kind, ["image", "mean"], ["centred"]), conv_node(source="centred")]
    constants = {"mean": weights(1, 8, 1, 1), "model.aspp.branches.1.0.weight": weights(8, 1, 3, 3)}
    comparison = compiled(save_onnx(tmp_path / "a.onnx", nodes, constants), device)
    assert comparison.equal
    assert (comparison.observation.refusal is not None) == refused


@pytest.fixture
def quantized_path(tmp_path):
    """Return a function that writes an operator between two quantizations of floats."""

    def quantized_path(kind, dtype):
        nodes = [
            helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["q"], name="first"),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["dq"], name="dq"),
            helper.make_node(kind, ["dq"], ["y"]),
            helper.make_node("QuantizeLinear", ["y", "scale", "zero"], ["yq"], name="yq"),
            helper.make_node("DequantizeLinear", ["yq", "scale", "zero"], ["z"], name="last"),
        ]
        return save_onnx(tmp_path / "q.onnx", nodes, {"scale": np.float32(0.1), "zero": dtype(0)})

    return quantized_path


@pytest.mark.parametrize(
    ("kind", "dtype", "left"),
    [
        ("Relu", np.int8, ["first", "last"]),
        ("HardSigmoid", np.uint8, ["first", "last"]),
        ("HardSigmoid", np.int8, ["first", "dq", "y", "yq", "last"]),
    ],
)
def test_qnn_leaves_quantizations_at_the_borders_and_around_what_it_leaves_as_predicted(
    compiled, quantized_path, kind, dtype, left
):
    comparison = compiled(quantized_path(kind, dtype), "onnx-qnn-v75")
    assert comparison.equal
    assert [operator.name for _, operator in comparison.left] == left


@pytest.mark.parametrize(
    ("kind", "device", "refused"),
    [
        ("HardSigmoid", "onnx-qnn-v68", True),
        ("HardSwish", "onnx-qnn-v68", False),
        ("HardSigmoid", "onnx-qnn-v69", False),
        ("InstanceNormalization", "onnx-qnn-v68", True),
        ("InstanceNormalization", "onnx-qnn-v69", False),
    ],
)
def test_qnn_refuses_floats_of_some_kinds_where_predicted(
    compiled, tmp_path, kind, device, refused
):
    constants = {"scale": weights(8), "bias": weights(8)} if "Norm" in kind else {}
    nodes = [
        helper.make_node("Conv", ["image", "filter"], ["x"]),
        helper.make_node(kind, ["x", *constants], ["y"]),
    ]
    path = save_onnx(tmp_path / "a.onnx", nodes, {**constants, "filter": weights(8, 8, 1, 1)})
    comparison = compiled(path, device)
    assert comparison.equal
    assert (comparison.observation.refusal is not None) == refused


def test_qnn_leaves_all_of_a_file_in_which_it_takes_nothing(compiled, tmp_path):
    path = save_onnx(tmp_path / "a.onnx", [helper.make_node("Erf", ["image"], ["y"])], {})
    assert list(compiled(path, "onnx-qnn-v75").observation.left) == [0]


def test_qnn_simulator_computes_the_trial_file(compiled, tmp_path):
    expected, found = run_trial("qnn", "v75", tmp_path)
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize(("steps", "is_right"), [(("FLOAT",), False), (("INT32", "FLOAT"), True)])
def test_qnn_simulator_casts_bytes_to_float_by_way_of_int32_alone(
    monkeypatch, lab_folder, tmp_path, steps, is_right
):
    link_tool("qnn", monkeypatch, lab_folder)
    picture = np.arange(96, dtype=np.uint8).reshape(1, 4, 8, 3)
    kinds = [getattr(onnx.TensorProto, step) for step in steps]
    names = ["image", *steps[:-1], "y"]
    nodes = [
        helper.make_node("Cast", [read], [given], to=kind)
        for read, given, kind in zip(names[:-1], names[1:], kinds, strict=True)
    ]
    graph = helper.make_graph(
        nodes,
        "cast",
        [helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, picture.shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, picture.shape)],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "cast.onnx")
    expected, found = run_file("qnn", "v75", tmp_path / "cast.onnx", picture, tmp_path)
    assert np.allclose(found, expected, rtol=1e-3) == is_right
