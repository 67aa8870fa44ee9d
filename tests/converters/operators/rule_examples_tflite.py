"""For each rule about TFLite: operators that it speaks about, and some beside them that it does not.

An example of a family of profiles may name one by its suffix: (operator, "28").
"""

from dataclasses import replace

from edge_deeplab.converters.operators.graph import TensorSpec
from tests.converters.operators.operator_builders import (
    computed,
    dense,
    depthwise,
    geometry,
    giving,
    operator,
    reading,
    settings,
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


UNPACKED = replace(operator("DEQUANTIZE", version=3), inputs=(stored("float16"),))
"""A DEQUANTIZE of a weight that is stored in float16."""
SIZE_COMPUTED = TensorSpec("size", "int32", (2,))

TFLITE_EXAMPLES = {
    "tflite-gpu.argmax": ([operator("ARG_MAX"), operator("ARG_MIN")], [SAME_VERDICT]),
    "tflite-gpu.space-to-batch": (
        [operator("SPACE_TO_BATCH_ND"), operator("BATCH_TO_SPACE_ND")],
        [operator("SPACE_TO_DEPTH")],
    ),
    "tflite-gpu.dilated-depthwise": (
        [dw(rate=2)],
        [dw(), conv(rate=2), dw(rate=2, kernel=(5, 5))],
    ),
    "tflite-gpu.depthwise-off-the-fast-kernel": (
        [
            dw(kernel=(5, 3)),
            dw(kernel=(3, 5), rate=2),
            dw(stride=2),
            dw(multiplier=2),
            settings(dw(), padding="VALID"),
        ],
        [dw(), dw(rate=2, stride=2), conv(kernel=(5, 5)), settings(dw(), padding="SAME")],
    ),
    "tflite-gpu.resize-flags": (
        [resize(corners=True, centres=True)],
        [resize(corners=True), resize(centres=True)],
    ),
    "tflite-gpu.resize-align-corners-opengl": (
        [resize(corners=True)],
        [resize(), resize(corners=True, centres=True)],
    ),
    "tflite-gpu.convolution-inputs": (
        [reading(dense("CONV_2D"), computed(), computed())],
        [conv(), reading(dense("CONV_2D"), computed(), stored())],
    ),
    "tflite-gpu.fused-activation": (
        [settings(conv(), **SIGN_BIT)],
        [settings(conv(), **RELU6), settings(operator("ADD"), **SIGN_BIT)],
    ),
    "tflite-gpu.computed-settings": (
        [mean(axes=SIZE_COMPUTED), resize(size=SIZE_COMPUTED)],
        [mean(), resize(), reading(operator("ADD"), computed())],
    ),
    "tflite-gpu.softmax-beta": (
        [operator("SOFTMAX", attributes={"beta": 0.5})],
        [operator("SOFTMAX", attributes={"beta": 1.0}), operator("SOFTMAX")],
    ),
    "tflite-gpu.slice": (
        [
            operator("SLICE", before=(4, 4)),
            slices(ellipsis_mask=1),
            slices(new_axis_mask=1),
            slices(shrink_axis_mask=1),
        ],
        [operator("SLICE"), slices()],
    ),
    "tflite-gpu.dequantize-int16": (
        [operator("DEQUANTIZE", dtype="int16")],
        [operator("DEQUANTIZE", **INT8)],
    ),
    "tflite-gpu.unlisted-operator": (
        [operator("SVDF"), operator("Fancy", domain="custom")],
        [operator("ADD"), operator("Resampler", domain="custom")],
    ),
    "tflite-nnapi.dilated": (
        [(dw(rate=2), "28"), (conv(rate=2), "27")],
        [(dw(rate=2), "29"), (dw(), "28"), (geometry(dw(rate=2), form="space-to-batch"), "28")],
    ),
    "tflite-nnapi.integer-convolution": (
        [(conv(**INT8), "28"), (dw(**INT8), "27")],
        [(conv(**INT8), "29"), (conv(dtype="uint8"), "28"), (conv(), "28")],
    ),
    "tflite-nnapi.grouped-convolution": (
        [(geometry(conv(), groups=4), "28")],
        [(geometry(conv(), groups=4), "29"), (conv(), "28")],
    ),
    "tflite-nnapi.convolution-without-bias": (
        [reading(dense("CONV_2D"), stored())],
        [conv(), reading(depthwise("DEPTHWISE_CONV_2D"), stored())],
    ),
    "tflite-nnapi.operator-version": (
        [
            conv(version=6),
            operator("FULLY_CONNECTED", version=6),
            dw(version=4),
            operator("ADD", version=3),
            operator("RESHAPE", version=2),
            operator("DEQUANTIZE", version=3, **INT8),
        ],
        [conv(version=5), dw(version=3), operator("ADD", version=2), operator("RESHAPE"), UNPACKED],
    ),
    "tflite-nnapi.resize-sampling": (
        [(resize(corners=True), "29"), (resize("RESIZE_NEAREST_NEIGHBOR", centres=True), "29")],
        [resize(corners=True), (resize(), "29")],
    ),
    "tflite-nnapi.resize-before-29": (
        [(resize(after=LARGE), "28"), (resize(**INT8), "28")],
        [(resize(after=LARGE), "29"), (resize(), "28"), resize(**INT8)],
    ),
    "tflite-nnapi.resize-size": (
        [resize(size=SIZE_COMPUTED), resize(before=(16, 16, 64), after=(32, 32, 64))],
        [resize()],
    ),
    "tflite-nnapi.pooling-window": (
        [pool(window=(33, 33), **INT8)],
        [pool(window=(16, 16), **INT8), pool(window=(33, 33)), pool("MAX_POOL_2D", (33, 33))],
    ),
    "tflite-nnapi.mean": (
        [(mean(**INT8), "28"), giving(mean(), shape=())],
        [(mean(**INT8), "29"), (mean(), "28")],
    ),
    "tflite-nnapi.argmax-output": (
        [giving(operator("ARG_MAX"), dtype="int64")],
        [giving(operator("ARG_MAX"), dtype="int32")],
    ),
    "tflite-nnapi.quantize-before-30": (
        [(giving(operator("QUANTIZE"), dtype="int8"), "29")],
        [
            giving(operator("QUANTIZE"), dtype="int8"),
            (giving(operator("QUANTIZE"), dtype="uint8"), "29"),
        ],
    ),
    "tflite-nnapi.dequantize-before-29": (
        [(operator("DEQUANTIZE", **INT8), "28")],
        [(operator("DEQUANTIZE", dtype="uint8"), "28"), (operator("DEQUANTIZE", **INT8), "29")],
    ),
    "tflite-nnapi.concatenation": (
        [
            operator("CONCATENATION", attributes=RELU6),
            operator("CONCATENATION", before=(1, 1, 1, 1, 1)),
        ],
        [operator("CONCATENATION", attributes={"fused_activation_function": 0})],
    ),
    "tflite-nnapi.five-axes": ([operator("ADD", before=(1, 2, 3, 4, 5))], [operator("ADD")]),
    "tflite-nnapi.sixteen-bits": (
        [operator("ADD", dtype="int16")],
        [operator("ADD", **INT8), operator("RESHAPE", dtype="int16")],
    ),
    "tflite-nnapi.since-28": (
        [(operator("PAD"), "27")],
        [(operator("PAD"), "28"), (operator("RELU"), "27")],
    ),
    "tflite-nnapi.since-29": (
        [(giving(operator("ARG_MAX"), dtype="int32"), "28")],
        [(giving(operator("ARG_MAX"), dtype="int32"), "29"), (operator("PAD"), "28")],
    ),
    "tflite-nnapi.quantized-before-29": (
        [(operator("TANH", **INT8), "28")],
        [(operator("TANH", **INT8), "29"), (operator("TANH"), "28")],
    ),
    "tflite-nnapi.since-30": ([(operator("ELU"), "29")], [operator("ELU")]),
    "tflite-nnapi.unmapped-operator": ([operator("GELU")], [operator("RELU")]),
    "tflite-nnapi.hard-swish-in-parts": (
        [(operator("HARD_SWISH"), "28")],
        [(operator("HARD_SWISH"), "29")],
    ),
    "tflite-nnapi.stored-float16": (
        [UNPACKED, (UNPACKED, "27")],
        [operator("DEQUANTIZE", **INT8)],
    ),
    "tflite-nnapi.deprecated": ([(operator("ADD"), "35")], [(operator("ADD"), "34")]),
    "tflite-hexagon.dilated-convolution": (
        [conv(rate=2, **INT8)],
        [conv(**INT8), dw(rate=2, **INT8)],
    ),
    "tflite-hexagon.dilated-strided-depthwise": (
        [dw(rate=2, stride=2, **INT8)],
        [dw(rate=2, **INT8), dw(stride=2, **INT8)],
    ),
    "tflite-hexagon.depth-multiplier": (
        [
            dw(multiplier=2, **INT8),
            geometry(dw(multiplier=2, rate=2, **INT8), channels=1),
        ],
        [dw(**INT8), geometry(dw(multiplier=8, **INT8), channels=1)],
    ),
    "tflite-hexagon.flat-filter": (
        [dw(kernel=(1, 3), **INT8)],
        [dw(kernel=(3, 1), **INT8), conv(kernel=(1, 3), **INT8)],
    ),
    "tflite-hexagon.stride": ([conv(stride=4, **INT8)], [conv(stride=3, **INT8)]),
    "tflite-hexagon.not-8-bit": ([conv(), operator("RELU")], [conv(dtype="uint8")]),
    "tflite-hexagon.fused-activation": (
        [settings(conv(**INT8), **TANH)],
        [settings(conv(**INT8), **RELU6)],
    ),
    "tflite-hexagon.pooling": (
        [
            pool(activation=3, **INT8),
            pool("MAX_POOL_2D", (13, 3), "SAME", **INT8),
            pool("MAX_POOL_2D", (3, 13), "SAME", **INT8),
        ],
        [pool(**INT8), pool("MAX_POOL_2D", (13, 13), **INT8), pool(window=(33, 33), **INT8)],
    ),
    "tflite-hexagon.computed-settings": (
        [mean(axes=SIZE_COMPUTED, **INT8)],
        [mean(**INT8), reading(operator("ADD", **INT8), computed("int8"))],
    ),
    "tflite-hexagon.resize-size": (
        [resize(after=(1, 66, 64, 64), **INT8), resize(after=(1, 64, 66, 64), **INT8)],
        [resize(after=(1, 65, 65, 64), **INT8)],
    ),
    "tflite-hexagon.operator-version": (
        [
            dw(version=4, **INT8),
            operator("FULLY_CONNECTED", version=5, **INT8),
            operator("ADD", version=3, **INT8),
            operator("RELU", version=1, **INT8),
            operator("RESHAPE", version=2, **INT8),
        ],
        [dw(version=3, **INT8), operator("ADD", version=2, **INT8), operator("RELU", version=2)],
    ),
    "tflite-hexagon.five-axes": (
        [operator("ADD", before=(1, 2, 3, 4, 5), **INT8)],
        [operator("ADD", **INT8)],
    ),
    "tflite-hexagon.slice-masks": (
        [
            settings(operator("STRIDED_SLICE", **INT8), ellipsis_mask=1),
            settings(operator("STRIDED_SLICE", **INT8), new_axis_mask=1),
        ],
        [settings(operator("STRIDED_SLICE", **INT8), shrink_axis_mask=1)],
    ),
    "tflite-hexagon.unlisted-operator": (
        [operator("DEQUANTIZE", **INT8), operator("SUM", **INT8)],
        [operator("MEAN", **INT8)],
    ),
    "tflite-edgetpu.not-8-bit": ([operator("ADD")], [operator("ADD", dtype="uint8")]),
    "tflite-edgetpu.unequal-rates": (
        [geometry(dw(**INT8), rate_hw=(2, 1))],
        [dw(rate=2, **INT8), conv(rate=12, **INT8)],
    ),
    "tflite-edgetpu.fused-activation": (
        [pool(activation=3, **INT8)],
        [pool(**INT8), settings(conv(**INT8), **RELU6)],
    ),
    "tflite-edgetpu.batch": (
        [operator("ADD", before=(2, 4, 4, 4), **INT8)],
        [operator("ADD", before=(2, 4), **INT8), operator("ADD", **INT8)],
    ),
    "tflite-edgetpu.open-size": (
        [operator("ADD", before=(1, None, 32, 64), **INT8)],
        [operator("ADD", before=None, **INT8), operator("ADD", **INT8)],
    ),
    "tflite-edgetpu.mean-over-channels": (
        [operator("MEAN", before=(1, 4, 4, 6), after=(1, 4, 4, 1), **INT8)],
        [
            operator("MEAN", before=(1, 4, 4, 8), after=(1, 4, 4, 1), **INT8),
            operator("MEAN", before=(1, 4, 4, 6), after=(1, 1, 1, 6), **INT8),
        ],
    ),
    "tflite-edgetpu.resize-version": (
        [resize(version=3, centres=True, **INT8)],
        [resize(version=2, **INT8)],
    ),
    "tflite-edgetpu.strided-slice": (
        [
            settings(operator("STRIDED_SLICE", **INT8), ellipsis_mask=1),
            settings(operator("STRIDED_SLICE", **INT8), new_axis_mask=1),
        ],
        [settings(operator("STRIDED_SLICE", **INT8), ellipsis_mask=0, new_axis_mask=0)],
    ),
    "tflite-edgetpu.unlisted-operator": (
        [operator("ARG_MAX", **INT8), operator("HARD_SWISH", **INT8)],
        [operator("ADD", **INT8)],
    ),
    "tflite-edgetpu.resize-by-size": ([resize(version=2, **INT8)], [operator("ADD", **INT8)]),
    "tflite-coreml.not-float32": ([operator("ADD", **INT8)], [operator("ADD")]),
    "tflite-coreml.resize-version": (
        [resize(version=3, centres=True)],
        [resize(version=1), operator("ADD", version=2)],
    ),
    "tflite-coreml.operator-version": (
        [
            dw(version=3),
            operator("FULLY_CONNECTED", version=7),
            operator("ADD", version=2),
        ],
        [dw(rate=2, version=2), operator("FULLY_CONNECTED", version=6), resize(version=3)],
    ),
    "tflite-coreml.convolution-constants": (
        [
            reading(dense("CONV_2D"), computed(), stored(shape=(64,))),
            reading(dense("CONV_2D"), stored(), computed(shape=(64,))),
        ],
        [conv(), dw()],
    ),
    "tflite-coreml.kernel-size": (
        [conv(kernel=(16385, 1)), conv(kernel=(1, 16385))],
        [conv(kernel=(16384, 1))],
    ),
    "tflite-coreml.pooling-activation": ([pool(activation=1)], [pool()]),
    "tflite-coreml.softmax-beta": (
        [operator("SOFTMAX", attributes={"beta": 2.0})],
        [operator("SOFTMAX", attributes={"beta": 1.0})],
    ),
    "tflite-coreml.resize-size": ([resize(size=SIZE_COMPUTED)], [resize()]),
    "tflite-coreml.unlisted-operator": ([operator("TRANSPOSE")], [operator("RESHAPE")]),
    "tflite-coreml.stored-float16": ([UNPACKED], [operator("DEQUANTIZE", **INT8)]),
    "tflite-coreml.legacy-resize": ([resize()], [resize(corners=True)]),
    "tflite-qnn.depth-multiplier": ([dw(multiplier=2)], [dw()]),
    "tflite-qnn.topk-count": (
        [reading(operator("TOPK_V2"), computed("int32", ()))],
        [reading(operator("TOPK_V2"), stored("int32", ()))],
    ),
    "tflite-qnn.unlisted-operator": ([operator("SVDF")], [operator("ARG_MAX")]),
    "tflite-qnn.dilated-depthwise": ([dw(rate=12)], [dw()]),
    "tflite-qnn.bias-scale": (
        [reading(depthwise("DEPTHWISE_CONV_2D", **INT8), stored("int8"), stored("int32", (64,)))],
        [dw()],
    ),
    "tflite-qnn.resize-sampling": ([resize(corners=True), resize(centres=True)], [resize()]),
    "tflite-xnnpack-sparse.not-float32": ([operator("ADD", **INT8)], [operator("ADD")]),
    "tflite-xnnpack-sparse.dilated": ([dw(rate=2), conv(kernel=(1, 1), rate=2)], [dw()]),
    "tflite-xnnpack-sparse.depthwise-kernel": (
        [
            dw(kernel=(7, 3)),
            dw(kernel=(3, 7)),
            dw(stride=3),
            settings(dw(), padding="VALID"),
        ],
        [dw(kernel=(5, 5), stride=2), settings(dw(), padding="SAME")],
    ),
    "tflite-xnnpack-sparse.convolution-kernel": (
        [
            conv(kernel=(3, 1)),
            conv(kernel=(1, 3)),
            geometry(conv(), channels=3),
        ],
        [conv(kernel=(1, 1)), geometry(conv(stride=2), channels=3)],
    ),
    "tflite-xnnpack-sparse.resize-to-one": (
        [resize(after=(1, 1, 32, 64)), resize(after=(1, 32, 1, 64))],
        [resize()],
    ),
    "tflite-xnnpack-sparse.unlisted-operator": (
        [operator("CONCATENATION"), operator("ARG_MAX")],
        [operator("ADD")],
    ),
}
