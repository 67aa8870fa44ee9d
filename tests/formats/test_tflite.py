import sys

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edge_deeplab.errors import ArtifactError, MissingDependencyError
from edge_deeplab.formats.tflite import read_tflite

CHANNELS = 8


def test_read_tflite_tiny_file_lists_operators_with_versions(tflite_path):
    graph = read_tflite(tflite_path)
    assert graph.format == "tflite"
    assert graph.versions == {"schema": 3}
    assert graph.count_types() == [("ARG_MAX", 1, 1), ("DEPTHWISE_CONV_2D", 2, 1)]


def test_read_tflite_dilated_depthwise_tells_geometry_and_module(tflite_path):
    operator = read_tflite(tflite_path).operators[0]
    convolution = operator.dilated_depthwise
    assert convolution.rate_hw == (6, 6)
    assert convolution.kernel_hw == (3, 3)
    assert (convolution.channels, convolution.groups, convolution.multiplier) == (8, 8, 1)
    assert operator.module == "aspp.branches.1.0"
    assert operator.attributes["padding"] == "SAME"


def test_read_tflite_tensor_specs_tell_what_is_constant(tflite_path):
    image, weight, bias = read_tflite(tflite_path).operators[0].inputs
    assert (image.name, image.dtype, image.shape, image.constant) == (
        "image",
        "float32",
        (1, 16, 16, CHANNELS),
        False,
    )
    assert weight.constant
    assert bias.constant


def test_read_tflite_float16_weight_behind_dequantize_counts_as_constant(tmp_path, tiny):
    builder = tiny.TFLiteBuilder()
    image = builder.tensor("image", (1, 8, 8, CHANNELS))
    result = builder.tensor("result", (1, 8, 8, CHANNELS))
    data = tiny.weights(1, 3, 3, CHANNELS, dtype=np.float16)
    stored = builder.tensor("stored", data.shape, "FLOAT16", data=data)
    weight = builder.tensor("weight", data.shape)
    builder.add("DEQUANTIZE", [stored], [weight])
    tiny.add_depthwise(builder, image, result, rate=2, weight=weight)
    operator = read_tflite(builder.save(tmp_path / "half.tflite", [image], [result])).operators[1]
    assert operator.inputs[1].constant
    assert operator.inputs[1].dtype == "float16"
    assert operator.dilated_depthwise.rate_hw == (2, 2)


def test_read_tflite_space_to_batch_around_convolution_counts_as_its_rate(tmp_path, tiny):
    builder = tiny.TFLiteBuilder()
    image = builder.tensor("image", (1, 8, 8, CHANNELS))
    batched = builder.tensor("batched", (16, 4, 4, CHANNELS))
    result = builder.tensor("result", (16, 2, 2, CHANNELS))
    block = builder.tensor("block", (2,), "INT32", data=np.array([4, 4], np.int32))
    pads = builder.tensor("pads", (2, 2), "INT32", data=np.full((2, 2), 4, np.int32))
    builder.add("SPACE_TO_BATCH_ND", [image, block, pads], [batched])
    tiny.add_depthwise(builder, batched, result, rate=1)
    operator = read_tflite(builder.save(tmp_path / "tf.tflite", [image], [result])).operators[1]
    assert operator.dilated_depthwise.rate_hw == (4, 4)
    assert operator.dilated_depthwise.form == "space-to-batch"


def test_read_tflite_grouped_convolution_tells_groups(tmp_path, tiny):
    builder = tiny.TFLiteBuilder()
    image = builder.tensor("image", (1, 8, 8, 8))
    result = builder.tensor("result", (1, 8, 8, 16))
    weight = builder.tensor("weight", (16, 3, 3, 2), data=tiny.weights(16, 3, 3, 2))
    options = {"options": "Conv2DOptions", "strideW": 1, "strideH": 2}
    builder.add("CONV_2D", [image, weight, -1], [result], **options)
    operator = read_tflite(builder.save(tmp_path / "g.tflite", [image], [result])).operators[0]
    convolution = operator.convolution
    assert (convolution.channels, convolution.groups, convolution.multiplier) == (8, 4, 4)
    assert convolution.stride_hw == (2, 1)
    assert not convolution.depthwise
    assert operator.inputs[2] is None


