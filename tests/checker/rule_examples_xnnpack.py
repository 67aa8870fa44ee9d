"""For each rule about XNNPACK and LiteRT: operators that it speaks about, and some beside them that it does not."""

from dataclasses import replace

from edge_deeplab.formats.graph import Operator, TensorQuantization, TensorSpec
from tests.checker.operator_builders import dense, depthwise, dequantized, reading, stored

MAP = (1, 8, 8, 16)
FILTER = (16, 3, 3, 16)
UINT8 = "uint8"


def tensor(dtype="int8", scale=0.1, zero_point=0, shape=MAP, **rest):
    """Return a computed value with one scale."""
    quantization = TensorQuantization((scale, scale), (zero_point, zero_point))
    return TensorSpec("x", dtype, shape, quantization=quantization, **rest)


def plain(dtype="float32", shape=MAP):
    return TensorSpec("x", dtype, shape)


def numbers(*values, dtype="int32"):
    """Return a stored setting."""
    return TensorSpec("s", dtype, (len(values),), constant=True, values=values)


COMPUTED = TensorSpec("s", "int32", (2,))


def op(kind, inputs, outputs=None, *, version=1, domain="", **attributes):
    outputs = tuple(inputs[:1]) if outputs is None else tuple(outputs)
    return Operator(0, kind, "y", version, tuple(inputs), outputs, attributes, domain=domain)


def unary(kind, dtype="float32", after=None):
    """Return an operator from one value to another of the same type, or of another."""
    make = plain if dtype.startswith("float") or dtype == "int32" else tensor
    return op(kind, [make(dtype)], after)


def resize(before=None, after=None, size=None):
    return op("RESIZE_BILINEAR", [before or tensor(), size or numbers(16, 16)], [after or tensor()])


def kernel(dtype="int8", scale=0.01, zero_point=0, shape=FILTER, channels=1, axis=0):
    """Return a stored filter."""
    if dtype.startswith("float"):
        return TensorSpec("w", dtype, shape, constant=True)
    quantization = TensorQuantization((scale, scale), (zero_point, zero_point), channels, axis)
    return TensorSpec("w", dtype, shape, constant=True, quantization=quantization)


BIAS = TensorSpec("b", "int32", (16,), constant=True)


def conv(kind="CONV_2D", data=None, weight=None, bias=BIAS, result=None, version=3, **attributes):
    """Return an int8 convolution."""
    inputs = [data or tensor(), weight or kernel(), bias]
    return op(kind, inputs, [result or tensor()], version=version, **attributes)


def float_conv(kind="CONV_2D", weight=None):
    return op(kind, [plain(), weight or kernel("float32"), BIAS], [plain()])


def joined(count, dtype="float32"):
    return op("CONCATENATION", [plain(dtype)] * count, [plain(dtype)])


def add(*scales, kind="ADD"):
    *inputs, result = (tensor(scale=scale) for scale in scales)
    return op(kind, inputs, [result])


def unpacking(dtype="int8", kind="DEQUANTIZE"):
    """Return an operator that unpacks a stored tensor."""
    return op(kind, [TensorSpec("w", dtype, FILTER, constant=True)], [plain()])


STRIDES = numbers(1, 1, 1, 1)
STRIDED = [tensor(), numbers(0, 0, 0, 0), numbers(1, 4, 4, 16)]
CUSTOM_KNOWN = op("Mfcc", [plain()], domain="custom")
POOL = {"filter_height": 2, "filter_width": 2, "stride_h": 2, "stride_w": 2}
SEVERAL_SCALES = replace(tensor(), quantization=TensorQuantization((0.1, 0.2), (0, 0), 16, 3))

