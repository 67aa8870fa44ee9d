"""TFLite files made to break: the rules say so from the file, and the runtime bears them out."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.tiny_files import check_observed


def quantize(builder, index, *, scale=0.1, zero_point=0):
    """Give a tensor one scale and one zero point."""
    quantization = schema.QuantizationParametersT()
    quantization.scale = np.array([scale], np.float32)
    quantization.zeroPoint = np.array([zero_point], np.int64)
    builder.graph.tensors[index].quantization = quantization


@pytest.fixture
def resize(tiny, tmp_path):
    """Return a function that writes a quantized RESIZE_BILINEAR of 4x4 to 8x8."""

    def write(dtype="INT8", before=None, after=None, version=3):
        builder = tiny.TFLiteBuilder()
        image = builder.tensor("image", (1, 4, 4, 8), dtype)
        result = builder.tensor("result", (1, 8, 8, 8), dtype)
        size = builder.tensor("size", (2,), "INT32", data=np.array([8, 8], np.int32))
        quantize(builder, image, **(before or {}))
        quantize(builder, result, **(after or before or {}))
        options = {"options": "ResizeBilinearOptions", "halfPixelCenters": True}
        builder.add("RESIZE_BILINEAR", [image, size], [result], version=version, **options)
        return builder.save(tmp_path / "resize.tflite", [image], [result])

    return write


def test_resize_of_one_scale_loads_and_no_rule_speaks(resize):
    report = check_observed(resize())
    assert report.seen_by("xnnpack").observation.refusal is None
    assert report.profiles[0].count()["ok"] == 1
    assert report.warnings == ()


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"after": {"scale": 0.2}}, "scale-changes-where-it-must-not"),
        ({"after": {"zero_point": 3}}, "scale-changes-where-it-must-not"),
        ({"dtype": "UINT8", "before": {"zero_point": 300}}, "zero-point-out-of-range"),
        ({"dtype": "UINT8", "before": {"zero_point": -5}}, "zero-point-out-of-range"),
        ({"before": {"zero_point": 200}}, "zero-point-out-of-range"),
        ({"before": {"scale": 0.0}}, "zero-point-out-of-range"),
        ({"version": 9}, "unregistered-version"),
    ],
)
def test_broken_resize_is_rejected_by_a_rule_and_by_the_runtime(resize, changes, rule):
    report = check_observed(resize(**changes))
    (verdict,) = report.profiles[0].verdicts
    assert (verdict.verdict, verdict.rule) == ("rejected", f"tflite-xnnpack.{rule}")
    assert report.seen_by("xnnpack").observation.refusal
    assert report.warnings == ()
    predicted = report.to_json()["xnnpack"]["predicted"]
    assert (predicted["loads"], predicted["partitions"]) == (False, 0)


@pytest.mark.parametrize(
    ("changes", "loads", "told"),
    [
        (
            {"dtype": "UINT8", "before": {"zero_point": 300}},
            True,
            "XNNPACK, the default delegate of ai-edge-litert",
        ),
        ({"version": 9}, False, "does not load it: Didn't find op"),
    ],
)
def test_refusal_of_a_broken_resize_says_which_path_refuses(resize, changes, loads, told):
    report = check_observed(resize(**changes))
    assert report.seen_by("xnnpack").observation.loads_without_delegate is loads
    assert told in report.seen_by("xnnpack").observation.told_refusal
    assert report.to_json()["xnnpack"]["loads_without_delegate"] is loads


def test_broken_convolution_is_rejected_by_a_rule_and_by_the_runtime(tiny, tmp_path):
    """Scales of 10 into one of 0.1: XNNPACK's factor ends at 256."""
    builder = tiny.TFLiteBuilder()
    image, result = (builder.tensor(name, (1, 8, 8, 8), "INT8") for name in ("a", "b"))
    weight = builder.tensor("w", (8, 1, 1, 8), "INT8", data=np.ones((8, 1, 1, 8), np.int8))
    bias = builder.tensor("bias", (8,), "INT32", data=np.zeros(8, np.int32))
    for index, scale in ((image, 10.0), (weight, 10.0), (bias, 100.0), (result, 0.1)):
        quantize(builder, index, scale=scale)
    options = {"options": "Conv2DOptions", "strideW": 1, "strideH": 1}
    builder.add("CONV_2D", [image, weight, bias], [result], version=3, **options)
    report = check_observed(builder.save(tmp_path / "conv.tflite", [image], [result]))
    assert report.profiles[0].verdicts[0].rule == "tflite-xnnpack.requantization"
    assert report.seen_by("xnnpack").observation.refusal
    assert report.warnings == ()
