"""The float16 form of an ONNX model: the network's body in float16, what enlarges its logits in float32.

Logits that are rounded to float16 tie between classes, and few runtimes resize float16 on a CPU; so
the body ends in one cast, and the enlarged logits and the class map are computed in float32. Where nothing enlarges
them, the body ends in the logits.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_deeplab.errors import ConversionError, require

_LARGEST = float(np.finfo(np.float16).max)


def round_to_float16(values: npt.NDArray[Any], name: str) -> npt.NDArray[np.float16]:
    """Return float32 weights in float16, infinities as they are (masks of attention have them).

    Args:
        values: the weights, any shape.
        name: what they are called, for the error.

    Raises:
        ConversionError: when one lies outside of float16's range, where it would become infinite.
    """
    largest = float(np.abs(values).max(initial=0.0, where=np.isfinite(values)))
    if largest > _LARGEST:
        raise ConversionError(
            f"weight {name} holds {largest:.3g}, float16 ends at {_LARGEST:.0f}; "
            "export this model in precision fp32"
        )
    return values.astype(np.float16)


_RESIZE_DATA = 0
"""The only input of a Resize that may be float16; region and scales stay float32."""


def convert_to_float16(model: Any) -> None:
    """Change the model, in place, to compute in float16 up to its logits. Input and output keep their types.

    Args:
        model: onnx ModelProto in float32 of one output, nodes in topological order, constants as initializers.

    Raises:
        ConversionError: when a weight lies outside of float16's range.
    """
    onnx = require("onnx", package="onnx", extra="onnx")
    graph = model.graph
    end = _end_of_body(onnx, graph)
    body, tail = _split_after(graph, end)
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
    if end == graph.output[0].name:
        casts.append(_cast_output(onnx, body, end))
    del graph.node[:]
    graph.node.extend([*body, *casts, *tail])


def _end_of_body(onnx: Any, graph: Any) -> str:
    """Return the value that the last enlargement or the class map is made of, else the output.

    Behind it stands nothing that has weights or joins values.
    """
    makers = {name: node for node in graph.node for name in node.output}
    weights = {t.name for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT}
    value = end = graph.output[0].name
    while (node := makers.get(value)) is not None:
        sources = {name for name in node.input if name in makers}
        has_weights = node.op_type != "Resize" and not weights.isdisjoint(node.input)
        if len(sources) != 1 or has_weights:
            break
        (value,) = sources
        if node.op_type in ("Resize", "ArgMax"):
            end = value
    return str(end)


def _split_after(graph: Any, end: str) -> tuple[list[Any], list[Any]]:
    """Return copies of the nodes that a value is computed by, and of the rest."""
    needed, body, tail = {end}, [], []
    for node in map(_copy, reversed(graph.node)):
        if needed.isdisjoint(node.output):
            tail.append(node)
        else:
            needed.update(node.input)
            body.append(node)
    return body[::-1], tail[::-1]


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


def _cast_output(onnx: Any, body: Sequence[Any], name: str) -> Any:
    """Return a cast of the body's last value to the output, and name that value after its operator, in place."""
    (maker,) = (node for node in body if name in node.output)
    for node in body:
        for values in (node.input, node.output):
            values[:] = [maker.name if value == name else value for value in values]
    cast_name = f"{maker.name}_float32"
    return onnx.helper.make_node(
        "Cast", [maker.name], [name], name=cast_name, to=onnx.TensorProto.FLOAT
    )
