"""Types and shapes of the values that an ONNX file does not declare: inferred by the onnx package, in a bounded child.

Only some exporters declare what lies between operators; without it most facts about an operator are not known, and a
rule that cannot be asked raises no alarm. The inference is C++ that walks a stranger's graph, so it runs apart.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.child.bounded import ask_once
from edge_deeplab.child.limits import Limits
from edge_deeplab.errors import ArtifactError, ChildError, require
from edge_deeplab.formats.source import LONGEST_SETTING

log = logging.getLogger(__name__)

_LARGEST_STORED = LONGEST_SETTING * 8
"""Bytes of a stored tensor that can be sizes or axes; the inference looks at no other numbers."""


def declare_missing(model: Any, path: Path) -> bool:
    """Declare the values of a model that it leaves undeclared, in place; nothing that stands there is changed.

    Args:
        model: the ModelProto of the file.
        path: the file, for the log.

    Returns:
        Whether what can be known is declared now: False where the inference did not end well.
    """
    graph = model.graph
    declared = {value.name for value in (*graph.input, *graph.value_info, *graph.output)}
    computed = {name for node in graph.node if node.op_type != "Constant" for name in node.output}
    missing = computed - declared - {""}
    if not missing:
        return True
    helper = require("onnx.helper", package="onnx", extra="onnx")
    content = _without_weights(model).SerializeToString()
    limits = Limits.for_file(len(content))
    try:
        answer = ask_once(
            __name__,
            "infer",
            subject=str(path),
            limits=limits,
            model=np.frombuffer(content, np.uint8),
        )
        found = [(str(name), int(kind), shape) for name, kind, shape in answer["values"]]
    except (ArtifactError, ChildError) as error:
        log.debug("%s: its shapes could not be inferred: %s", path, error)
        return False
    for name, kind, shape in found:
        if name in missing:
            graph.value_info.append(helper.make_tensor_value_info(name, kind, shape))
    return True


def _without_weights(model: Any) -> Any:
    """Return a copy of a model whose stored tensors, but for those that can be sizes or axes, have no numbers."""
    copy = type(model)(ir_version=model.ir_version)
    copy.opset_import.extend(model.opset_import)
    copy.functions.extend(model.functions)
    copy.graph.name = "graph"
    for values in ("node", "input", "output", "value_info"):
        getattr(copy.graph, values).extend(getattr(model.graph, values))
    for tensor in model.graph.initializer:
        kept = copy.graph.initializer.add(
            name=tensor.name, dims=tensor.dims, data_type=tensor.data_type
        )
        if tensor.ByteSize() <= _LARGEST_STORED:
            kept.CopyFrom(tensor)
    return copy


def service() -> Mapping[str, Callable[..., Mapping[str, Any]]]:
    """Return what the bounded child answers."""
    require("onnx.shape_inference", package="onnx", extra="onnx")
    return {"infer": _infer}


def _infer(model: np.ndarray) -> Mapping[str, Any]:
    """Return name, element type and sizes (None for an open one) of every value of the main graph that has them."""
    onnx = require("onnx", package="onnx", extra="onnx")
    parsed = onnx.ModelProto.FromString(model.tobytes())
    try:
        inferred = onnx.shape_inference.infer_shapes(parsed, data_prop=True)
    except Exception as error:  # the inference's own errors are RuntimeErrors of its C++
        raise ArtifactError(str(error)) from error
    kinds = [(value.name, value.type.tensor_type) for value in inferred.graph.value_info]
    return {
        "values": [
            (name, kind.elem_type, _sizes(kind) if kind.HasField("shape") else None)
            for name, kind in kinds
        ]
    }


def _sizes(kind: Any) -> list[int | None]:
    return [size.dim_value if size.dim_value > 0 else None for size in kind.shape.dim]
