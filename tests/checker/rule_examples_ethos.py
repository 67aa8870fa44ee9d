"""For each rule about Arm's Ethos-U: operators that it speaks about, and some that it does not."""

from dataclasses import replace

from edge_deeplab.formats.graph import TensorQuantization
from tests.checker.operator_builders import (
    computed,
    dense,
    depthwise,
    giving,
    operator,
    reading,
    settings,
    stored,
)
from tests.checker.tflite_operators import INT8, MAP, TWICE, mean, padded, pool, resize

FOURFOLD, WIDER = (1, 64, 64, 64), (1, 32, 48, 64)


def quantized(like, *scales):
    """Return an operator whose values have these smallest and largest scales, the last for all that remain."""
    told = iter(scales)
    last = scales[-1]

    def one(spec):
        pair = next(told, last)
        return replace(
            spec, quantization=TensorQuantization(pair, (0, 0), 1 + (pair[0] != pair[1]))
        )

    return replace(
        like,
        inputs=tuple(spec and one(spec) for spec in like.inputs),
        outputs=tuple(one(spec) for spec in like.outputs),
    )


def conv(kind="CONV_2D", *, bias=None, weight="int8", **options):
    """Return an int8 convolution with weight and bias."""
    build = depthwise if kind == "DEPTHWISE_CONV_2D" else dense
    like = build(kind, dtype="int8", **options)
    return reading(like, stored(weight), bias or stored("int32", (64,)))


def dw(**options):
    """Return an int8 depthwise convolution with weight and bias."""
    return conv("DEPTHWISE_CONV_2D", **options)


def transpose(shape, order):
    """Return an int8 TRANSPOSE by an order that stands in the file."""
    axes = replace(stored("int32", (len(order),)), values=order)
    return quantized(reading(operator("TRANSPOSE", dtype="int8", before=shape), axes), (0.1, 0.1))


def summed(shape, axes, dtype="int8"):
    """Return a SUM along axes that stand in the file."""
    stored_axes = replace(stored("int32", (len(axes),)), values=axes)
    return quantized(reading(operator("SUM", dtype=dtype, before=shape), stored_axes), (0.1, 0.1))


def argmax(depth, dtype="int8"):
    """Return an ARG_MAX over so many classes."""
    return operator("ARG_MAX", dtype=dtype, before=(1, 8, 8, depth), after=(1, 8, 8))


JOINED = quantized(operator("CONCATENATION", **INT8), (0.1, 0.1))

