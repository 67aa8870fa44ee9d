"""Shows whether ONNX Runtime cuts int8 products at 16 bits on this processor, and that it does not where it is asked.

python onnx_int8_without_vnni.py
"""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

CHANNELS, SIDE = 16, 5


def quantized_convolution(groups: int) -> bytes:
    """Return a 3x3 convolution in QDQ form, uint8 by int8, that adds up nine pixels of its group's channels."""
    per_group = CHANNELS // groups
    taps = 9 * per_group
    values = {
        "weight": np.full((CHANNELS, per_group, 3, 3), 127, np.int8),
        "weight_scale": np.full(CHANNELS, 1 / 127, np.float32),
        "weight_zero": np.zeros(CHANNELS, np.int8),
        "one": np.float32(1),
        "taps": np.float32(taps),
        "zero": np.uint8(0),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["image", "one", "zero"], ["x"]),
        helper.make_node(
            "DequantizeLinear", ["weight", "weight_scale", "weight_zero"], ["w"], axis=0
        ),
        helper.make_node("Conv", ["x", "w"], ["y"], group=groups),
        helper.make_node("QuantizeLinear", ["y", "taps", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "one", "zero"], ["mean"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, kind, [1, CHANNELS, side, side])
        for name, kind, side in (
            ("image", TensorProto.UINT8, SIDE),
            ("mean", TensorProto.FLOAT, SIDE - 2),
        )
    ]
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "mean", ends[:1], ends[1:], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model.SerializeToString()


def mean_of_white(content: bytes, precise: str) -> float:
    """Return what the convolution makes of a picture that is 255 everywhere; 255 is right."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", precise)
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (mean,) = session.run(None, {"image": np.full((1, CHANNELS, SIDE, SIDE), 255, np.uint8)})
    return float(mean.flat[0])


for name, groups in (("dense", 1), ("grouped", 4), ("depthwise", CHANNELS)):
    model = quantized_convolution(groups)
    plain, exact = (mean_of_white(model, setting) for setting in "01")
    print(
        f"{name}: 255 is right; {plain:.0f} as it comes, {exact:.0f} with session.x64quantprecision"
    )
