"""Writes the tiny files that `lab --tools --test` compiles: `python -m tests.lab.trial_files`.

Each is a 3x3 convolution over an int8 picture of 16x16 and a resize that doubles it.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_deeplab.lab.trial import TRIAL_FILES
from tests.tiny_files import TFLiteBuilder, schema

CHANNELS = 8
_GENERATOR_SEED = 0


def integers(*shape):
    """Return fixed int8 weights."""
    return np.random.default_rng(_GENERATOR_SEED).integers(-100, 100, shape, np.int8)


def quantized(builder, tensor, scale=0.05):
    """Give a tensor under construction a scale; its zero point is 0."""
    quantization = schema.QuantizationParametersT()
    quantization.scale = np.array([scale], np.float32)
    quantization.zeroPoint = np.array([0], np.int64)
    builder.graph.tensors[tensor].quantization = quantization
    return tensor


def write_tflite(path):
    """Write the TFLite file."""
    builder = TFLiteBuilder()
    picture = quantized(builder, builder.tensor("picture", (1, 16, 16, 3), "INT8"))
    weight = builder.tensor("weight", (CHANNELS, 3, 3, 3), "INT8", data=integers(CHANNELS, 3, 3, 3))
    bias = builder.tensor("bias", (CHANNELS,), "INT32", data=np.zeros(CHANNELS, np.int32))
    quantized(builder, weight, 0.01)
    quantized(builder, bias, 0.05 * 0.01)
    features = quantized(builder, builder.tensor("features", (1, 16, 16, CHANNELS), "INT8"))
    size = builder.tensor("size", (2,), "INT32", data=np.array([32, 32], np.int32))
    result = quantized(builder, builder.tensor("result", (1, 32, 32, CHANNELS), "INT8"))
    builder.add(
        "CONV_2D", [picture, weight, bias], [features], version=3, options="Conv2DOptions",
        strideW=1, strideH=1, dilationWFactor=1, dilationHFactor=1,
    )  # fmt: skip
    builder.add(
        "RESIZE_BILINEAR", [features, size], [result], version=3, options="ResizeBilinearOptions",
        halfPixelCenters=True,
    )  # fmt: skip
    builder.sign([("picture", picture)], [("result", result)])
    return builder.save(path, [picture], [result])


def write_onnx(path):
    """Write the ONNX file: the same in QDQ form."""
    constants = {
        "scale": np.float32(0.05),
        "weight_scale": np.float32(0.01),
        "zero": np.int8(0),
        "integers": integers(CHANNELS, 3, 3, 3),
        "factors": np.array([1, 1, 2, 2], np.float32),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["picture", "scale", "zero"], ["picture_float"]),
        helper.make_node("DequantizeLinear", ["integers", "weight_scale", "zero"], ["weight"]),
        helper.make_node("Conv", ["picture_float", "weight"], ["features"], pads=[1, 1, 1, 1]),
        helper.make_node("QuantizeLinear", ["features", "scale", "zero"], ["features_int8"]),
        helper.make_node(
            "DequantizeLinear", ["features_int8", "scale", "zero"], ["features_float"]
        ),
        helper.make_node("Resize", ["features_float", "", "factors"], ["larger"], mode="linear"),
        helper.make_node("QuantizeLinear", ["larger", "scale", "zero"], ["result"]),
    ]
    graph = helper.make_graph(
        nodes,
        "trial",
        [helper.make_tensor_value_info("picture", TensorProto.INT8, (1, 3, 16, 16))],
        [helper.make_tensor_value_info("result", TensorProto.INT8, (1, CHANNELS, 32, 32))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


WRITERS = {"tflite": write_tflite, "onnx": write_onnx}

if __name__ == "__main__":
    for target, write in WRITERS.items():
        write(TRIAL_FILES[target])
