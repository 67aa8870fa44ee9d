"""Small quantized graphs: which operators become integer ones, by prediction and in ONNX Runtime."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge_deeplab.checker.onnx_fusion import integer_operators, predict_fusion
from edge_deeplab.formats.onnx import read_onnx
from edge_deeplab.runtimes.observers.optimized_onnx import measure_optimized

CHANNELS = 8


class Quantized:
    """A graph under construction whose operators stand between dequantize and quantize."""

    def __init__(self, *, scale=0.02, zero_point=0, dtype=np.uint8):
        self.nodes = []
        self.constants = {
            "scale": np.float32(scale),
            "zero": dtype(zero_point),
            "w_scale": np.full(CHANNELS, 0.01, np.float32),
            "w_zero": np.zeros(CHANNELS, np.int8),
            "weight": np.ones((CHANNELS, CHANNELS, 1, 1), np.int8),
            "bias": np.zeros(CHANNELS, np.float32),
            "zero_f": np.float32(0),
            "six": np.float32(6),
        }

    def add(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def conversions(self, value, name):
        """Quantize a value and dequantize it again."""
        quantized = self.add("QuantizeLinear", [value, "scale", "zero"], f"{name}_q")
        return self.add("DequantizeLinear", [quantized, "scale", "zero"], f"{name}_dq")

    def conv(self, source, name, *, bias=True):
        weight = self.add(
            "DequantizeLinear", ["weight", "w_scale", "w_zero"], f"{name}_weight", axis=0
        )
        return self.add("Conv", [source, weight, *(["bias"] if bias else [])], name)


@pytest.fixture
def check(tiny, tmp_path):
    """Return a function that predicts what a graph becomes, and holds it against ONNX Runtime."""

    def run(built):
        path = tiny.save_onnx(tmp_path / "quantized.onnx", built.nodes, built.constants)
        fusion = predict_fusion(read_onnx(path))
        observed = measure_optimized(path)
        assert observed.refusal is None
        assert fusion.count() == integer_operators(observed.formed)
        return fusion

    return run


def test_convolution_between_conversions_becomes_an_integer_one(check):
    graph = Quantized()
    features = graph.conv(graph.conversions("image", "image"), "first")
    graph.conversions(features, "first")
    assert check(graph).count() == {"QLinearConv": 1, "Conv": 0}


@pytest.mark.parametrize("cleared", ["input", "output"])
@pytest.mark.parametrize("kind", ["QuantizeLinear", "DequantizeLinear"])
def test_conversion_that_reads_or_writes_nothing_is_passed_over(kind, cleared, tiny, tmp_path):
    graph = Quantized()
    graph.conversions(graph.conv(graph.conversions("image", "image"), "first"), "first")
    damaged = next(node for node in graph.nodes if node.op_type == kind)
    path = tiny.save_onnx(tmp_path / "damaged.onnx", graph.nodes, graph.constants)
    model = onnx.load(path)
    node = next(node for node in model.graph.node if node.name == damaged.name)
    del getattr(node, cleared)[:]
    onnx.save(model, path)
    told = predict_fusion(read_onnx(path)).count()
    assert sum(told.values()) == 1, "the one convolution, in integers or in float"


@pytest.mark.parametrize(("zero_point", "fused"), [(0, 1), (3, 0)])
def test_relu_goes_where_the_range_begins_at_zero(check, zero_point, fused):
    graph = Quantized(zero_point=zero_point)
    features = graph.conv(graph.conversions("image", "image"), "first")
    graph.conversions(graph.add("Relu", [features], "relu"), "relu")
    assert check(graph).count().get("QLinearConv", 0) == fused


@pytest.mark.parametrize(("scale", "fused"), [(6 / 255, 1), (0.1, 0)])
def test_clip_goes_where_the_range_ends_within_it(check, scale, fused):
    graph = Quantized(scale=scale)
    features = graph.conv(graph.conversions("image", "image"), "first")
    graph.conversions(graph.add("Clip", [features, "zero_f", "six"], "clip"), "clip")
    assert check(graph).count().get("QLinearConv", 0) == fused


def test_addition_concatenation_and_mean(check):
    """A mean has no integer form, so it stays float; a resize runs on integers as it is."""
    graph = Quantized()
    image = graph.conversions("image", "image")
    summed = graph.conversions(graph.add("Add", [image, image], "sum"), "sum")
    joined = graph.conversions(graph.add("Concat", [summed, image], "cat", axis=1), "cat")
    graph.constants["axes"] = np.array([2, 3], np.int64)
    graph.conversions(graph.add("ReduceMean", [joined, "axes"], "mean", keepdims=1), "mean")
    fusion = check(graph)
    assert fusion.count() == {"QLinearAdd": 1, "QLinearConcat": 1, "Conv": 0}
    assert [graph.nodes[place].op_type for place in fusion.stays_float] == ["ReduceMean"]


def test_convolution_that_two_read_or_whose_output_stays_float_is_not_one(check):
    graph = Quantized()
    image = graph.conversions("image", "image")
    twice = graph.conv(image, "twice")
    graph.conversions(twice, "first")
    graph.add("Abs", [twice], "second")
    last = graph.add("Add", ["first_dq", "second"], "sum")
    graph.conv(graph.conversions(last, "last"), "end")
    fusion = check(graph)
    assert fusion.count() == {"Conv": 2}
    assert len(fusion.stays_float) == 3


def test_float_convolution_stays_and_is_no_surprise(check):
    graph = Quantized()
    graph.constants["float_weight"] = np.ones((CHANNELS, CHANNELS, 1, 1), np.float32)
    graph.add("Conv", ["image", "float_weight"], "plain")
    fusion = check(graph)
    assert fusion.count() == {"Conv": 1}
    assert not fusion.stays_float


def test_conversion_is_moved_past_a_transpose(check):
    graph = Quantized()
    turned = graph.add(
        "Transpose", [graph.conversions("image", "image")], "turn", perm=[0, 1, 3, 2]
    )
    graph.conversions(graph.conv(turned, "first"), "first")
    assert check(graph).count() == {"QLinearConv": 1, "Conv": 0}


ROWS_AND_COLUMNS = [0, 0, 1, 1, 0, 0, 2, 2]


def padded(graph, source, name, pads=ROWS_AND_COLUMNS, value=None, **attributes):
    """Add a Pad of stored numbers, of nothing or a stored value."""
    graph.constants[f"{name}_pads"] = np.array(pads, np.int64)
    inputs = [source, f"{name}_pads"]
    if value is not None:
        graph.constants[f"{name}_value"] = np.float32(value)
        inputs.append(f"{name}_value")
    return graph.add("Pad", inputs, name, **attributes)


@pytest.mark.parametrize(
    ("options", "folded"),
    [
        ({}, True),
        ({"value": 0.0}, True),
        ({"value": -0.0}, False),
        ({"value": 1.0}, False),
        ({"mode": "edge"}, False),
        ({"pads": [0, 0, -1, -1, 0, 0, 0, 0]}, False),
        ({"pads": [1, 0, 0, 0, 0, 0, 0, 0]}, False),
    ],
)
def test_pad_of_zeros_becomes_the_convolutions_own(check, options, folded):
    graph = Quantized()
    pad = padded(graph, graph.conversions("image", "image"), "pad", **options)
    graph.conversions(graph.conv(pad, "first"), "first")
    fusion = check(graph)
    assert fusion.count() == ({"QLinearConv": 1, "Conv": 0} if folded else {"Conv": 1})
    stays = {graph.nodes[place].op_type for place in fusion.stays_float}
    assert stays == (set() if folded else {"Pad"})


def test_pads_one_after_another_and_before_a_pooling_are_folded_too(check):
    graph = Quantized()
    image = padded(graph, graph.conversions("image", "image"), "pad")
    pooled = graph.add(
        "AveragePool", [padded(graph, image, "again")], "pooled", kernel_shape=[5, 5]
    )
    graph.conversions(pooled, "pooled")
    fusion = check(graph)
    assert fusion.count() == {"QLinearAveragePool": 1, "Conv": 0}
    assert not fusion.stays_float


@pytest.mark.parametrize("between", ["reader", "transpose", "auto_pad"])
def test_pad_that_is_not_the_convolutions_alone_stays(check, between):
    graph = Quantized()
    pad = padded(graph, graph.conversions("image", "image"), "pad")
    if between == "reader":
        graph.add("Abs", [pad], "other")
    turned = (
        graph.add("Transpose", [pad], "turn", perm=[0, 1, 3, 2]) if between == "transpose" else pad
    )
    first = graph.conv(turned, "first")
    if between == "auto_pad":
        graph.nodes[-1].attribute.append(helper.make_attribute("auto_pad", "SAME_UPPER"))
    graph.conversions(first, "first")
    fusion = check(graph)
    assert fusion.count() == {"Conv": 1}
    assert "Pad" in {graph.nodes[place].op_type for place in fusion.stays_float}


@pytest.mark.parametrize(("signed", "formed"), [(True, 1), (False, 0)])
def test_int8_activations_of_several_readers_need_signed_kernels(tiny, tmp_path, signed, formed):
    graph = Quantized(dtype=np.int8, zero_point=-128)
    image = graph.conversions("image", "image")
    graph.conversions(graph.conv(image, "first"), "first")
    graph.add("Abs", [image], "other")
    path = tiny.save_onnx(tmp_path / "signed.onnx", graph.nodes, graph.constants)
    fusion = predict_fusion(read_onnx(path), signed=signed)
    assert fusion.count().get("QLinearConv", 0) == formed


def test_convolutions_in_both_branches_count(tiny, tmp_path):
    def branch(name):
        body = [tiny.conv_node(name=name, weight="weight")]
        return helper.make_graph(body, name, [], [helper.make_tensor_value_info(name, 1, None)])

    branches = {"then_branch": branch("first"), "else_branch": branch("second")}
    nodes = [
        helper.make_node("ReduceMax", ["image"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["flag"], to=TensorProto.BOOL),
        helper.make_node("If", ["flag"], ["out"], **branches),
    ]
    path = tiny.save_onnx(tmp_path / "if.onnx", nodes, {"weight": tiny.weights(8, 1, 3, 3)})
    graph = read_onnx(path)
    assert [operator.nested for operator in graph.operators] == [False] * 3 + [True] * 2
    assert predict_fusion(graph).count() == {"Conv": 2}
    assert integer_operators(measure_optimized(path).formed) == {"Conv": 2}


def test_measure_optimized_content_that_is_no_model_is_a_refusal(tmp_path):
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"nothing like a model")
    observed = measure_optimized(path)
    assert observed.refusal
    assert observed.formed == {}
