"""For each rule about LiteRT's GPU and OpenVINO: operators that it speaks about, and some that it does not."""

from dataclasses import replace

from tests.checker.operator_builders import (
    dense,
    depthwise,
    giving,
    operator,
    reading,
    stored,
)
from tests.checker.rule_examples_ethos import argmax
from tests.checker.tflite_operators import INT8

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
}

CHANNELS_FIRST = operator("TRANSPOSE", before=(1, 23, 30, 320), after=(1, 320, 23, 30), **INT8)
INSIDE = {"reads_file_input": False, "result_read": True}

LAB_GRAPH_EXAMPLES = {
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
}
"""Rules about facts that only the whole file tells."""
