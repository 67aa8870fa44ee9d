"""The float16 form of an ONNX model: the network's body in float16, its last resize in float32.

Logits that are rounded to float16 tie between classes, and few runtimes resize float16 on a CPU; so
the body ends in one cast, and the enlarged logits and the class map are computed in float32.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_deeplab.errors import ConversionError, require

_LARGEST = float(np.finfo(np.float16).max)


def round_to_float16(values: npt.NDArray[Any], name: str) -> npt.NDArray[np.float16]:
    """Return float32 weights in float16.

    Args:
        values: the weights, any shape.
        name: what they are called, for the error.

    Raises:
        ConversionError: when one lies outside of float16's range, where it would become infinite.
    """
    largest = float(np.abs(values).max(initial=0.0))
    if largest > _LARGEST:
        raise ConversionError(
            f"weight {name} holds {largest:.3g}, float16 ends at {_LARGEST:.0f}; "
            "export this model in precision fp32"
        )
    return values.astype(np.float16)


_RESIZE_DATA = 0
"""The only input of a Resize that may be float16; region and scales stay float32."""


def convert_to_float16(model: Any) -> None:
    """Change the model, in place, to compute in float16 up to its last Resize. Input and output keep their types.

    Args:
        model: onnx ModelProto in float32, nodes in topological order, constants as initializers.

    Raises:
        ConversionError: when it has no Resize, or a weight lies outside of float16's range.
    """
    onnx = require("onnx", package="onnx", extra="onnx")
    graph = model.graph
    body, tail = _split_at_last_resize(graph)
    _cast_to_float16_instead(onnx, body)
    kept = _read_as_float32(body, tail)
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and tensor.name not in kept:
            tensor.CopyFrom(_as_float16(onnx, tensor))
    computed = {name for node in body for name in node.output}
    for value in graph.value_info:
        kind = value.type.tensor_type
        if value.name in computed and kind.elem_type == onnx.TensorProto.FLOAT:
            kind.elem_type = onnx.TensorProto.FLOAT16
    casts = [_cast_to_float32(onnx, tail, name) for name in _crossing(computed, tail)]
    del graph.node[:]
    graph.node.extend([*body, *casts, *tail])


def _split_at_last_resize(graph: Any) -> tuple[list[Any], list[Any]]:
    """Return copies of the nodes before the last Resize, and of the rest."""
    nodes = [_copy(node) for node in graph.node]
    places = [index for index, node in enumerate(nodes) if node.op_type == "Resize"]
    if not places:
        raise ConversionError(
            "an ONNX graph without a Resize came, one that ends in the enlarged logits was expected; "
            "export this model in precision fp32"
        )
    return nodes[: places[-1]], nodes[places[-1] :]


def _copy(node: Any) -> Any:
    copied = type(node)()
    copied.CopyFrom(node)
    return copied


def _cast_to_float16_instead(onnx: Any, body: Sequence[Any]) -> None:
    for node in body:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i == onnx.TensorProto.FLOAT:
                attribute.i = onnx.TensorProto.FLOAT16


def _read_as_float32(body: Sequence[Any], tail: Sequence[Any]) -> set[str]:
    """Return the names that must stay float32: what the tail reads, and scales of a Resize in the body."""
    scales = {
        n for node in body if node.op_type == "Resize" for n in node.input[_RESIZE_DATA + 1 :]
    }
    return scales | {name for node in tail for name in node.input}


def _as_float16(onnx: Any, tensor: Any) -> Any:
    values = round_to_float16(onnx.numpy_helper.to_array(tensor), tensor.name)
    return onnx.numpy_helper.from_array(values, tensor.name)


def _crossing(computed: set[str], tail: Sequence[Any]) -> list[str]:
    """Return the values that the body computes and the tail reads."""
    return [
        name for name in dict.fromkeys(n for node in tail for n in node.input) if name in computed
    ]


def _cast_to_float32(onnx: Any, tail: Sequence[Any], name: str) -> Any:
    """Return a cast of a body's value, and let the tail read its result, in place."""
    result = f"{name}_float32"
    for node in tail:
        for position, read in enumerate(node.input):
            if read == name:
                node.input[position] = result
    return onnx.helper.make_node("Cast", [name], [result], name=result, to=onnx.TensorProto.FLOAT)
