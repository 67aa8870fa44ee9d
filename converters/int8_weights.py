"""The weight-only form of an ONNX model: weights of convolutions in int8, everything computed in float32.

One DequantizeLinear a convolution and no QuantizeLinear, so that accelerators without a kernel for the latter (ONNX
Runtime's WebGPU) run it whole, at a quarter of the bytes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_deeplab.errors import require

_FEWEST = 2048
"""Numbers of a weight that is worth it (coremltools' measure too): smaller ones are 0.2 % of the bytes of the shipped
network, and half of what its class map would lose (0.9916 of the pixels equal with them, 0.9962 without)."""

_LARGEST = 127
"""Of the integers; the range is symmetric, as that of quantized weights."""


def store_weights_in_int8(model: Any) -> None:
    """Store the large constant weights of convolutions in int8, in place, with a scale for each output channel.

    Args:
        model: onnx ModelProto in float32, constants as initializers.
    """
    onnx = require("onnx", package="onnx", extra="onnx")
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for place, node in reversed(list(enumerate(graph.node))):
        if node.op_type != "Conv" or node.input[1] not in weights:
            continue
        weight = onnx.numpy_helper.to_array(weights[node.input[1]])
        if weight.size < _FEWEST:
            continue
        integers, scales = round_to_int8(weight)
        values = {"quantized": integers, "scale": scales, "zero": np.zeros(len(scales), np.int8)}
        stored = {f"{node.name}_weight_{part}": value for part, value in values.items()}
        for name, value in stored.items():
            graph.initializer.append(onnx.numpy_helper.from_array(value, name))
        node.input[1] = f"{node.name}_weight"
        restore = onnx.helper.make_node(
            "DequantizeLinear", list(stored), [node.input[1]], node.input[1], axis=0
        )
        graph.node.insert(place, restore)
    _drop_unread(graph)


def round_to_int8(
    weight: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return (K, ...) weights as integers from -127 to 127, and the (K,) scales that they are multiples of."""
    largest = np.abs(weight).reshape(len(weight), -1).max(axis=1)
    scales = np.where(largest > 0, largest / _LARGEST, 1).astype(np.float32)
    steps = weight / scales.reshape(-1, *[1] * (weight.ndim - 1))
    return np.rint(steps).astype(np.int8), scales


def _drop_unread(graph: Any) -> None:
    read = {name for node in graph.node for name in node.input}
    for tensor in list(graph.initializer):
        if tensor.name not in read:
            graph.initializer.remove(tensor)
