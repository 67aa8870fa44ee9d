"""ONNX Runtime's sessions: exact integer products on every processor, with VNNI or without."""

from collections import Counter
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_deeplab.converters.onnx_file import unshare_weights
from edge_deeplab.runtimes import onnx_session
from edge_deeplab.runtimes.onnx_session import cuts_products, is_precise, open_session, runtime_name

CHANNELS = 16


def quantized_convolutions(*, own_zero_points: bool) -> bytes:
    """Two 1x1 convolutions after each other in QDQ form whose products are as large as they get."""
    zeros = "zeros_again" if own_zero_points else "zeros"
    values: dict[str, Any] = {
        "weight": np.full((CHANNELS, CHANNELS, 1, 1), 127, np.int8),
        "again": np.full((CHANNELS, CHANNELS, 1, 1), 127, np.int8),
        "zeros": np.zeros(CHANNELS, np.int8),
        zeros: np.zeros(CHANNELS, np.int8),
        "step": np.float32(1.0),
        "wide": np.float32(CHANNELS),
        "wider": np.float32(CHANNELS**2),
        "zero": np.uint8(0),
        "scale": np.full(CHANNELS, 1 / 127, np.float32),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["image", "step", "zero"], ["x"]),
        helper.make_node("DequantizeLinear", ["weight", "scale", "zeros"], ["w"], axis=0),
        helper.make_node("Conv", ["x", "w"], ["y"]),
        helper.make_node("QuantizeLinear", ["y", "wide", "zero"], ["yq"]),
        helper.make_node("DequantizeLinear", ["yq", "wide", "zero"], ["yd"]),
        helper.make_node("DequantizeLinear", ["again", "scale", zeros], ["v"], axis=0),
        helper.make_node("Conv", ["yd", "v"], ["z"]),
        helper.make_node("QuantizeLinear", ["z", "wider", "zero"], ["zq"]),
        helper.make_node("DequantizeLinear", ["zq", "wider", "zero"], ["scores"]),
    ]
    shape = [1, CHANNELS, 4, 4]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


def test_products_are_exact_on_this_processor() -> None:
    session = open_session(quantized_convolutions(own_zero_points=True), threads=1)
    image = np.full((1, CHANNELS, 4, 4), 255, np.uint8)
    (scores,) = session.run(None, {"image": image})
    assert (scores == 255 * CHANNELS**2).all()
    assert is_precise(session) == cuts_products()


def test_what_the_setting_fails_at_is_opened_without_it_and_its_name_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = quantized_convolutions(own_zero_points=False)
    session = open_session(content, threads=1)
    assert session.run(None, {"image": np.zeros((1, CHANNELS, 4, 4), np.uint8)})
    if cuts_products():
        assert runtime_name(session).endswith(", 16-bit int8")
    monkeypatch.setattr(onnx_session, "cuts_products", lambda: True)
    precise = open_session(quantized_convolutions(own_zero_points=True), threads=1)
    assert runtime_name(precise).endswith(", exact int8")
    monkeypatch.setattr(onnx_session, "cuts_products", lambda: False)
    assert not is_precise(open_session(content, threads=1))
    assert "int8" not in runtime_name(session)


@pytest.mark.parametrize("own_zero_points", [False, True])
def test_unshared_weights_mean_the_same_and_open_with_exact_products(own_zero_points: bool) -> None:
    model = onnx.load_from_string(quantized_convolutions(own_zero_points=own_zero_points))
    last = model.graph.node.add()  # a third convolution, of the second's weight
    last.CopyFrom(helper.make_node("Conv", ["yd", "v"], ["t"]))
    model.graph.node.append(helper.make_node("Add", ["scores", "t"], ["sum"]))
    model.graph.output[0].name = "sum"
    before = model.SerializeToString()
    unshare_weights(model)
    onnx.checker.check_model(model)
    readers = Counter(name for node in model.graph.node for name in node.input)
    stored = [t for t in model.graph.initializer if t.data_type == TensorProto.INT8]
    assert len(stored) == 6, "three weights, three zero points"
    assert all(readers[tensor.name] == 1 for tensor in stored)
    image = np.random.default_rng(0).integers(0, 2, (1, CHANNELS, 4, 4), np.uint8)
    expected = open_session(before, threads=1).run(None, {"image": image})[0]
    precise = onnx_session._open(model.SerializeToString(), threads=1, precise=True)
    assert np.array_equal(precise.run(None, {"image": image})[0], expected)
    unshare_weights(model)
    assert len(model.graph.initializer) == 6 + len(("scale", "step", "wide", "wider", "zero"))


def test_file_that_cannot_be_opened_says_why_as_before() -> None:
    with pytest.raises(Exception, match=r"INVALID_PROTOBUF|Protobuf parsing failed"):
        open_session(b"no model", threads=1)


def test_the_model_that_tries_the_processor_is_what_it_says() -> None:
    model = onnx.load_from_string(onnx_session._PAIR)
    onnx.checker.check_model(model)
    (node,) = model.graph.node
    assert node.op_type == "MatMulInteger"
    (weight,) = model.graph.initializer
    assert numpy_helper.to_array(weight).tolist() == [[127], [127]]
