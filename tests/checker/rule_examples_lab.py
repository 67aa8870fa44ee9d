"""For each rule about devices of the lab but the Ethos-U: operators that it speaks about, and some that it does not."""

from dataclasses import replace

from tests.checker.operator_builders import (
    dense,
    depthwise,
    dequantized,
    geometry,
    giving,
    operator,
    reading,
    stored,
)
from tests.checker.rule_examples_ethos import argmax
from tests.checker.tflite_operators import INT8, MAP


def shared(like, readers):
    """Return an operator whose first input so many operators read."""
    return replace(like, inputs=(replace(like.inputs[0], readers=readers), *like.inputs[1:]))


def corners(coordinates, mode="linear"):
    """Return a Resize to twice the size."""
    how = {"coordinate_transformation_mode": coordinates, "mode": mode}
    return operator("Resize", before=(1, 64, 8, 8), after=(1, 64, 16, 16), attributes=how)


def reshaped(columns):
    """Return a Reshape of 32 rows to a map of 128 channels."""
    return operator("Reshape", before=(1, 32, columns), after=(1, 128, columns // 4, 1))


def stacked(shape):
    """Return a ReduceSum along the first axis."""
    axis = replace(stored("int64", (1,)), values=(0,))
    return reading(operator("ReduceSum", before=shape), axis)


def wide(rate, channels=256, before=(1, 256, 8, 8)):
    """Return a depthwise convolution of a small map."""
    like = depthwise("Conv", rate=rate, before=before)
    return geometry(like, channels=channels, groups=channels)


NORMALIZED = operator("InstanceNormalization")

LAB_EXAMPLES = {
    "openvino-cpu.unknown-operator": (
        [operator("NoSuchThing", version=None)],
        [operator("Relu"), operator("Own", version=None, domain="local")],
    ),
    "openvino-cpu.unread-setting": (
        [
            operator(
                "Resize", attributes={"coordinate_transformation_mode": "half_pixel_symmetric"}
            ),
            operator("Pad", attributes={"mode": "wrap"}),
        ],
        [operator("Resize"), operator("Pad", attributes={"mode": "reflect"})],
    ),
    "openvino-cpu.dilated-depthwise": (
        [depthwise("Conv", rate=12)],
        [depthwise("Conv"), dense("Conv", rate=12)],
    ),
    "openvino-cpu-tflite.quantized-tile": (
        [operator("TILE", **INT8), operator("TILE", dtype="uint8")],
        [operator("TILE"), operator("PAD", **INT8)],
    ),
    "openvino-cpu-tflite.stored-apart": (
        [reading(dense("CONV_2D"), replace(stored("int8", (64, 3, 3, 64)), apart=True))],
        [reading(dense("CONV_2D"), stored("int8", (64, 3, 3, 64)))],
    ),
    "litert-gpu.int64": (
        [giving(argmax(11), dtype="int64"), operator("CAST", dtype="int64")],
        [argmax(11), operator("CAST", dtype="int32")],
    ),
    "litert-gpu.no-kernel": (
        [operator("BROADCAST_TO"), operator("SQUEEZE"), operator("L2_POOL_2D")],
        [operator("TILE"), operator("RESHAPE"), operator("ARG_MAX", before=(1, 8, 8, 12))],
    ),
    "litert-gpu.softmax": (
        [operator("SOFTMAX", attributes={"beta": 0.5})],
        [operator("SOFTMAX", attributes={"beta": 1.0}), operator("LOGISTIC")],
    ),
    "litert-gpu.mirror": (
        [operator("MIRROR_PAD", attributes={"mode": 1})],
        [operator("MIRROR_PAD", attributes={"mode": 0}), operator("PAD")],
    ),
    "litert-gpu.largest-of-integers": (
        [operator("TOPK_V2", version=2)],
        [operator("TOPK_V2", version=1), operator("ABS", version=2)],
    ),
    "litert-gpu.product-of-rows": (
        [operator("FULLY_CONNECTED", dtype="int8", attributes={"keep_num_dims": False})],
        [
            operator("FULLY_CONNECTED", dtype="int8", attributes={"keep_num_dims": True}),
            operator("FULLY_CONNECTED", attributes={"keep_num_dims": False}),
            operator(
                "FULLY_CONNECTED",
                dtype="int8",
                before=(1, 64),
                attributes={"keep_num_dims": False},
            ),
        ],
    ),
    "litert-gpu.five-axes": (
        [
            operator("SUM", before=(4, 1, 8, 8, 64), after=(1, 8, 8, 64)),
            operator("RESHAPE", before=(4, 8, 8, 64), after=(4, 1, 8, 8, 64)),
        ],
        [operator("RESHAPE", before=(1, 8, 8, 64), after=(1, 64, 64))],
    ),
    "litert-gpu.argmax-of-padded-classes": (
        [argmax(11), argmax(21, "float32")],
        [argmax(12), giving(argmax(11), dtype="int64"), operator("ADD", before=(1, 8, 8, 11))],
    ),
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
}

CHANNELS_FIRST = operator("TRANSPOSE", before=(1, 23, 30, 320), after=(1, 320, 23, 30), **INT8)
INSIDE = {"reads_file_input": False, "result_read": True}

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


LAB_GRAPH_EXAMPLES = {
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
    **dict.fromkeys(
        ("litert-gpu.one-part", "tflite-gpu.one-part"),
        (
            [(operator("ADD"), {"outside_largest_part": True})],
            [(operator("ADD"), {"outside_largest_part": False}), (operator("ADD"), {})],
        ),
    ),
    "openvino-cpu-tflite.quantized-transpose": (
        [(CHANNELS_FIRST, INSIDE)],
        [
            (CHANNELS_FIRST, {**INSIDE, "reads_file_input": True}),
            (CHANNELS_FIRST, {**INSIDE, "result_read": False}),
            (operator("TRANSPOSE", before=(1, 23, 30, 320), after=(1, 320, 23, 30)), INSIDE),
            (operator("TRANSPOSE", before=(24, 15, 2, 64), after=(2, 24, 15, 64), **INT8), INSIDE),
        ],
    ),
    "rknn.opset": (
        [(operator("Relu"), {"opset": 20})],
        [(operator("Relu"), {"opset": 19}), (operator("Relu"), {})],
    ),
}
"""Rules about facts that only the whole file tells."""
