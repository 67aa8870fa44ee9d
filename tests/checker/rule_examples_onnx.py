"""For each rule about ONNX Runtime: operators that it speaks about, and some beside them that it does not."""

from dataclasses import replace

from edge_deeplab.formats.graph import TensorSpec
from tests.checker.operator_builders import (
    computed,
    dense,
    depthwise,
    dequantized,
    geometry,
    giving,
    operator,
    reading,
    settings,
    stored,
)

SIZES, NO_SCALES = stored("int64", (4,)), None
SMALL, TWICE = (1, 64, 16, 16), (1, 64, 32, 32)
COMPUTED_SIZES = TensorSpec("sizes", "int64", (4,))


def conv(weight="float32", **options):
    """Return a dense Conv with weight and bias."""
    return reading(dense("Conv", **options), stored(weight), stored(shape=(64,)))


def dw(**options):
    """Return a depthwise Conv with weight and bias."""
    return reading(depthwise("Conv", **options), stored(), stored(shape=(64,)))


def resize(mode="linear", *, sizes=SIZES, scales=NO_SCALES, before=SMALL, after=TWICE, **rest):
    """Return a Resize by sizes that stand in the file."""
    dtype = rest.pop("dtype", "float32")
    like = operator("Resize", dtype=dtype, before=before, after=after, attributes={"mode": mode})
    return reading(settings(like, **rest), None, scales, *([sizes] if sizes else []))


def cast(dtype):
    """Return an ArgMax that a Cast alone reads."""
    like = operator("ArgMax", attributes={"select_last_index": 0})
    return replace(like, outputs=(replace(like.outputs[0], cast_to=dtype, readers=1),))


def read_by(like, count):
    """Return an operator whose output several operators read."""
    return replace(like, outputs=(replace(like.outputs[0], readers=count),))


def unpacked(dtype, shape=(64,)):
    """Return a value that stands in the file behind a dequantize."""
    return replace(stored(dtype, shape), read_as="float32")


def coordinates(name):
    return {"coordinate_transformation_mode": name}


BY_SCALES = {"sizes": None, "scales": stored(shape=(4,))}
NOT_LINEAR = [
    resize(before=(1, 64, 16), after=(1, 64, 32)),
    resize(sizes=COMPUTED_SIZES),
    resize(antialias=1),
    resize(**coordinates("tf_crop_and_resize")),
]
"""Resizes that several providers refuse for one reason: axes, computed size, smoothing, sampling."""

NESTED = ([replace(operator("Relu"), nested=True)], [operator("Relu")])

