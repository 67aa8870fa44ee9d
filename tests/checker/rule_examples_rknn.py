"""For each rule about Rockchip's NPUs: operators that it speaks about, and some that it does not."""

from dataclasses import replace

from tests.checker.operator_builders import (
    computed,
    dense,
    depthwise,
    dequantized,
    geometry,
    giving,
    operator,
    reading,
    stored,
)
from tests.checker.tflite_operators import MAP


def wide(rate, channels=256, before=(1, 256, 8, 8)):
    """Return a depthwise convolution of a small map."""
    like = depthwise("Conv", rate=rate, before=before)
    return geometry(like, channels=channels, groups=channels)


def shared(like, readers):
    """Return an operator whose first input so many operators read."""
    return replace(like, inputs=(replace(like.inputs[0], readers=readers), *like.inputs[1:]))


def corners(coordinates, mode="linear", after=(1, 64, 16, 16)):
    """Return a Resize, to twice the size unless said."""
    how = {"coordinate_transformation_mode": coordinates, "mode": mode}
    return operator("Resize", before=(1, 64, 8, 8), after=after, attributes=how)


def reshaped(columns):
    """Return a Reshape of 32 rows to a map of 128 channels."""
    return operator("Reshape", before=(1, 32, columns), after=(1, 128, columns // 4, 1))


def stacked(shape):
    """Return a ReduceSum along the first axis."""
    axis = replace(stored("int64", (1,)), values=(0,))
    return reading(operator("ReduceSum", before=shape), axis)


def pool(kind, **attributes):
    """Return a pool of 3x3 windows with further settings."""
    return operator(kind, attributes={"kernel_shape": (3, 3), **attributes})


def sliced(steps, after=(1, 64, 32, 32)):
    """Return a Slice by these steps."""
    rest = [stored("int64", (len(steps),)) for _ in range(4)]
    rest[-1] = replace(rest[-1], values=steps)
    return reading(operator("Slice", after=after), *rest)


RKNN_EXAMPLES = {
    "rknn.float-of-integers": (
        [operator("Cast", dtype="uint8"), operator("Cast", dtype="int8")],
        [operator("Cast", dtype="int64"), operator("DequantizeLinear", dtype="uint8")],
    ),
    "rknn.argmax": ([operator("ArgMax")], [operator("Conv")]),
    "rknn.on-the-processor": (
        [operator("Erf"), operator("Tile", dtype="int8"), operator("LogSoftmax")],
        [operator("Softmax"), operator("Max"), operator("Relu")],
    ),
    "rknn.greater-and-sine": (
        [(operator("Greater"), "rk3588"), (operator("Sin"), "rk3566")],
        [(operator("Greater"), "rk3576"), (operator("Less"), "rk3588")],
    ),
    "rknn.concat-of-whole-numbers": (
        [
            operator("Concat", dtype="int32", before=MAP),
            operator("Concat", dtype="int64", before=MAP),
        ],
        [operator("Concat", before=MAP), operator("Concat", dtype="int64", before=(4,))],
    ),
    "rknn.cast-of-64-bits": ([operator("Cast", dtype="int64")], [operator("Cast")]),
    "rknn.resize-corners": (
        [corners("align_corners")],
        [corners("half_pixel"), corners("align_corners", mode="nearest")],
    ),
    "rknn.reshape-to-map": (
        [
            (dequantized(reshaped(4096), "int8"), "rk3566"),
            (reshaped(1024), "rk3568"),
        ],
        [
            (reshaped(4096), "rk3566"),
            (operator("Reshape", before=(1, 128, 4, 4), after=(1, 32, 64)), "rk3566"),
            reshaped(1024),
        ],
    ),
    "rknn.summed-extent": (
        [(stacked((4, 1, 128, 32, 32)), "rk3588"), (stacked((2, 1, 128, 32, 32)), "rk3588")],
        [
            (stacked((4, 1, 128, 32, 31)), "rk3588"),
            (stacked((4, 1, 128, 32, 32)), "rk3576"),
            (dequantized(stacked((4, 1, 128, 32, 32)), "int8"), "rk3588"),
        ],
    ),
    "rknn.wide-rate": (
        [(wide(24), "rk3576"), (wide(18), "rk3576")],
        [
            wide(24),
            (wide(12), "rk3576"),
            (wide(24, channels=64), "rk3576"),
            (wide(24, before=(1, 256, 32, 32)), "rk3576"),
            (dense("Conv", rate=24, before=(1, 256, 8, 8)), "rk3576"),
        ],
    ),
    "rknn.padded-channels": (
        [shared(operator("Pad", after=(1, 65, 32, 32)), 3)],
        [
            shared(operator("Pad", after=(1, 65, 32, 32)), 1),
            shared(operator("Pad", after=(1, 64, 33, 33)), 3),
            shared(operator("Concat", after=(1, 65, 32, 32)), 3),
        ],
    ),
    "rknn.uncounted-border": (
        [
            pool("AveragePool", pads=(1, 1, 1, 1)),
            pool("AveragePool", auto_pad="SAME_UPPER"),
            pool("AveragePool", ceil_mode=1),
        ],
        [
            pool("AveragePool"),
            pool("AveragePool", pads=(0, 0, 0, 0)),
            pool("AveragePool", pads=(1, 1, 1, 1), count_include_pad=1),
            pool("MaxPool", pads=(1, 1, 1, 1)),
            (pool("AveragePool", pads=(1, 1, 1, 1)), "rk3576"),
        ],
    ),
    "rknn.int8-quotient": (
        [dequantized(reading(operator("Div"), computed()), "int8")],
        [
            reading(operator("Div"), computed()),
            dequantized(reading(operator("Div"), stored()), "int8"),
        ],
    ),
    "rknn.int8-root": ([dequantized(operator("Sqrt"), "uint8")], [operator("Sqrt")]),
    "rknn.stored-maximum": (
        [reading(operator("Max"), stored())],
        [reading(operator("Max"), computed()), reading(operator("Mul"), stored())],
    ),
    "rknn.computed-power": (
        [reading(operator("Pow"), computed())],
        [reading(operator("Pow"), stored())],
    ),
    "rknn.pad-wrap": (
        [operator("Pad", attributes={"mode": "wrap"})],
        [operator("Pad", attributes={"mode": "edge"})],
    ),
    "rknn.slice-steps": (
        [sliced((2, 2), after=(1, 64, 16, 16))],
        [sliced((1, 1), after=(1, 64, 16, 16)), sliced((-1,))],
    ),
    "rknn.resize-uneven": (
        [
            corners("half_pixel", mode="linear", after=(1, 64, 12, 12)),
            corners("tf_crop_and_resize"),
        ],
        [corners("tf_crop_and_resize", mode="nearest"), corners("half_pixel", after=(1, 64, 4, 4))],
    ),
    "rknn.resize-symmetric": (
        [corners("half_pixel_symmetric"), corners("half_pixel_symmetric", mode="cubic")],
        [
            corners("half_pixel_symmetric", mode="nearest"),
            (corners("half_pixel_symmetric"), "rk3566"),
        ],
    ),
    "rknn.resize-cubic": (
        [corners("half_pixel", mode="cubic"), corners("align_corners", mode="cubic")],
        [corners("half_pixel"), corners("tf_crop_and_resize", mode="cubic")],
    ),
    "rknn.pool-gaps": ([pool("MaxPool", dilations=(2, 2))], [pool("MaxPool")]),
    "rknn.wide-int8-maximum": (
        [
            dequantized(pool("MaxPool", kernel_shape=(24, 32)), "int8"),
            dequantized(operator("GlobalMaxPool"), "uint8"),
        ],
        [
            pool("MaxPool", kernel_shape=(24, 32)),
            dequantized(pool("MaxPool", kernel_shape=(13, 13)), "int8"),
            operator("GlobalMaxPool"),
            dequantized(operator("GlobalMaxPool", before=(1, 64, 8, 8)), "int8"),
        ],
    ),
    "rknn.cast-to-int32": (
        [giving(operator("Cast"), dtype="int32")],
        [
            giving(operator("Cast"), dtype="float16"),
            giving(operator("Cast", dtype="int64"), dtype="int32"),
        ],
    ),
    "rknn.gather-one": (
        [operator("Gather", after=(1, 32, 32))],
        [operator("Gather", after=(1, 3, 32, 32))],
    ),
    "rknn.norm-without-bias": (
        [reading(operator("LayerNormalization"), stored(shape=(32,)))],
        [reading(operator("LayerNormalization"), stored(), stored())],
    ),
    "rknn.pad-without-constant": (
        [reading(operator("Pad"), stored("int64", (8,)))],
        [reading(operator("Pad"), stored("int64", (8,)), stored(shape=()))],
    ),
}

TRANSPOSE, RESHAPE = operator("Transpose"), operator("Reshape")
LONG = operator("Transpose", after=(2, 24, 15, 1152))
WHOLE, RESIZED = {"phases_resized": False}, {"phases_resized": True}
ALONE, SHARED = {"phases_shared": False}, {"phases_shared": True}
OF_TILES, ODD = {"phases_of_tiles": True}, {"phases_of_tiles": False}


def move(step, *more, chip="RK3588"):
    """Return what is known of a move of phases on a chip."""
    return {"chip": chip, "phase_move": step, **{k: v for facts in more for k, v in facts.items()}}


def on_66(step, *more):
    """Return what is known of a move of phases on the RK3566."""
    return move(step, *more, chip="RK3566")


RKNN_GRAPH_EXAMPLES = {
    "rknn.opset": (
        [(operator("Relu"), {"opset": 20})],
        [(operator("Relu"), {"opset": 19}), (operator("Relu"), {})],
    ),
    "rknn.transpose": (
        [
            (TRANSPOSE, on_66("none")),
            (TRANSPOSE, move("none", chip="RK3568")),
            (TRANSPOSE, on_66("cut-5", ALONE, WHOLE)),
            (TRANSPOSE, on_66("cut-1", SHARED)),
            (TRANSPOSE, on_66("interlace-7", RESIZED)),
        ],
        [
            (TRANSPOSE, move("none")),
            (RESHAPE, on_66("none")),
            (TRANSPOSE, on_66("cut-1", ALONE)),
            (TRANSPOSE, on_66("cut-3", SHARED)),
            (TRANSPOSE, on_66("interlace-7", WHOLE)),
        ],
    ),
    "rknn.reshape-of-phases": (
        [
            (RESHAPE, on_66("interlace-2", WHOLE)),
            (RESHAPE, on_66("cut-4", ALONE)),
            (RESHAPE, on_66("cut-6", SHARED)),
            (RESHAPE, move("cut-4", ALONE, ODD)),
            (RESHAPE, move("interlace-6", WHOLE, ODD)),
        ],
        [
            (RESHAPE, on_66("none")),
            (RESHAPE, on_66("cut-4", SHARED)),
            (RESHAPE, on_66("cut-6", ALONE)),
            (RESHAPE, move("cut-4", ALONE, OF_TILES)),
            (RESHAPE, move("interlace-6", RESIZED, ODD)),
            (RESHAPE, move("interlace-2", chip="RK3576")),
        ],
    ),
    "rknn.long-lines": (
        [
            (LONG, move("cut-5", ALONE)),
            (LONG, move("interlace-3", RESIZED)),
            (operator("Transpose", after=(1, 552, 23, 30)), move("interlace-7", RESIZED)),
        ],
        [
            (LONG, move("cut-5", SHARED)),
            (LONG, move("interlace-3", WHOLE)),
            (LONG, move("none")),
            (operator("Transpose", after=(1, 544, 23, 30)), move("interlace-7", RESIZED)),
            (operator("Transpose", after=(2, 24, 15, 512)), move("cut-5", ALONE)),
        ],
    ),
}
