"""The weight-only form of ONNX: integers for the weights of convolutions, and nothing else changed."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info

from edge_deeplab.converters.int8_weights import round_to_int8, store_weights_in_int8

RANDOM = np.random.default_rng(0)
CHANNELS = 16
SHAPE = (1, CHANNELS, 9, 9)


def model_of(*weights: np.ndarray[Any, Any], shared: bool = False) -> Any:
    """Return convolutions one after the other, each with a weight of its own or all with the first."""
    names = ["w0" if shared else f"w{index}" for index in range(len(weights))]
    nodes = [
        make_node("Conv", [f"x{i}", name], [f"x{i + 1}"], f"conv{i}", pads=[1, 1, 1, 1])
        for i, name in enumerate(names)
    ]
    constants = [
        numpy_helper.from_array(weight, name)
        for name, weight in dict(zip(names, weights, strict=True)).items()
    ]
    graph = make_graph(
        nodes,
        "graph",
        [make_tensor_value_info("x0", onnx.TensorProto.FLOAT, SHAPE)],
        [make_tensor_value_info(f"x{len(weights)}", onnx.TensorProto.FLOAT, SHAPE)],
        constants,
    )
    return make_model(graph, opset_imports=[make_opsetid("", 18)], ir_version=10)


def run(model: Any) -> np.ndarray[Any, Any]:
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    image = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    return np.asarray(session.run(None, {"x0": image})[0])


@pytest.mark.parametrize("shared", [False, True])
def test_weights_are_stored_as_integers_and_mean_nearly_the_same(shared: bool) -> None:
    first, second = RANDOM.normal(size=(2, CHANNELS, CHANNELS, 3, 3)).astype(np.float32)
    model = model_of(first, first if shared else second, shared=shared)
    expected = run(model)
    store_weights_in_int8(model)
    assert [node.op_type for node in model.graph.node] == ["DequantizeLinear", "Conv"] * 2
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert sorted(kinds.values()) == [onnx.TensorProto.FLOAT] * 2 + [onnx.TensorProto.INT8] * 4
    np.testing.assert_allclose(run(model), expected, atol=0.02 * np.abs(expected).max())


def test_each_channel_has_its_own_scale_and_one_of_zeros_stays_zero() -> None:
    weight = np.zeros((3, 2, 1, 1), np.float32)
    weight[0], weight[1] = [[[1.0]], [[-127.0]]], [[[0.001]], [[0.0127]]]
    integers, scales = round_to_int8(weight)
    assert integers[:, :, 0, 0].tolist() == [[1, -127], [10, 127], [0, 0]]
    np.testing.assert_allclose(scales, [1.0, 1e-4, 1.0], rtol=1e-6)


def test_computed_weights_are_left_alone() -> None:
    model = model_of(RANDOM.normal(size=(CHANNELS, CHANNELS, 3, 3)).astype(np.float32))
    model.graph.node.insert(0, make_node("Identity", ["w0"], ["computed"], "copy"))
    model.graph.node[1].input[1] = "computed"
    expected = run(model)
    store_weights_in_int8(model)
    np.testing.assert_array_equal(run(model), expected)


def test_small_weights_stay_in_float() -> None:
    model = model_of(RANDOM.normal(size=(CHANNELS, CHANNELS, 1, 1)).astype(np.float32))
    model.graph.node[0].attribute[0].ints[:] = [0, 0, 0, 0]
    expected = run(model)
    store_weights_in_int8(model)
    assert [node.op_type for node in model.graph.node] == ["Conv"]
    np.testing.assert_array_equal(run(model), expected)
