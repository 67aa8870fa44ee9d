"""TFLite operators that rules are shown: convolutions, resizes, pools and the like, with what stands in the file."""

from dataclasses import replace

from edge_deeplab.formats.graph import TensorQuantization, TensorSpec
from tests.checker.operator_builders import (
    computed,
    dense,
    depthwise,
    giving,
    operator,
    reading,
    stored,
)

INT8 = {"dtype": "int8"}
MAP, TWICE, LARGE = (1, 16, 16, 64), (1, 32, 32, 64), (1, 128, 64, 64)
SAME_VERDICT = operator("ADD")
RELU6, TANH, SIGN_BIT = (
    {"fused_activation_function": 3},
    {"fused_activation_function": 4},
    {"fused_activation_function": 5},
)


def conv(**options):
    """Return a dense CONV_2D with weight and bias."""
    return reading(dense("CONV_2D", **options), stored(), stored(shape=(64,)))


def dw(**options):
    """Return a DEPTHWISE_CONV_2D with weight and bias."""
    return reading(depthwise("DEPTHWISE_CONV_2D", **options), stored(), stored(shape=(64,)))


def resize(kind="RESIZE_BILINEAR", *, after=TWICE, size=None, corners=False, centres=False, **rest):
    """Return a resize of a 16x16 map to a size that stands in the file."""
    rest.setdefault("before", MAP)
    flags = {"align_corners": corners, "half_pixel_centers": centres}
    like = operator(kind, after=after, attributes=flags, **rest)
    return reading(like, size or stored("int32", (2,)))


def pool(kind="AVERAGE_POOL_2D", window=(8, 8), padding="VALID", activation=0, **options):
    """Return a pool."""
    attributes = {
        "filter_height": window[0],
        "filter_width": window[1],
        "padding": padding,
        "fused_activation_function": activation,
    }
    return operator(kind, attributes=attributes, **options)


def mean(axes=None, **options):
    """Return a MEAN over axes that stand in the file."""
    return reading(operator("MEAN", **options), axes or stored("int32", (2,)))


def slices(**masks):
    """Return a STRIDED_SLICE with constant bounds."""
    plain = {"ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 0}
    like = operator("STRIDED_SLICE", attributes={**plain, **masks})
    return reading(like, *(stored("int32", (4,)) for _ in range(3)))


def joined(before=MAP, after=(1, 16, 16, 128)):
    """Return a CONCATENATION of two values."""
    like = operator("CONCATENATION", before=before, after=after)
    return reading(like, computed(shape=before))


def padded(before=MAP, after=(1, 18, 18, 64)):
    """Return a PAD by paddings that stand in the file."""
    return reading(operator("PAD", before=before, after=after), stored("int32", (4, 2)))


def scaled(like, zero_point):
    """Return an operator whose first input has a zero point."""
    quantization = TensorQuantization((0.1, 0.1), (zero_point, zero_point))
    first = replace(like.inputs[0], quantization=quantization)
    return replace(like, inputs=(first, *like.inputs[1:]))


def uncropped(*crops):
    """Return a BATCH_TO_SPACE_ND with these crops."""
    specs = (stored("int32", (2,)), replace(stored("int32", (2, 2)), values=crops))
    return reading(operator("BATCH_TO_SPACE_ND"), *specs)


def dequantize(dtype="int8", **options):
    """Return a DEQUANTIZE to float32 of a value that is computed."""
    return giving(operator("DEQUANTIZE", dtype=dtype, **options), dtype="float32")


UNPACKED = replace(operator("DEQUANTIZE", version=3), inputs=(stored("float16"),))
"""A DEQUANTIZE of a weight that is stored in float16."""
UNPACKED_INT8 = replace(operator("DEQUANTIZE", version=2), inputs=(stored("int8"),))
"""A DEQUANTIZE of a weight that is stored in int8."""
WITHOUT_BIAS = reading(dense("CONV_2D", dtype="int8"), stored("int8"))
SIZE_COMPUTED = TensorSpec("size", "int32", (2,))
