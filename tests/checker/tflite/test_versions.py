"""Every row of the table of versions against an operator that needs it, and what the lint says of whole files."""

import re

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edge_deeplab.checker.report import check_artifact
from edge_deeplab.checker.tflite.operator_signatures import Signature, read_signatures
from edge_deeplab.checker.tflite.versions import (
    _needs,
    lint_versions,
    lowest_version,
)
from edge_deeplab.errors import ArtifactError

CHANNELS = 8


def signature(kind, version=1, *, domain="", **facts):
    return Signature(0, 0, kind, domain, "out", version, facts)


def test_lowest_version_every_row_is_reached_by_its_own_conditions():
    for kind, rows in _needs().items():
        for place, row in enumerate(rows):
            facts = {k: v[0] if isinstance(v, list) else v for k, v in row.items()}
            version = facts.pop("version")
            assert lowest_version(signature(kind, **facts)) == (version or None), (kind, place)


@pytest.mark.parametrize(
    ("kind", "facts", "lowest"),
    [
        ("DEPTHWISE_CONV_2D", {"in0": "float32", "in1": "float32", "dilated": False}, 1),
        ("DEPTHWISE_CONV_2D", {"in0": "float32", "in1": "float32", "dilated": True}, 2),
        ("DEPTHWISE_CONV_2D", {"in0": "int8", "in1": "int8", "out0": "int8", "dilated": True}, 3),
        ("CONV_2D", {"in0": "uint8", "in1": "uint8", "out0": "uint8"}, 1),
        ("RESIZE_BILINEAR", {"in0": "int8", "half_pixel_centers": False}, 2),
        ("RESIZE_BILINEAR", {"in0": "int8", "half_pixel_centers": True}, 3),
        ("PAD", {"in0": "int8", "rank": 5}, 4),
        ("ARG_MAX", {"in0": "float32"}, 1),
        ("BROADCAST_TO", {"in0": "float32"}, 2),
        ("RESHAPE", {"in0": "int8"}, 1),
        ("CONV_2D", {"in0": "int16", "in1": "int8", "out0": "int16"}, None),
        ("HASHTABLE", {"in0": "int64"}, None),
    ],
)
def test_lowest_version_is_that_of_litert(kind, facts, lowest):
    assert lowest_version(signature(kind, **facts)) == lowest


def test_lowest_version_custom_operator_of_a_builtin_name_is_not_known():
    assert lowest_version(signature("ADD", domain="custom", in0="int8")) is None


def two_depthwise(tiny, path, *, versions):
    """Write a depthwise convolution at rate 1, then one at rate 6, with the versions that are given."""
    builder = tiny.TFLiteBuilder()
    shape = (1, 16, 16, CHANNELS)
    image, middle, result = (builder.tensor(name, shape) for name in ("image", "one", "two"))
    tiny.add_depthwise(builder, image, middle, rate=1, name="first")
    tiny.add_depthwise(builder, middle, result, rate=6, name="second")
    for code, version in zip(builder.model.operatorCodes, versions, strict=True):
        code.version = version
    return builder.save(path, [image], [result])


def test_lint_versions_each_with_its_own_has_no_findings(tmp_path, tiny):
    assert lint_versions(two_depthwise(tiny, tmp_path / "own.tflite", versions=(1, 2))) == ()


def test_lint_versions_shared_entry_is_too_high_for_the_undilated_one(tmp_path, tiny):
    (finding,) = lint_versions(two_depthwise(tiny, tmp_path / "high.tflite", versions=(2, 2)))
    assert (finding.name, finding.subgraph, finding.index) == ("one", 0, 0)
    assert (finding.version, finding.lowest, finding.problem) == (2, 1, "too high")
    assert finding.consequence == "runtimes from before version 2 refuse the file without need"


def test_lint_versions_stale_version_of_a_dilated_one_is_too_low(tmp_path, tiny):
    (finding,) = lint_versions(two_depthwise(tiny, tmp_path / "low.tflite", versions=(1, 1)))
    assert (finding.name, finding.version, finding.lowest) == ("two", 1, 2)
    assert finding.problem == "too low"
    assert "only up to version 1 accept the file" in finding.consequence


def test_lint_versions_delegate_that_is_lost_without_need_is_named(tmp_path, tiny):
    path = two_depthwise(tiny, tmp_path / "nnapi.tflite", versions=(4, 2))
    (finding,) = lint_versions(path)
    assert re.search(
        r"tflite-coreml takes it up to version 2 .*; tflite-nnapi .* version 3", finding.consequence
    )


def resize(tiny, path, *, half_pixel, version, dtype="FLOAT32"):
    builder = tiny.TFLiteBuilder()
    image = builder.tensor("image", (1, 4, 4, CHANNELS), dtype)
    result = builder.tensor("result", (1, 8, 8, CHANNELS), dtype)
    size = builder.tensor("size", (2,), "INT32", data=np.array([8, 8], np.int32))
    options = {"options": "ResizeBilinearOptions", "halfPixelCenters": half_pixel}
    builder.add("RESIZE_BILINEAR", [image, size], [result], version=version, **options)
    return builder.save(path, [image], [result])