ETHOS_EXAMPLES = {
    "ethos.copied-parts": (
        [JOINED],
        [
            operator("CONCATENATION"),
            quantized(operator("CONCATENATION", before=(1, 64), **INT8), (0.1, 0.1)),
            (JOINED, "u65-512"),
        ],
    ),
    "ethos.8-bits-demanded": (
        [argmax(11, "float32"), operator("HARD_SWISH")],
        [argmax(11), operator("HARD_SWISH", **INT8), operator("ADD")],
    ),
    "ethos.no-integers": (
        [
            operator("ADD"),
            operator("CONV_2D", dtype="float16"),
            (giving(operator("CAST", dtype="int8"), dtype="float32"), "u85-512"),
        ],
        [
            operator("ADD", **INT8),
            operator("ADD", dtype="uint8"),
            (giving(operator("CAST", dtype="int8"), dtype="int32"), "u85-512"),
        ],
    ),
    "ethos.resize-factor": (
        [
            resize(after=FOURFOLD, centres=True, **INT8),
            resize(after=WIDER, **INT8),
            resize("RESIZE_NEAREST_NEIGHBOR", after=(1, 48, 48, 64), **INT8),
            resize(after=(1, 256, 256, 64), corners=True, **INT8),
        ],
        [
            resize(after=TWICE, centres=True, **INT8),
            resize(after=FOURFOLD, **INT8),
            resize(after=(1, 61, 61, 64), corners=True, **INT8),
            resize(before=(1, 1, 1, 64), after=FOURFOLD, centres=True, **INT8),
            resize(after=MAP, centres=True, **INT8),
        ],
    ),
    "ethos.resize-factor-u85": (
        [
            (resize(after=(1, 48, 48, 64), **INT8), "u85-512"),
            (resize(after=(1, 32, 40, 64), **INT8), "u85-256"),
        ],
        [
            (resize(after=FOURFOLD, centres=True, **INT8), "u85-512"),
            (resize(after=(1, 32, 64, 64), centres=True, **INT8), "u85-512"),
            (resize("RESIZE_NEAREST_NEIGHBOR", after=(1, 48, 48, 64), **INT8), "u85-512"),
        ],
    ),
    "ethos.32-bit": (
        [operator("CONCATENATION", dtype="int32"), operator("PAD", dtype="int32")],
        [
            operator("CONCATENATION", **INT8),
            argmax(11),
            operator("ADD", dtype="int32"),
            (operator("CONCATENATION", dtype="int32"), "u85-512"),
        ],
    ),
    "ethos.64-bit": (
        [operator("CONCATENATION", dtype="int64")],
        [operator("ARG_MAX", dtype="int64"), (operator("CONCATENATION", dtype="int64"), "u85-512")],
    ),
    "ethos.types-of-operator": (
        [
            operator("ELU", dtype="int16"),
            operator("GELU", dtype="int16"),
            operator("LOG", dtype="uint8"),
        ],
        [
            operator("ELU", **INT8),
            operator("LOG", dtype="int16"),
            (operator("ELU", dtype="int16"), "u85-512"),
        ],
    ),
    "ethos.pool-window": (
        [
            pool(window=(257, 1), **INT8),
            pool(window=(256, 257), **INT8),
            pool("MAX_POOL_2D", window=(257, 1), padding="SAME", **INT8),
            pool("MAX_POOL_2D", window=(256, 257), **INT8),
        ],
        [pool(window=(256, 256), **INT8), pool("MAX_POOL_2D", window=(1, 257), **INT8)],
    ),
    "ethos.resize-flags": (
        [(resize(after=(1, 61, 61, 64), corners=True, centres=True, **INT8), "u85-512")],
        [(resize(corners=True, **INT8), "u85-512"), (resize(centres=True, **INT8), "u85-512")],
    ),
    "ethos.transposed-extent": (
        [
            transpose((1, 12, 2, 34560), (2, 0, 1, 3)),
            transpose((1, 1, 70000, 2, 2), (0, 2, 1, 3, 4)),
        ],
        [
            transpose((24, 15, 2, 1152), (2, 0, 1, 3)),
            transpose((1, 12, 2, 34560), (0, 2, 1, 3)),
            (transpose((1, 12, 2, 34560), (2, 0, 1, 3)), "u85-512"),
        ],
    ),
    "ethos.summed-extent": (
        [
            summed((4, 1, 128, 32, 32), (0,)),
            summed((300, 256, 8, 16), (2,)),
            summed((2, 3, 300, 256), (1, 0)),
            summed((300, 256, 2, 3), (-2,)),
            (summed((4, 1, 128, 32, 32), (0,)), "u65-512"),
        ],
        [
            summed((4, 64, 32, 32), (0,)),
            summed((300, 256, 8, 16), (3,)),
            summed((2, 3, 300, 256), (2, 0)),
            (summed((4, 1, 128, 32, 32), (0,)), "u85-512"),
            summed((4, 1, 128, 32, 32), (0,), "float32"),
        ],
    ),
    "ethos.comparison": (
        [operator("EQUAL", dtype="int8"), (operator("LESS", dtype="int8"), "u65-512")],
        [(operator("EQUAL", dtype="int8"), "u85-512"), operator("MAXIMUM", dtype="int8")],
    ),
    "ethos.reverse": (
        [operator("REVERSE_V2", dtype="int8")],
        [(operator("REVERSE_V2", dtype="int8"), "u85-512"), operator("SLICE", dtype="int8")],
    ),
    "ethos.gather": (
        [(operator("GATHER", dtype="int8", attributes={"axis": 1, "batch_dims": 0}), "u85-512")],
        [
            (operator("GATHER", dtype="int8", attributes={"axis": 1, "batch_dims": 1}), "u85-512"),
            (operator("SLICE", dtype="int8"), "u85-512"),
        ],
    ),
    "ethos.stride": (
        [
            settings(conv(stride=4), padding="SAME"),
            settings(conv(stride=4, rate=2), padding="VALID"),
            settings(dw(stride=4), padding="VALID"),
            settings(pool(padding="SAME", **INT8), stride_h=4, stride_w=4),
        ],
        [settings(conv(stride=4), padding="VALID"), conv(stride=3), dw(stride=3)],
    ),
    "ethos.padded-average": (
        [pool(window=(9, 1), padding="SAME", **INT8), pool(window=(1, 9), padding="SAME", **INT8)],
        [pool(window=(9, 9), **INT8), pool(window=(8, 8), padding="SAME", **INT8)],
    ),
    "ethos.batch-of-means": (
        [mean(before=(2, 8, 8, 64), **INT8)],
        [mean(before=MAP, **INT8), operator("ADD", before=(2, 8, 8, 64))],
    ),
    "ethos.mean-of-depth": (
        [operator("MEAN", before=(1, 32, 4, 16), after=(1, 32, 1, 1), **INT8)],
        [
            operator("MEAN", before=(1, 32, 4, 64), after=(1, 1, 1, 64), **INT8),
            operator("MEAN", before=(1, 32), after=(1, 1), **INT8),
        ],
    ),
    "ethos.argmax-depth": ([argmax(128)], [argmax(127)]),
    "ethos.computed-settings": (
        [reading(operator("PAD", **INT8), computed("int32", (4, 2)))],
        [padded()],
    ),
    "ethos.filter": (
        [conv(bias=computed("int32", (64,))), dw(weight="int16")],
        [conv(), dw(), operator("ADD", **INT8)],
    ),
    "ethos.scale-changes-where-it-must-not": (
        [quantized(operator("MAXIMUM", **INT8), (0.1, 0.1), (0.2, 0.2))],
        [
            quantized(operator("MAXIMUM", **INT8), (0.1, 0.1)),
            quantized(operator("ADD", **INT8), (0.1, 0.1), (0.2, 0.2)),
        ],
    ),
    "ethos.one-scale": (
        [quantized(operator("ADD", **INT8), (0.1, 0.2))],
        [
            quantized(operator("ADD", **INT8), (0.1, 0.1)),
            quantized(operator("CONV_2D", **INT8), (0.1, 0.2)),
        ],
    ),
    "ethos.unlisted-operator": (
        [operator("CAST", **INT8), (operator("SPACE_TO_BATCH_ND", **INT8), "u85-512")],
        [operator("ADD", **INT8), (operator("CAST", **INT8), "u85-512")],
    ),
    "ethos.argmax-of-pools": ([argmax(11)], [argmax(11, "float32"), operator("ADD", **INT8)]),
    "ethos.rate-above-2": ([dw(rate=3), conv(rate=12)], [dw(rate=2), conv()]),
}