ONNX_EXAMPLES = {
    "onnx-coreml.nested": NESTED,
    "onnx-nnapi.nested": NESTED,
    "onnx-xnnpack.uint8-with-int8-weights": (
        [dequantized(conv("int8"), "uint8")],
        [dequantized(conv("int8"), "int8"), dequantized(conv("uint8"), "uint8"), conv()],
    ),
    "onnx-xnnpack.convolution-type": ([conv(dtype="float16")], [conv()]),
    "onnx-xnnpack.convolution-constants": (
        [
            reading(dense("Conv"), computed()),
            conv(before=(1, 64, 32)),
            conv(before=(1, 64, None, 32)),
        ],
        [conv(), conv(before=(None, 64, 32, 32))],
    ),
    "onnx-xnnpack.resize": (
        [
            resize("nearest"),
            *NOT_LINEAR,
            resize(after=(1, 64, 1, 2), **coordinates("pytorch_half_pixel")),
            resize(after=(1, 64, 2, 1), **coordinates("pytorch_half_pixel")),
        ],
        [
            resize(),
            resize(**coordinates("asymmetric")),
            resize(**coordinates("pytorch_half_pixel")),
        ],
    ),
    "onnx-xnnpack.average-pool-type": (
        [dequantized(operator("AveragePool"), "int8")],
        [operator("AveragePool"), dequantized(operator("AveragePool"), "uint8")],
    ),
    "onnx-xnnpack.unlisted-operator": (
        [operator("ArgMax"), operator("Add"), operator("QLinearAveragePool")],
        [conv(), operator("Clip")],
    ),
    "onnx-xnnpack.fused": (
        [operator("QuantizeLinear"), operator("Clip")],
        [operator("Softmax"), conv()],
    ),
    "onnx-xnnpack.dilated": ([dw(rate=12)], [dw()]),
    "onnx-nnapi.hard-swish": ([operator("HardSwish")], [operator("Relu")]),
    "onnx-nnapi.hard-sigmoid": ([operator("HardSigmoid")], [operator("Sigmoid")]),
    "onnx-nnapi.argmax": ([operator("ArgMax")], [operator("Max")]),
    "onnx-nnapi.dilated-grouped": (
        [geometry(conv(rate=2), groups=4)],
        [dw(rate=2), conv(rate=2), geometry(conv(), groups=4)],
    ),
    "onnx-nnapi.convolution-constants": (
        [
            reading(dense("Conv"), computed()),
            reading(dense("Conv"), unpacked("int8", (64, 64, 3, 3))),
            reading(dequantized(dense("Conv"), "uint8"), stored("uint8"), computed(shape=(64,))),
            conv(before=(1, 64, 32)),
        ],
        [
            conv(),
            reading(dense("Conv"), stored(), computed(shape=(64,))),
            reading(dequantized(dense("Conv"), "uint8"), unpacked("uint8", (64, 64, 3, 3))),
        ],
    ),
    "onnx-nnapi.int8-values": (
        [dequantized(conv("int8"), "int8"), resize(dtype="int8")],
        [dequantized(conv("int8"), "uint8"), conv()],
    ),
    "onnx-nnapi.element-type": (
        [conv(dtype="float16"), operator("Relu", dtype="float64")],
        [conv(), operator("Reshape", dtype="float16")],
    ),
    "onnx-nnapi.open-size": (
        [operator("Relu", before=(1, 64, None, 32))],
        [operator("Relu"), operator("Relu", before=None)],
    ),
    "onnx-nnapi.resize": (
        [
            resize("cubic"),
            *NOT_LINEAR,
            resize("nearest", nearest_mode="floor"),
            resize("nearest", **coordinates("asymmetric")),
        ],
        [resize(), resize("nearest", nearest_mode="floor", **coordinates("asymmetric"))],
    ),
    "onnx-nnapi.unlisted-operator": ([operator("GridSample")], [operator("Add")]),
    "onnx-nnapi.dilated": ([dw(rate=6)], [dw()]),
    "onnx-nnapi.resize-sampling": (
        [resize(), resize(**coordinates("align_corners"))],
        [resize(**coordinates("asymmetric"))],
    ),
    "onnx-coreml.quantized": (
        [operator("QuantizeLinear"), operator("DequantizeLinear")],
        [operator("Relu")],
    ),
    "onnx-coreml.convolution-bias": (
        [
            reading(dense("Conv"), stored(), computed(shape=(64,))),
            reading(dense("Conv"), stored(), unpacked("int32")),
        ],
        [
            conv(),
            conv("int8"),
            reading(dense("Conv"), computed(), stored(shape=(64,))),
            reading(dense("Conv"), unpacked("int8", (64, 64, 3, 3)), stored(shape=(64,))),
            reading(dense("Conv"), stored()),
        ],
    ),
    "onnx-coreml.transposed-convolution": (
        [reading(dense("ConvTranspose"), computed())],
        [reading(dense("ConvTranspose"), stored()), reading(dense("Conv"), computed())],
    ),
    "onnx-coreml.hard-swish": ([operator("HardSwish")], [operator("HardSigmoid")]),
    "onnx-coreml.argmax": (
        [
            read_by(operator("ArgMax"), 0),
            read_by(operator("ArgMax"), 2),
            cast("int64"),
            settings(cast("int32"), select_last_index=1),
        ],
        [cast("int32"), read_by(operator("ArgMax"), 1), operator("ReduceMax")],
    ),
    "onnx-coreml.pooling": (
        [
            operator("MaxPool", attributes={"dilations": (2, 2)}),
            operator("AveragePool", before=(1, 64, 32)),
            replace(operator("MaxPool"), outputs=(stored(), stored("int64"))),
        ],
        [
            operator("AveragePool", attributes={"ceil_mode": 1}),
            operator("MaxPool", attributes={"dilations": (1, 1)}),
        ],
    ),
    "onnx-coreml.resize": (
        [
            resize("cubic"),
            resize(before=(16, 16), after=(32, 32)),
            *NOT_LINEAR[1:],
            resize(**BY_SCALES, **coordinates("asymmetric")),
            resize(after=(1, 64, 1, 2), **coordinates("pytorch_half_pixel")),
            resize(after=(1, 64, 2, 1), **coordinates("pytorch_half_pixel")),
            resize("nearest", nearest_mode="floor"),
            resize("nearest", **coordinates("asymmetric")),
        ],
        [
            resize(),
            resize(before=(1, 64, 16), after=(1, 64, 32)),
            resize(**coordinates("asymmetric")),
            resize(**coordinates("pytorch_half_pixel")),
            resize("nearest", nearest_mode="floor", **coordinates("asymmetric")),
            resize(**BY_SCALES),
        ],
    ),
    "onnx-coreml.resize-ratio": (
        [
            resize(after=(1, 64, 33, 32), **BY_SCALES),
            resize(after=(1, 64, 32, 8), **BY_SCALES),
            resize(after=(1, 64, 7, 8), **BY_SCALES),
        ],
        [
            resize(**BY_SCALES),
            resize(after=(1, 64, 8, 4), **BY_SCALES),
            resize(after=(1, 64, 33, 32)),
        ],
    ),
    "onnx-coreml.element-type": (
        [operator("Add", dtype="uint8")],
        [operator("Add"), operator("Add", dtype="float16")],
    ),
    "onnx-coreml.unlisted-operator": ([operator("Where")], [operator("Add")]),
    "onnx-coreml.dilated": ([dw(rate=12)], [dw()]),
    "onnx-webgpu.quantize": (
        [operator("QuantizeLinear"), operator("QLinearConv")],
        [operator("DequantizeLinear")],
    ),
    "onnx-webgpu.cast-of-64-bits": (
        [operator("Cast", dtype="int64"), giving(operator("Cast"), dtype="int64")],
        [operator("Cast"), operator("ArgMax", dtype="int64")],
    ),
    "onnx-webgpu.hard-swish": ([operator("HardSwish")], [operator("HardSigmoid")]),
    "onnx-webgpu.clip-type": ([operator("Clip", dtype="int8")], [operator("Clip")]),
    "onnx-webgpu.grid-sample": (
        [operator("GridSample", version=20)],
        [operator("GridSample", version=16)],
    ),
    "onnx-webgpu.unlisted-operator": (
        [operator("NonMaxSuppression")],
        [operator("ArgMax"), operator("TopK"), operator("GridSample", version=16), conv()],
    ),
}
