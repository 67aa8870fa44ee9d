"""For each rule about the NNAPI delegate: operators that it speaks about, and some beside them that it does not.

An example may name an API level by its suffix: (operator, "28"). Without one it is 30.
"""

from tests.checker.operator_builders import (
    dense,
    depthwise,
    geometry,
    giving,
    operator,
    reading,
    settings,
    stored,
)
from tests.checker.tflite_operators import (
    INT8,
    LARGE,
    RELU6,
    SIZE_COMPUTED,
    UNPACKED,
    UNPACKED_INT8,
    conv,
    dequantize,
    dw,
    mean,
    pool,
    resize,
    scaled,
    uncropped,
)

NNAPI_EXAMPLES = {
    "tflite-nnapi.dilated": (
        [(dw(rate=2), "28"), (conv(rate=2), "27")],
        [(dw(rate=2), "29"), (dw(), "28"), (geometry(dw(rate=2), form="space-to-batch"), "28")],
    ),
    "tflite-nnapi.integer-convolution": (
        [(conv(**INT8), "28"), (dw(**INT8), "27")],
        [(conv(**INT8), "29"), (conv(dtype="uint8"), "28"), (conv(), "28")],
    ),
    "tflite-nnapi.grouped-convolution": (
        [(geometry(conv(), groups=4), "28"), (geometry(conv(), groups=64), "28")],
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
            operator("TRANSPOSE_CONV", version=5),
            dw(version=4),
            operator("ADD", version=3),
            operator("RSQRT", version=3),
            operator("RESHAPE", version=2),
            dequantize(version=3),
        ],
        [
            conv(version=5),
            operator("TRANSPOSE_CONV", version=4),
            dw(version=3),
            operator("ADD", version=2),
            operator("RSQRT", version=1),
            operator("RSQRT", version=2),
            operator("RESHAPE"),
            UNPACKED,
        ],
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
    "tflite-nnapi.dequantize": (
        [
            (dequantize(), "28"),
            (UNPACKED_INT8, "28"),
            (dequantize("int16"), "29"),
            (dequantize("float16"), "29"),
            (scaled(dequantize(), 3), "29"),
        ],
        [
            (dequantize("uint8"), "28"),
            (UNPACKED, "28"),
            (scaled(dequantize(), 0), "29"),
            (dequantize("float16"), "30"),
            (scaled(dequantize(), 3), "30"),
        ],
    ),
    "tflite-nnapi.concatenation": (
        [
            operator("CONCATENATION", attributes=RELU6),
            operator("CONCATENATION", before=(1, 1, 1, 1, 1)),
        ],
        [operator("CONCATENATION", attributes={"fused_activation_function": 0})],
    ),
    "tflite-nnapi.five-axes": (
        [operator("ADD", before=(1, 2, 3, 4, 5)), operator("DIV", before=(1, 2, 3, 4, 5))],
        [operator("ADD"), operator("RELU", before=(1, 2, 3, 4, 5))],
    ),
    "tflite-nnapi.element-type": (
        [
            operator("RSQRT", **INT8),
            operator("RELU", dtype="int16"),
            operator("SUB", dtype="int64"),
            giving(operator("ARG_MAX", dtype="int64"), dtype="int32"),
            operator("CONCATENATION", dtype="int32"),
            operator("NEG", **INT8),
            (operator("ADD", dtype="int32"), "29"),
            (operator("SPLIT", **INT8), "29"),
            operator("CAST", dtype="bool"),
            giving(operator("CAST"), dtype="int64"),
        ],
        [
            operator("RSQRT"),
            operator("ADD", **INT8),
            operator("ADD", dtype="int32"),
            operator("SPLIT", **INT8),
            operator("CAST", **INT8),
            operator("TRANSPOSE", dtype="int16"),
        ],
    ),
    "tflite-nnapi.integer-activation": (
        [settings(operator("ADD", dtype="int32"), **RELU6)],
        [settings(operator("ADD"), **RELU6), operator("ADD", dtype="int32")],
    ),
    "tflite-nnapi.crops": ([uncropped(0, 0, 0, 2)], [uncropped(0, 0, 0, 0)]),
    "tflite-nnapi.softmax-rank-before-29": (
        [(operator("SOFTMAX", before=(1, 8, 8)), "28")],
        [(operator("SOFTMAX", before=(1, 8, 8)), "29"), (operator("SOFTMAX"), "28")],
    ),
    "tflite-nnapi.fully-connected": (
        [
            (settings(operator("FULLY_CONNECTED"), keep_num_dims=True), "29"),
            giving(operator("FULLY_CONNECTED"), dtype="int16"),
        ],
        [settings(operator("FULLY_CONNECTED"), keep_num_dims=True), operator("FULLY_CONNECTED")],
    ),
    "tflite-nnapi.named-accelerators-only": (
        [operator("MIRROR_PAD"), (operator("BATCH_MATMUL"), "35")],
        [operator("PAD")],
    ),
    "tflite-nnapi.since-28": (
        [(operator("PAD"), "27")],
        [(operator("PAD"), "28"), (operator("RELU"), "27")],
    ),
    "tflite-nnapi.since-29": (
        [
            (giving(operator("ARG_MAX"), dtype="int32"), "28"),
            (operator("LESS"), "28"),
            (operator("PADV2"), "28"),
        ],
        [(giving(operator("ARG_MAX"), dtype="int32"), "29"), (operator("PAD"), "28")],
    ),
    "tflite-nnapi.quantized-before-29": (
        [(operator("TANH", **INT8), "28")],
        [(operator("TANH", **INT8), "29"), (operator("TANH"), "28")],
    ),
    "tflite-nnapi.since-30": ([(operator("ELU"), "29")], [operator("ELU")]),
    "tflite-nnapi.unmapped-operator": (
        [operator("GELU")],
        [operator("RELU"), operator("UNPACK"), operator("SQUARED_DIFFERENCE")],
    ),
    "tflite-nnapi.hard-swish-in-parts": (
        [(operator("HARD_SWISH"), "28")],
        [(operator("HARD_SWISH"), "29")],
    ),
    "tflite-nnapi.stored-float16": (
        [UNPACKED, (UNPACKED, "27")],
        [dequantize(), UNPACKED_INT8],
    ),
    "tflite-nnapi.deprecated": ([(operator("ADD"), "35")], [(operator("ADD"), "34")]),
}
