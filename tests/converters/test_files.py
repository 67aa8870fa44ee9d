"""Edits of the files that third-party converters give: what they refuse, and what they fall back to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxsim
import pytest

from edge_deeplab.checker.tflite.operator_signatures import read_signatures
from edge_deeplab.checker.tflite.versions import lint_versions
from edge_deeplab.converters.float16 import convert_to_float16
from edge_deeplab.converters.onnx_file import name_after_operators, simplify_if_equal
from edge_deeplab.converters.tflite_file import TFLiteFile
from edge_deeplab.description import Head
from edge_deeplab.errors import ConversionError

Exported = Callable[[str, str, Head], Path]


@pytest.fixture
def onnx_model(exported: Exported) -> Any:
    return onnx.load(exported("onnx", "fp32", "logits"))


def weight_of(model: Any, name: str) -> Any:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def test_simplified_model_that_computes_something_else_is_dropped(
    onnx_model: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = onnx.ModelProto()
    wrong.CopyFrom(onnx_model)
    bias = weight_of(wrong, "classifier.bias")
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + 1, bias.name))
    monkeypatch.setattr(onnxsim, "simplify", lambda model: (wrong, True))
    assert simplify_if_equal(onnx_model) is onnx_model
    assert "its logits differ" in caplog.text


def test_failing_simplifier_leaves_the_model_as_it_came(
    onnx_model: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(model: Any) -> Any:
        raise RuntimeError("segment of C++")

    monkeypatch.setattr(onnxsim, "simplify", fail)
    assert simplify_if_equal(onnx_model) is onnx_model
    assert "it failed (RuntimeError: segment of C++)" in caplog.text


def test_onnx_float16_refuses_a_weight_beyond_its_range(onnx_model: Any) -> None:
    weight = weight_of(onnx_model, "classifier.weight")
    huge = np.full(tuple(weight.dims), 1e5, np.float32)
    weight.CopyFrom(onnx.numpy_helper.from_array(huge, weight.name))
    with pytest.raises(ConversionError, match=r"classifier\.weight holds 1e\+05.*precision fp32"):
        convert_to_float16(onnx_model)


def test_onnx_float16_ends_before_the_last_resize(exported: Exported) -> None:
    nodes = list(onnx.load(exported("onnx", "fp16", "classes")).graph.node)
    (last_cast,) = [i for i, n in enumerate(nodes) if n.name.endswith("_float32")]
    assert [n.op_type for n in nodes[last_cast + 1 :]] == ["Resize", "ArgMax", "Cast"]


def test_onnx_float16_without_resize_is_refused() -> None:
    relu = onnx.helper.make_node("Relu", ["x"], ["y"])
    values = [onnx.helper.make_tensor_value_info(n, 1, [1]) for n in ("x", "y")]
    model = onnx.helper.make_model(onnx.helper.make_graph([relu], "g", values[:1], values[1:]))
    with pytest.raises(ConversionError, match="without a Resize"):
        convert_to_float16(model)


def test_tflite_float16_refuses_a_weight_beyond_its_range(exported: Exported) -> None:
    file = TFLiteFile(exported("tflite", "fp32", "logits").read_bytes())
    tensors = file._graph.tensors
    (weight,) = [t for t in tensors if t.name == b"classifier__conv2d_weight"]
    buffer = file._model.buffers[weight.buffer]
    buffer.data = np.full(len(buffer.data) // 4, 1e5, np.float32).view(np.uint8)
    with pytest.raises(ConversionError, match=r"classifier__conv2d_weight holds 1e\+05"):
        file.store_weights_as_float16()


def test_tflite_input_that_is_no_cast_is_refused(exported: Exported) -> None:
    file = TFLiteFile(exported("tflite", "fp32", "logits").read_bytes())
    with pytest.raises(ConversionError, match="feeds DEQUANTIZE, a CAST was expected"):
        file.dequantize_input()


def test_tflite_tensors_have_one_name_each(exported: Exported) -> None:
    file = TFLiteFile(exported("tflite", "fp16", "classes").read_bytes())
    results = [file._graph.tensors[i].name for o in file._graph.operators for i in o.outputs]
    assert len(set(results)) == len(results)
    assert not [name for name in results if b";" in name]


def test_tflite_signature_follows_what_replaces_the_ends_of_the_graph(exported: Exported) -> None:
    file = TFLiteFile(exported("tflite", "fp32", "logits").read_bytes())
    for side in ("inputs", "outputs"):
        (old,) = getattr(file._graph, side)
        file._graph.tensors.append(file._graph.tensors[old])
        setattr(file._graph, side, np.array([len(file._graph.tensors) - 1], np.int32))
    written = TFLiteFile(file.to_bytes())
    (signature,) = written._model.signatureDefs
    ends = [*signature.inputs, *signature.outputs]
    assert [e.tensorIndex for e in ends] == [*written._graph.inputs, *written._graph.outputs]
    assert [e.name for e in ends] == [b"image", b"logits"]


def test_tflite_signature_that_names_no_end_of_the_graph_is_refused(exported: Exported) -> None:
    file = TFLiteFile(exported("tflite", "fp32", "logits").read_bytes())
    file._model.signatureDefs[0].outputs[0].tensorIndex = 1
    file._ends = []  # as it came
    with pytest.raises(ConversionError, match="names 'logits', which is none of the graph's outp"):
        TFLiteFile(file.to_bytes())


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("head", ["classes", "logits"])
def test_tflite_operators_have_the_lowest_versions_that_they_need(
    exported: Exported, precision: str, head: Head
) -> None:
    path = exported("tflite", precision, head)
    versions = {(signature.type, signature.version) for signature in read_signatures(path)}
    assert lint_versions(path) == ()
    assert {("DEPTHWISE_CONV_2D", 1), ("DEPTHWISE_CONV_2D", 2)} <= versions


def test_values_that_one_node_gives_keep_names_of_their_own() -> None:
    floats = onnx.TensorProto.FLOAT
    nodes = [
        onnx.helper.make_node("Split", ["x"], ["a", "b"], "parts", axis=1, num_outputs=2),
        onnx.helper.make_node("Concat", ["b", "a"], ["y"], "turned", axis=1),
    ]
    ends = [onnx.helper.make_tensor_value_info(name, floats, [1, 4]) for name in "xy"]
    opset = onnx.helper.make_opsetid("", 18)
    model = onnx.helper.make_model(
        onnx.helper.make_graph(nodes, "halves", ends[:1], ends[1:]), opset_imports=[opset]
    )
    name_after_operators(model)
    onnx.checker.check_model(model, full_check=True)
    split, concat = model.graph.node
    assert list(concat.input) == list(split.output)[::-1]