@pytest.mark.parametrize(
    ("half_pixel", "dtype", "lowest"),
    [(True, "FLOAT32", 3), (False, "FLOAT32", 1), (False, "INT8", 2), (True, "INT8", 3)],
)
def test_lint_versions_resize_follows_its_mode_and_type(tmp_path, tiny, half_pixel, dtype, lowest):
    path = resize(tiny, tmp_path / "r.tflite", half_pixel=half_pixel, version=9, dtype=dtype)
    (finding,) = lint_versions(path)
    assert finding.lowest == lowest


def test_lint_versions_core_ml_is_not_said_to_take_integers(tmp_path, tiny):
    path = resize(tiny, tmp_path / "i.tflite", half_pixel=False, version=3, dtype="UINT8")
    assert "tflite-coreml" not in lint_versions(path)[0].consequence
    path = resize(tiny, tmp_path / "f.tflite", half_pixel=False, version=3)
    assert "tflite-coreml takes it up to version 1" in lint_versions(path)[0].consequence


def test_lint_versions_quantizer_that_leaves_float_versions_is_found(tmp_path, tiny):
    builder = tiny.TFLiteBuilder()
    image = builder.tensor("image", (1, 8, 8, 8), "INT8")
    result = builder.tensor("result", (1, 8, 8, 4), "INT8")
    weight = builder.tensor("weight", (4, 1, 1, 8), "INT8", data=np.ones((4, 1, 1, 8), np.int8))
    builder.add("CONV_2D", [image, weight, -1], [result], options="Conv2DOptions")
    (finding,) = lint_versions(builder.save(tmp_path / "stale.tflite", [image], [result]))
    assert (finding.operator, finding.lowest, finding.problem) == ("CONV_2D", 3, "too low")


def test_read_signatures_second_subgraph_is_read_too(tmp_path, tiny):
    first, second = tiny.TFLiteBuilder(), tiny.TFLiteBuilder()
    for builder, shape in ((first, (1, 2)), (second, (1, 2, 3, 4, 5))):
        ends = [builder.tensor(name, shape, "BOOL") for name in ("in", "out")]
        builder.graph.inputs, builder.graph.outputs = (np.array([end], np.int32) for end in ends)
        builder.add("PAD", ends[:1], ends[1:])
    first.model.subgraphs.append(second.graph)
    signatures = list(read_signatures(first.save(tmp_path / "two.tflite", [0], [1])))
    assert [(s.subgraph, s.index, s.facts["rank"]) for s in signatures] == [(0, 0, 2), (1, 0, 5)]


def quantized(tiny, path, kind, shape, scales, *, weight_place):
    """Write one operator with a per-channel tensor at one of its inputs."""
    builder = tiny.TFLiteBuilder()
    tensors = [builder.tensor(f"t{i}", shape, "INT8") for i in range(2)]
    result = builder.tensor("result", shape)
    quantization = schema.QuantizationParametersT()
    quantization.scale, quantization.quantizedDimension = np.array(scales, np.float32), 3
    quantization.zeroPoint = np.zeros(len(scales), np.int64)
    builder.graph.tensors[weight_place].quantization = quantization
    builder.add(kind, tensors, [result])
    (signature,) = read_signatures(builder.save(path, [0], [2]))
    return signature.facts


@pytest.mark.parametrize(
    ("kind", "scales", "place", "per_channel"),
    [
        ("DEQUANTIZE", [0.1] * 4, 0, True),
        ("DEQUANTIZE", [0.1], 0, False),
        ("DEPTHWISE_CONV_2D", [0.1] * 4, 1, True),
        ("CONV_2D", [0.1] * 4, 1, False),
        ("CONV_2D", [0.1] * 2, 1, True),
    ],
)
def test_read_signatures_scale_for_each_channel_is_told(
    tmp_path, tiny, kind, scales, place, per_channel
):
    path, shape = tmp_path / "q.tflite", (2, 1, 1, 4)
    facts = quantized(tiny, path, kind, shape, scales, weight_place=place)
    assert facts["per_channel"] is per_channel
    assert facts["quantized"] is True


def test_check_artifact_tells_version_findings(tmp_path, tiny):
    report = check_artifact(two_depthwise(tiny, tmp_path / "r.tflite", versions=(2, 2)))
    (finding,) = report.to_json()["version_findings"]
    assert (finding["operator"], finding["version"], finding["lowest"]) == (
        "DEPTHWISE_CONV_2D",
        2,
        1,
    )


def test_check_artifact_other_formats_have_no_version_findings(onnx_path):
    assert check_artifact(onnx_path).to_json()["version_findings"] == []


def test_read_signatures_content_that_is_no_model_is_one_sentence(tmp_path):
    path = tmp_path / "bad.tflite"
    path.write_bytes(b"\x08\0\0\0TFL3 and nothing more")
    with pytest.raises(ArtifactError, match="a TFLite flatbuffer was expected"):
        list(read_signatures(path))
