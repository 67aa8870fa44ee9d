"""Edits of the files that third-party converters give: what they refuse, and what they fall back to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import onnxsim
import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.checker.tflite.operator_signatures import read_signatures
from edge_deeplab.checker.tflite.versions import lint_versions
from edge_deeplab.converters.capture import CanonicalGraph, capture
from edge_deeplab.converters.devices.heads import HEAD_FORMS
from edge_deeplab.converters.export import write_target
from edge_deeplab.converters.float16 import convert_to_float16
from edge_deeplab.converters.onnx_file import name_after_operators, simplify_if_equal
from edge_deeplab.converters.tflite_file import TFLiteFile
from edge_deeplab.description import Head
from edge_deeplab.errors import ConversionError
from tests.converters.conftest import CLASSES, NORMALISATION, SIZE_HW, describe

Exported = Callable[[str, str, Head], Path]
FLOAT16 = onnx.TensorProto.FLOAT16
ENDS = {
    "logits": ["Cast", "Resize"],
    "quarter-logits": ["Cast"],
    "exact": ["Cast", "Resize", "ArgMax", "Cast"],
    "fast": ["Cast", "Resize", "ArgMax", "Cast"],
}
"""What an ONNX file of float16 computes behind its last convolution."""


class Alone(nn.Module):
    """A network whose one resize enlarges its logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=4, padding=1)
        self.classifier = nn.Conv2d(8, len(CLASSES), 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.classifier(self.stem(images).relu())
        return functional.interpolate(logits, size=images.shape[-2:], mode="bilinear")


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


def test_onnx_float16_of_quarter_logits_ends_in_them(
    canonical: Callable[[Head], CanonicalGraph], image_hwc: torch.Tensor, tmp_path: Path
) -> None:
    """The decoder's own enlargement stands before its convolutions: those are of float16 too."""
    graph = canonical("logits").rewritten(HEAD_FORMS["quarter-logits"].asked)
    path = tmp_path / "a.onnx"
    write_target(graph, describe("onnx", "fp16", "logits"), path)
    model = onnx.load(path)
    assert {n.op_type for n in model.graph.node} >= {"Resize", "Conv"}
    assert [n.op_type for n in model.graph.node][-2:] == ["Conv", "Cast"]
    assert {t.data_type for t in model.graph.initializer if len(t.dims) == 4} == {FLOAT16}
    expected = graph.run(image_hwc)
    (found,) = onnxruntime.InferenceSession(path).run(None, {"image": image_hwc[None].numpy()})
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], expected.numpy(), atol=2e-2 * expected.abs().max().item())


@pytest.mark.parametrize("head", ["logits", "quarter-logits", "exact", "fast"])
def test_onnx_float16_of_a_network_that_enlarges_its_logits_alone(
    head: str, image_hwc: torch.Tensor, tmp_path: Path
) -> None:
    """DeepLabV3 has no enlargement within, and none at all where its small logits are given out."""
    torch.manual_seed(0)
    form = HEAD_FORMS[head]
    graph = capture(Alone().eval(), NORMALISATION, SIZE_HW, form.head, None, form.asked)
    path = tmp_path / "a.onnx"
    write_target(graph, describe("onnx", "fp16", form.head), path)
    kinds = [n.op_type for n in onnx.load(path).graph.node]
    assert kinds.count("Resize") == (head != "quarter-logits")
    behind = kinds[max(i for i, kind in enumerate(kinds) if kind == "Conv") + 1 :]
    assert behind[: len(ENDS[head])] == ENDS[head]
    (found,) = onnxruntime.InferenceSession(path).run(None, {"image": image_hwc[None].numpy()})
    expected = graph.run(image_hwc).numpy()
    if form.head == "classes":
        assert (found[0] == expected).mean() > 0.98
    else:
        np.testing.assert_allclose(found[0], expected, atol=1e-2 * np.abs(expected).max())


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
