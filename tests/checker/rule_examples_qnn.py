"""For each rule about Qualcomm's NPUs through ONNX Runtime: operators that it speaks about, and some beside them."""

from tests.checker.operator_builders import (
    computed,
    dequantized,
    geometry,
    giving,
    operator,
    reading,
    settings,
    stored,
)
from tests.checker.rule_examples_onnx import NESTED, conv, coordinates, read_by, resize


def pad(mode):
    """Return a Pad that fills its border so."""
    return settings(operator("Pad", after=(1, 64, 34, 34)), mode=mode)


def nearest(sampled, rounded):
    """Return a Resize to the nearest pixel."""
    return resize("nearest", nearest_mode=rounded, **coordinates(sampled))


INTEGERS = dequantized(conv("int8"), "uint8")
NORMALIZED = operator("InstanceNormalization")

QNN_EXAMPLES = {
    "onnx-qnn.nested": NESTED,
    "onnx-qnn.resize": (
        [
            resize(before=(1, 64, 16), after=(1, 64, 32)),
            resize(antialias=1),
            resize(**coordinates("half_pixel_symmetric")),
            nearest("asymmetric", "ceil"),
        ],
        [
            resize(),
            resize("cubic"),
            resize(**coordinates("pytorch_half_pixel")),
            nearest("half_pixel", "ceil"),
            nearest("asymmetric", "floor"),
        ],
    ),
    "onnx-qnn.weights-alone": (
        [conv("int8"), conv("int8", before=(1, 64, 8, 8))],
        [INTEGERS, conv(), conv("float16", dtype="float16"), (conv("int8"), "v68")],
    ),
    "onnx-qnn.filled-by-wrapping": ([pad("wrap")], [pad("edge"), operator("Pad")]),
    "onnx-qnn.atrous-pool": (
        [
            settings(operator("MaxPool"), kernel_shape=(3, 3), dilations=(2, 2)),
            settings(operator("ConvTranspose"), dilations=(1, 2)),
        ],
        [
            settings(operator("MaxPool"), kernel_shape=(3, 3)),
            operator("ConvTranspose"),
            conv(rate=2),
        ],
    ),
    "onnx-qnn.no-floats": (
        [(NORMALIZED, "v68"), (operator("HardSigmoid"), "v68")],
        [
            NORMALIZED,
            (operator("HardSigmoid", dtype="float16"), "v68"),
            (dequantized(operator("Elu"), "uint8"), "v68"),
        ],
    ),
    "onnx-qnn.no-float-copies": (
        [
            (pad("reflect"), "v68"),
            (nearest("half_pixel", "ceil"), "v68"),
            (nearest("asymmetric", "floor"), "v68"),
        ],
        [
            pad("reflect"),
            (pad("constant"), "v68"),
            (dequantized(pad("edge"), "uint8"), "v68"),
            (resize(), "v68"),
            (nearest("asymmetric", "ceil"), "v68"),
            nearest("half_pixel", "ceil"),
        ],
    ),
    "onnx-qnn.not-of-v68": (
        [(operator("Selu"), "v68"), (dequantized(operator("Mean"), "uint8"), "v68")],
        [operator("Selu"), (operator("Relu"), "v68")],
    ),
    "onnx-qnn.mish": ([operator("Mish")], [operator("Softplus")]),
    "onnx-qnn.no-float-gather": (
        [(operator("Gather"), "v68")],
        [operator("Gather"), (operator("Gather", after=(1, 32, 32)), "v68")],
    ),
    "onnx-qnn.quantized-instance-norm": (
        [
            dequantized(operator("InstanceNormalization", before=(1, 32, 64)), "int8"),
            (dequantized(NORMALIZED, "uint8"), "v68"),
        ],
        [NORMALIZED, dequantized(NORMALIZED, "int8")],
    ),
    "onnx-qnn.signed-hard-sigmoid": (
        [dequantized(operator("HardSigmoid"), "int8")],
        [operator("HardSigmoid"), dequantized(operator("HardSigmoid"), "uint8")],
    ),
    "onnx-qnn.cast-of-picture": (
        [giving(operator("Cast", dtype="uint8"), dtype="float32")],
        [
            giving(operator("Cast", dtype="uint8"), dtype="float16"),
            giving(operator("Cast", dtype="int32"), dtype="float32"),
        ],
    ),
    "onnx-qnn.float32": ([conv()], [INTEGERS, conv("float16", dtype="float16")]),
    "onnx-qnn.float16-of-v68": (
        [(conv("float16", dtype="float16"), "v68")],
        [conv("float16", dtype="float16"), (conv(), "v68"), (INTEGERS, "v68")],
    ),
    "onnx-qnn.dequantized-output": (
        [read_by(operator("DequantizeLinear"), 0)],
        [read_by(operator("DequantizeLinear"), 1), read_by(operator("Cast"), 0)],
    ),
    "onnx-qnn.depth-multiplier": (
        [geometry(INTEGERS, groups=64, multiplier=2)],
        [geometry(INTEGERS, groups=64), INTEGERS],
    ),
    "onnx-qnn.open-size": (
        [dequantized(conv("int8", before=(1, 64, None, None)), "uint8")],
        [INTEGERS, operator("Relu", before=(1, None))],
    ),
    "onnx-qnn.argmax-last-index": (
        [operator("ArgMax", attributes={"select_last_index": 1})],
        [operator("ArgMax"), operator("ArgMax", attributes={"select_last_index": 0})],
    ),
    "onnx-qnn.unlisted-operator": ([operator("NonMaxSuppression")], [operator("HardSwish")]),
}

_BEHIND_RELU = {"npu": "v68", "follows": "Relu"}

QNN_GRAPH_EXAMPLES = {
    "onnx-qnn.stored-operand": (
        [(reading(operator("Sub"), stored()), _BEHIND_RELU)],
        [
            (reading(operator("Sub"), stored()), {**_BEHIND_RELU, "npu": "v69"}),
            (reading(operator("Sub"), stored()), {**_BEHIND_RELU, "follows": "Conv"}),
            (reading(operator("Sub"), computed()), _BEHIND_RELU),
            (reading(operator("Add"), stored()), _BEHIND_RELU),
            (reading(operator("Sub", dtype="float16"), stored()), _BEHIND_RELU),
        ],
    ),
    "onnx-qnn.quantized-input": (
        [(operator("QuantizeLinear"), {"reads_file_input": True})],
        [
            (operator("QuantizeLinear"), {"reads_file_input": False}),
            (operator("Conv"), {"reads_file_input": True}),
        ],
    ),
    "onnx-qnn.left-with-its-operator": (
        [
            (operator("DequantizeLinear"), {"feeds_left_out": True}),
            (operator("QuantizeLinear"), {"reads_left_out": True}),
        ],
        [
            (operator("DequantizeLinear"), {"reads_left_out": True}),
            (operator("QuantizeLinear"), {"feeds_left_out": True}),
            (operator("Conv"), {"reads_left_out": True}),
        ],
    ),
}