def test_read_tflite_further_subgraph_is_noted(tmp_path, tiny):
    builder = tiny.TFLiteBuilder()
    image = builder.tensor("image", (1, 8, 8, CHANNELS))
    result = builder.tensor("result", (1, 8, 8, CHANNELS))
    tiny.add_depthwise(builder, image, result, rate=2)
    builder.model.subgraphs = [builder.graph, builder.graph]
    graph = read_tflite(builder.save(tmp_path / "two.tflite", [image], [result]))
    assert graph.notes == ("1 further subgraphs are not listed",)


def test_read_tflite_vector_longer_than_the_file_is_refused(tflite_path):
    inputs = [0, 4, 5]  # image, weight, bias
    content = tflite_path.read_bytes()
    vector = np.array([3, *inputs], np.int32).tobytes()
    assert content.count(vector) == 1
    longer = np.array([2**30, *inputs], np.int32).tobytes()
    tflite_path.write_bytes(content.replace(vector, longer))
    with pytest.raises(ArtifactError, match="it asks for more memory"):
        read_tflite(tflite_path)


def test_read_tflite_operator_that_names_an_absent_tensor_is_refused(tflite_path):
    content = tflite_path.read_bytes()
    vector, other = (np.array([3, 0, 4, last], np.int32).tobytes() for last in (5, 500))
    tflite_path.write_bytes(content.replace(vector, other))
    with pytest.raises(ArtifactError, match="names a tensor that does not exist"):
        read_tflite(tflite_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it has 0 bytes"),
        (b"not a model at all, but long enough", "the TFL3 identifier is missing"),
        (b"\x10\x00\x00\x00TFL3", "a TFLite flatbuffer was expected"),
    ],
)
def test_read_tflite_other_content_is_one_sentence(tmp_path, content, reason):
    path = tmp_path / "bad.tflite"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=reason) as caught:
        read_tflite(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_read_tflite_absent_file_names_the_path(tmp_path):
    with pytest.raises(ArtifactError, match="No such file"):
        read_tflite(tmp_path / "absent.tflite")


def test_read_tflite_without_litert_names_the_extra(tflite_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.schema_py_generated", None)
    with pytest.raises(MissingDependencyError, match=r"edge-deeplab\[tflite\]"):
        read_tflite(tflite_path)


@pytest.mark.parametrize(
    ("name", "operators", "rates", "kernels"),
    [
        ("deeplabv3_mnv2_pascal_quant", 72, [(2, 2)] * 3, [(3, 3)] * 3),
        (
            "deeplab_mobilenet_edgetpu_slim_cityscapes_quant",
            84,
            [(2, 2)] * 4,
            [(5, 5)] * 3 + [(3, 3)],
        ),
    ],
)
def test_read_tflite_peer_tells_its_dilated_depthwise(peers, name, operators, rates, kernels):
    graph = read_tflite(peers / f"{name}.tflite")
    dilated = [o for o in graph.operators if o.dilated_depthwise]
    assert len(graph.operators) == operators
    assert [o.dilated_depthwise.rate_hw for o in dilated] == rates
    assert [o.dilated_depthwise.kernel_hw for o in dilated] == kernels
    assert all(o.module.endswith("/depthwise") for o in dilated)


def test_read_tflite_keeps_scales_short_constants_and_wiring(tmp_path, tiny):
    builder = tiny.TFLiteBuilder()
    image, result = (builder.tensor(name, (1, 4, 4, 8), "INT8") for name in ("image", "result"))
    quantization = schema.QuantizationParametersT()
    quantization.scale = np.array([0.1, 0.3, 0.2], np.float32)
    quantization.zeroPoint = np.array([0, -3, 5], np.int64)
    quantization.quantizedDimension = 3
    builder.graph.tensors[image].quantization = quantization
    paddings = np.array([[0, 0], [1, 2]], np.int32)
    settings = builder.tensor("paddings", paddings.shape, "INT32", data=paddings)
    builder.add("PAD", [image, settings, -1], [result], options="PadOptions")
    (pad,) = read_tflite(builder.save(tmp_path / "pad.tflite", [image], [result])).operators
    stored = pad.inputs[0].quantization
    assert stored.scales == pytest.approx((0.1, 0.3))
    assert (stored.zero_points, stored.channels, stored.axis) == ((-3, 5), 3, 3)
    assert pad.outputs[0].quantization is None
    assert pad.inputs[1].values == (0, 0, 1, 2)
    assert (pad.reads, pad.writes) == (("0", "2", ""), ("1",))


def test_read_tflite_long_constant_has_no_values(tmp_path, tiny):
    builder = tiny.TFLiteBuilder()
    image, result = (builder.tensor(name, (1, 8)) for name in ("image", "result"))
    table = builder.tensor("table", (65,), "INT32", data=np.arange(65, dtype=np.int32))
    builder.add("GATHER", [image, table], [result], options="GatherOptions")
    (gather,) = read_tflite(builder.save(tmp_path / "g.tflite", [image], [result])).operators
    assert gather.inputs[1].constant
    assert gather.inputs[1].values is None


def test_read_tflite_unpacked_constant_is_read_as_float(tmp_path, tiny):
    builder = tiny.TFLiteBuilder()
    image, result, unpacked = (builder.tensor(name, (1, 8)) for name in ("image", "result", "w_f"))
    half = builder.tensor("w", (1, 8), "FLOAT16", data=np.ones((1, 8), np.float16))
    builder.add("DEQUANTIZE", [half], [unpacked], options="DequantizeOptions")
    builder.add("ADD", [image, unpacked], [result], options="AddOptions")
    _, add = read_tflite(builder.save(tmp_path / "half.tflite", [image], [result])).operators
    assert (add.inputs[1].dtype, add.inputs[1].read_as) == ("float16", "float32")
    assert add.reads == ("0", "2")


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ([(1, 2), (2, 1)], "need each other's results"),
        ([(1, 1)], "need each other's results"),
        ([(0, 1), (0, 1)], "compute one and the same value"),
    ],
)
def test_read_tflite_values_in_a_circle_or_computed_twice_are_refused(
    tmp_path, tiny, pairs, reason
):
    builder = tiny.TFLiteBuilder()
    image, *_ = (builder.tensor(name, (1, 8)) for name in ("image", "first", "second"))
    for source, result in pairs:
        builder.add("DEQUANTIZE", [source], [result], options="DequantizeOptions")
    path = builder.save(tmp_path / "circle.tflite", [image], [1])
    with pytest.raises(ArtifactError, match=reason):
        read_tflite(path)


def test_read_tflite_constant_behind_the_flatbuffer_is_told_apart(tmp_path, tiny):
    builder = tiny.TFLiteBuilder()
    image = builder.tensor("image", (1, 8, 8, CHANNELS))
    first, result = (builder.tensor(name, (1, 8, 8, CHANNELS)) for name in ("first", "result"))
    inside, behind = (builder.tensor(name, (8,), data=tiny.weights(8)) for name in ("in", "out"))
    buffer = builder.model.buffers[builder.graph.tensors[behind].buffer]
    buffer.data, buffer.offset, buffer.size = None, 4096, 32
    builder.add("ADD", [image, inside], [first])
    builder.add("MUL", [first, behind], [result])
    graph = read_tflite(builder.save(tmp_path / "apart.tflite", [image], [result]))
    assert [o.inputs[1].constant for o in graph.operators] == [True, True]
    assert [o.inputs[1].apart for o in graph.operators] == [False, True]