XNNPACK_EXAMPLES = {
    "tflite-xnnpack.unregistered-version": (
        [
            op("CONV_2D", [plain()], version=9),
            op("STABLEHLO_CBRT", [plain()]),
            op("BROADCAST_TO", [plain()], version=1),
        ],
        [op("CONV_2D", [plain()], version=8), op("BROADCAST_TO", [plain()], version=2)],
    ),
    "tflite-xnnpack.custom-operator": (
        [op("FancyUpsample", [plain()], domain="custom")],
        [CUSTOM_KNOWN, op("MaxUnpooling2D", [plain()], domain="custom")],
    ),
    "tflite-xnnpack.zero-point-out-of-range": (
        [
            resize(tensor(UINT8, zero_point=300), tensor(UINT8, zero_point=300)),
            resize(tensor(zero_point=-129), tensor(zero_point=-129)),
            resize(tensor(scale=0.0), tensor(scale=0.0)),
        ],
        [
            resize(tensor(UINT8, zero_point=255), tensor(UINT8, zero_point=255)),
            op("ARG_MAX", [tensor(zero_point=200)], [plain("int32")]),
            resize(plain(), plain()),
        ],
    ),
    "tflite-xnnpack.scale-changes-where-it-must-not": (
        [
            resize(tensor(), tensor(scale=0.2)),
            resize(tensor(UINT8), tensor(UINT8, zero_point=1)),
            op("MAX_POOL_2D", [tensor()], [tensor(scale=0.2)], **POOL),
            op("CONCATENATION", [tensor(), tensor(scale=0.2)], [tensor()]),
        ],
        [
            resize(),
            resize(tensor(), tensor(scale=0.2), COMPUTED),
            op("MEAN", [tensor(), numbers(1, 2)], [tensor(scale=0.2)]),
            op("CONCATENATION", [tensor(UINT8), tensor(UINT8, 0.2)], [tensor(UINT8)]),
        ],
    ),
    "tflite-xnnpack.filter-zero-point": (
        [conv(weight=kernel(zero_point=3)), conv("DEPTHWISE_CONV_2D", weight=kernel(zero_point=3))],
        [conv(), conv("FULLY_CONNECTED", weight=kernel(zero_point=3))],
    ),
    "tflite-xnnpack.requantization": (
        [conv(weight=kernel(scale=256.0)), conv("FULLY_CONNECTED", weight=kernel(scale=300.0))],
        [conv(weight=kernel(scale=255.0)), float_conv()],
    ),
    "tflite-xnnpack.operator": (
        [op("ARG_MAX", [plain(), numbers(3)], [plain("int32")]), CUSTOM_KNOWN],
        [unary("RELU"), op("FancyUpsample", [plain()], domain="custom")],
    ),
    "tflite-xnnpack.float-only": (
        [unary("HARD_SWISH", "int8"), op("AVERAGE_POOL_2D", [tensor(UINT8)], **POOL)],
        [unary("HARD_SWISH"), unary("RELU", "float16"), unary("LOGISTIC", "int8")],
    ),
    "tflite-xnnpack.type": (
        [
            op("ADD", [plain("int32"), plain("int32")]),
            op("CONV_2D", [tensor("int16"), kernel(), BIAS]),
            op("MAX_POOL_2D", [plain("float16")], **POOL),
            unary("ELU", UINT8),
        ],
        [unary("ELU", "int8"), unary("LOGISTIC", "float16"), resize()],
    ),
    "tflite-xnnpack.conversion": (
        [
            op("QUANTIZE", [tensor()], [tensor(UINT8)]),
            op("QUANTIZE", [tensor(scale=1.0)], [tensor(scale=0.005)]),
            op("QUANTIZE", [tensor(scale=0.005)], [tensor(scale=2.0)]),
            op("DEQUANTIZE", [tensor("int16")], [plain()]),
            unpacking("int16"),
            op("DENSIFY", [plain()]),
        ],
        [
            op("QUANTIZE", [plain()], [tensor(UINT8)]),
            op("QUANTIZE", [tensor()], [tensor(scale=0.2)]),
            op("DEQUANTIZE", [tensor(UINT8)], [plain()]),
            unpacking("float16"),
            unpacking("float32", "DENSIFY"),
        ],
    ),
    "tflite-xnnpack.scales": (
        [
            op("ADD", [tensor(), SEVERAL_SCALES], [tensor()]),
            op("DEQUANTIZE", [SEVERAL_SCALES], [plain()]),
            op("CONCATENATION", [tensor(UINT8), tensor(UINT8, 0.2)], [tensor(UINT8)]),
            op("RESHAPE", [tensor(), numbers(64, 16)], [tensor(scale=0.2)]),
            op("ADD", [TensorSpec("x", "int8", MAP), tensor()], [tensor()]),
        ],
        [op("RESHAPE", [tensor(), numbers(64, 16)]), add(0.1, 0.2, 0.3), unary("RELU")],
    ),
    "tflite-xnnpack.scale-ratio": (
        [
            add(25.7, 0.1, 0.1),
            add(0.00005, 0.1, 0.1, kind="SUB"),
            add(25.7, 1.0, 0.1, kind="MUL"),
            add(0.0000001, 1.0, 0.1, kind="MUL"),
            add(13.0, 0.1, kind="LEAKY_RELU"),
            add(0.0003, 0.1, kind="LEAKY_RELU"),
        ],
        [add(25.5, 0.1, 0.1), add(0.0001, 1.0, 0.1, kind="MUL"), add(0.1, 0.1, kind="LEAKY_RELU")],
    ),
    "tflite-xnnpack.slope": (
        [op("LEAKY_RELU", [plain()], alpha=0.0)],
        [op("LEAKY_RELU", [plain()], alpha=0.1)],
    ),
    "tflite-xnnpack.activation": (
        [conv(fused_activation_function=4)],
        [conv(fused_activation_function=3), conv(fused_activation_function=0), conv()],
    ),
    "tflite-xnnpack.filter": (
        [
            conv(weight=replace(kernel(), constant=False)),
            conv(bias=None),
            conv("FULLY_CONNECTED", bias=COMPUTED),
            conv("DEPTHWISE_CONV_2D", weight=kernel(channels=16, axis=0)),
            conv("FULLY_CONNECTED", weight=kernel(zero_point=3)),
            float_conv("DEPTHWISE_CONV_2D", kernel("int8", channels=16, axis=3)),
            conv("FULLY_CONNECTED", version=8),
        ],
        [
            conv("DEPTHWISE_CONV_2D", weight=kernel(channels=16, axis=3)),
            conv("FULLY_CONNECTED", bias=None),
            float_conv("DEPTHWISE_CONV_2D", replace(kernel("float16"), read_as="float32")),
            float_conv(weight=kernel("int8")),
        ],
    ),
    "tflite-xnnpack.settings": (
        [
            resize(size=COMPUTED),
            op("SLICE", [tensor(), numbers(0, 1, 1, 0), numbers(1, -1, -1, 8)]),
            op("STRIDED_SLICE", [*STRIDED, numbers(1, 2, 2, 1)]),
            op("STRIDED_SLICE", [*STRIDED, STRIDES], ellipsis_mask=1),
            op("STRIDED_SLICE", [*STRIDED, STRIDES], new_axis_mask=1),
            op("STRIDED_SLICE", [*STRIDED, STRIDES], shrink_axis_mask=1),
            joined(1),
            joined(6),
            op("SPLIT", [numbers(3), plain()], [plain()]),
            op("SPLIT", [numbers(3), plain()], [plain()] * 5),
            op("SOFTMAX", [plain()], beta=2.0),
        ],
        [
            resize(),
            op("STRIDED_SLICE", [*STRIDED, STRIDES], shrink_axis_mask=0),
            joined(5),
            op("SPLIT", [numbers(3), plain()], [plain()] * 4),
            op("SOFTMAX", [plain()], beta=1.0),
        ],
    ),
    "tflite-xnnpack.pool-stride": (
        [op("MAX_POOL_2D", [plain()], **{**POOL, "stride_h": 3})],
        [op("MAX_POOL_2D", [plain()], **POOL)],
    ),
    "tflite-xnnpack.rank": (
        [op("RELU", [plain(shape=(1,) * 7)])],
        [op("RELU", [plain(shape=(1,) * 6)])],
    ),
}
QDQ_CONVOLUTION = dequantized(reading(dense("Conv"), stored("int8")), "uint8")
XNNPACK_GRAPH_EXAMPLES = {
    "tflite-xnnpack.unpacked-for-others": (
        [(unpacking(), {"feeds_left_out": True})],
        [(unpacking(), {}), (unary("RELU"), {"feeds_left_out": True})],
    ),
    "onnx-xnnpack.left-with-its-operator": (
        [
            (unary("DequantizeLinear"), {"feeds_left_out": True}),
            (unary("Relu"), {"reads_left_out": True}),
        ],
        [
            (unary("DequantizeLinear"), {"reads_left_out": True}),
            (unary("QuantizeLinear"), {"feeds_left_out": True}),
            (unary("Resize"), {"reads_left_out": True}),
        ],
    ),
    "onnx-cpu.products-cut-at-16-bits": (
        [(QDQ_CONVOLUTION, {"stays_float": False})],
        [
            (QDQ_CONVOLUTION, {"stays_float": True}),
            (dense("Conv"), {"stays_float": False}),
            (dequantized(reading(dense("Conv"), stored("uint8")), "uint8"), {"stays_float": False}),
            (dequantized(reading(dense("Conv"), stored("int8")), "int8"), {"stays_float": False}),
            (
                dequantized(reading(depthwise("Conv"), stored("int8")), "uint8"),
                {"stays_float": False},
            ),
        ],
    ),
    "onnx-cpu.stays-float": (
        [(unary("ReduceMean"), {"stays_float": True})],
        [(unary("ReduceMean"), {"stays_float": False}), (unary("ReduceMean"), {})],
    ),
}
"""Rules about facts that only the whole file tells."""
