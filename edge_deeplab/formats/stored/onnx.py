"""Reads the quantized tensors of an ONNX file in QDQ form; nothing inferred, no external file opened."""

from pathlib import Path
from typing import Any

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.errors import require
from edge_deeplab.formats.onnx import graphs_within, nodes_within, parse_onnx
from edge_deeplab.formats.stored.graph import GraphReader, QuantizerGraph, QuantizerStep, Task
from edge_deeplab.formats.stored.reader import numbers_budget
from edge_deeplab.formats.stored.tensor import (
    Array,
    Parameters,
    parameters_of,
)

_TASKS: dict[str, Task] = {
    "QuantizeLinear": "quantize",
    "DequantizeLinear": "dequantize",
    "Cast": "cast",
    **dict.fromkeys(
        (
            "DepthToSpace",
            "Expand",
            "Flatten",
            "Identity",
            "Pad",
            "Reshape",
            "Slice",
            "SpaceToDepth",
            "Squeeze",
            "Transpose",
            "Unsqueeze",
        ),
        "move",
    ),
}
_ROLES = {
    "Conv": {1: "weight", 2: "bias"},
    "ConvTranspose": {1: "weight", 2: "bias"},
    "Gemm": {1: "weight", 2: "bias"},
    "MatMul": {1: "weight"},
}
_DEFAULT_AXIS, _CHANNELS_OF_WEIGHTS = 1, 0
_OTHER_FORMS = ("QLinear", "QGemm", "QAttention", "MatMulNBits", "GatherBlockQuantized")
"""Starts of operators that carry scales themselves."""


def open_onnx(path: Path) -> "OnnxReader":
    """Return the reader of an `.onnx` file.

    Raises:
        ArtifactError: when it is not an ONNX model.
        ValueError: when it is quantized in a form that is not read.
        MissingDependencyError: without onnx.
    """
    return OnnxReader(parse_onnx(path), path.stat().st_size)


class OnnxReader(GraphReader):
    """One parsed model.

    Args:
        model: onnx ModelProto, its records bounded (`parse_onnx`).
        size: bytes of the file.

    Raises:
        ValueError: when it is quantized in a form that is not read.
    """

    def __init__(self, model: Any, size: int) -> None:
        self._onnx: Any = require("onnx", package="onnx", extra="onnx")
        self._budget = numbers_budget(size)
        self._constants: dict[str, Any] = {}
        self._types: dict[str, int] = {}
        nodes = list(nodes_within(model.graph))
        if any(_TASKS.get(n.op_type) == "quantize" for f in model.functions for n in f.node):
            raise ValueError("a function of its own quantizes, which this comparison does not open")
        for graph in graphs_within(model.graph):
            self._constants |= {tensor.name: tensor for tensor in graph.initializer}
            for value in (*graph.input, *graph.value_info):
                self._types[value.name] = value.type.tensor_type.elem_type
        for node in nodes:
            tensors = [a.t for a in node.attribute if a.name == "value"]
            if node.op_type == "Constant" and tensors:
                self._constants[node.output[0]] = tensors[0]
        ours = any(entry.key == METADATA_KEY for entry in model.metadata_props)
        steps = [self._step(node, ours=ours) for node in nodes if node.op_type != "Constant"]
        outputs = [value.name for value in model.graph.output]
        self._graph = QuantizerGraph(steps, self, outputs, ours=ours)

    def parameters(self, step: QuantizerStep) -> Parameters:
        """Return what a QuantizeLinear or DequantizeLinear states."""
        node = step.operator
        settings = {attribute.name: int(attribute.i) for attribute in node.attribute}
        if settings.get("block_size", 0):
            raise ValueError(
                f"{step.name} quantizes in blocks, which this comparison does not read"
            )
        scale = self._known(node.input[1], step)
        zero_point = self._known(node.input[2], step) if _has(node, 2) else None
        axis, usual_axes = settings.get("axis", _DEFAULT_AXIS), {_DEFAULT_AXIS}
        if self.is_constant(step):
            usual_axes.add(_CHANNELS_OF_WEIGHTS)
            axis += len(self._constants[node.input[0]].dims) if axis < 0 else 0
        element = self._element(step, zero_point, settings.get("output_dtype", 0))
        return parameters_of(scale, zero_point, element, axis, usual_axes)

    def is_constant(self, step: QuantizerStep) -> bool:
        """Whether a quantize or dequantize operator reads a constant."""
        return step.inputs[0] in self._constants

    def constant_of(self, step: QuantizerStep) -> Array:
        """Return the constant that it reads."""
        return self._known(step.inputs[0], step)

    def constant(self, name: str) -> Array | None:
        """Return the constant of a name; None for a computed value."""
        tensor = self._constants.get(name)
        if tensor is None:
            return None
        if tensor.data_location == self._onnx.TensorProto.EXTERNAL:
            raise ValueError(f"{name} stands in another file, which is not opened")
        self._budget.spend(tensor.ByteSize())
        array: Array = self._onnx.numpy_helper.to_array(tensor)
        return array

    def _known(self, name: str, step: QuantizerStep) -> Array:
        array = self.constant(name)
        if array is None:
            raise ValueError(f"the numbers of {step.name} are computed; constants were expected")
        return array

    def _element(self, step: QuantizerStep, zero_point: Array | None, asked: int) -> str:
        """Return the integers' type: that of the zero point, else of the data or as asked for, else uint8."""
        if zero_point is not None:
            return zero_point.dtype.name
        kind = asked
        if step.task == "dequantize" and self.is_constant(step):
            kind = self._constants[step.inputs[0]].data_type
        elif step.task == "dequantize":
            kind = self._types.get(step.inputs[0], 0)
        return str(self._onnx.helper.tensor_dtype_to_np_dtype(kind).name) if kind else "uint8"

    def _step(self, node: Any, *, ours: bool) -> QuantizerStep:
        _refuse(node)
        outputs = tuple(name for name in node.output if name)
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and not (
            _has(node, 0) and _has(node, 1) and outputs
        ):
            raise ValueError(f"its {node.op_type} {node.name} lacks an input or output")
        return QuantizerStep(
            name=node.name if ours or not outputs else outputs[0],
            task=_TASKS.get(node.op_type, "other"),
            inputs=tuple(node.input),
            outputs=outputs,
            roles=_ROLES.get(node.op_type, {}),
            operator=node,
        )


def _refuse(node: Any) -> None:
    """Refuse an operator that carries scales itself, of which nothing would be compared."""
    kind = node.op_type
    if kind.startswith(_OTHER_FORMS) or kind.endswith("Integer") or kind == "DynamicQuantizeLinear":
        raise ValueError(
            f"its {kind} carries scales itself; quantize and dequantize operators are compared"
        )


def _has(node: Any, position: int) -> bool:
    return len(node.input) > position and bool(node.input[position])
