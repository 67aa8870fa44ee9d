"""Reads the quantized tensors of a Core ML package: its ML program's protobuf and the weight files beside it."""

from pathlib import Path
from typing import Any

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.formats.coreml import load_proto_module, operations_within
from edge_deeplab.formats.coreml_package import read_stored
from edge_deeplab.formats.source import RECORD_BYTES, ReadingBudget
from edge_deeplab.formats.stored.graph import GraphReader, QuantizerGraph, QuantizerStep, Task
from edge_deeplab.formats.stored.mil_values import MilValues, WeightFiles
from edge_deeplab.formats.stored.reader import numbers_budget
from edge_deeplab.formats.stored.tensor import Array, Parameters, parameters_of

_TASKS: dict[str, Task] = {
    "quantize": "quantize",
    "dequantize": "dequantize",
    "constexpr_affine_dequantize": "dequantize",
    "cast": "cast",
    **dict.fromkeys(
        (
            "expand_dims",
            "identity",
            "pad",
            "reshape",
            "slice_by_index",
            "slice_by_size",
            "squeeze",
            "transpose",
        ),
        "move",
    ),
}
_ROLES = {kind: {1: "weight", 2: "bias"} for kind in ("conv", "conv_transpose", "linear")}
_DATA = ("input", "quantized_data", "x")
_CHANNELS_OF_WEIGHTS = 0
_OTHER_FORMS = ("constexpr_lut", "constexpr_blockwise", "constexpr_sparse_blockwise")
"""Starts of operators that store weights in a form of their own."""


def open_coreml(path: Path) -> "CoreMLReader":
    """Return the reader of an `.mlpackage` folder.

    Raises:
        ArtifactError: when it is not a Core ML package.
        ValueError: when it holds no ML program, or one that is quantized in a form that is not read.
        MissingDependencyError: without coremltools.
    """
    stored = read_stored(path, load_proto_module("Model_pb2").Model())
    weights = sum(f.stat().st_size for f in stored.weights.rglob("*") if f.is_file())
    return CoreMLReader(stored.message, WeightFiles(stored.weights.parent), stored.size + weights)


class CoreMLReader(GraphReader):
    """One parsed model.

    Args:
        model: `Model` protobuf.
        weights: the files that its program takes weights from, its references to them checked.
        size: bytes of all of them.

    Raises:
        ValueError: when it holds no ML program, or one that is quantized in a form that is not read.
    """

    def __init__(self, model: Any, weights: WeightFiles, size: int) -> None:
        types = {n: name for name, n in load_proto_module("MIL_pb2").DataType.items()}
        self._values = MilValues(weights, types, numbers_budget(size))
        self._constants: dict[str, Any] = {}
        self._elements: dict[str, str] = {}
        block = _only_block(model)
        operations = list(operations_within(block))
        ReadingBudget.for_file(size).spend(len(operations), RECORD_BYTES)
        for operation in operations:
            self._note(operation)
        ours = METADATA_KEY in model.description.metadata.userDefined
        steps = [_step(operation) for operation in operations if operation.type != "const"]
        self._graph = QuantizerGraph(steps, self, block.outputs, ours=ours)

    def parameters(self, step: QuantizerStep) -> Parameters:
        """Return what a quantize, dequantize or constexpr_affine_dequantize states."""
        stated = {key: self._stated(step.operator, key) for key in ("scale", "zero_point", "axis")}
        scale, zero_point, axis = stated.values()
        if scale is None:
            raise ValueError(f"{step.name} states no scale")
        place = None if axis is None else int(axis.reshape(()))
        if place is not None and place < 0 and self.is_constant(step):
            place += self.constant_of(step).ndim
        usual_axes = (_CHANNELS_OF_WEIGHTS,) if self.is_constant(step) else ()
        return parameters_of(scale, zero_point, self._element(step), place, usual_axes)

    def is_constant(self, step: QuantizerStep) -> bool:
        """Whether a quantize or dequantize operator reads a constant."""
        return self._value_of(step.operator, _data_key(step.operator)) is not None

    def constant_of(self, step: QuantizerStep) -> Array:
        """Return the constant that it reads."""
        return self._values.array(self._value_of(step.operator, _data_key(step.operator)))

    def constant(self, name: str) -> Array | None:
        """Return the constant of a name; None for a computed value."""
        value = self._constants.get(name)
        return None if value is None else self._values.array(value)

    def _note(self, operation: Any) -> None:
        """Note an operation's constant and the types of what it computes."""
        if operation.type.startswith(_OTHER_FORMS):
            raise ValueError(
                f"its {operation.type} stores weights in a form of its own; scales and zero points are compared"
            )
        if operation.type == "const" and operation.outputs and "val" in operation.attributes:
            self._constants[operation.outputs[0].name] = operation.attributes["val"]
            return
        for output in operation.outputs:
            self._elements[output.name] = self._values.type_of(output)
        for key, argument in operation.inputs.items():
            for binding in argument.arguments:
                if binding.WhichOneof("binding") == "value":
                    self._constants[_inline_name(operation, key)] = binding.value

    def _stated(self, operation: Any, key: str) -> Array | None:
        value = self._value_of(operation, key)
        if value is None and key in operation.inputs:
            raise ValueError(
                f"the {key} of a {operation.type} is computed; a constant was expected"
            )
        return None if value is None else self._values.array(value)

    def _value_of(self, operation: Any, key: str) -> Any:
        """Return a constant that an operation takes, wherever it stands; None for what is computed or absent."""
        if key in operation.attributes:
            return operation.attributes[key]
        (name, *_) = (*_names_at(operation, key), "")
        return self._constants.get(name)

    def _element(self, step: QuantizerStep) -> str:
        """Return the integers' type: of a quantize the one that it is told to give, else that of what is read."""
        operation = step.operator
        asked = self._value_of(operation, "output_dtype")
        if asked is not None:
            return self._values.text(asked)
        data = self._value_of(operation, _data_key(operation))
        element = (
            self._elements.get(step.inputs[0], "") if data is None else self._values.type_of(data)
        )
        return element.lower()


def _only_block(model: Any) -> Any:
    """Return the block of a model's only function."""
    if model.WhichOneof("Type") != "mlProgram":
        raise ValueError(f"it holds {model.WhichOneof('Type') or 'nothing'}, no ML program")
    functions = list(model.mlProgram.functions.values())
    if len(functions) != 1 or functions[0].opset not in functions[0].block_specializations:
        raise ValueError(f"its program has {len(functions)} functions; one was expected")
    return functions[0].block_specializations[functions[0].opset]


def _step(operation: Any) -> QuantizerStep:
    """Return an operation as the graph sees it: data first, then weight and bias, then what else it reads."""
    first = [_data_key(operation), "weight", "bias"]
    others = [key for key in sorted(operation.inputs) if key not in first]
    outputs = tuple(output.name for output in operation.outputs)
    if not outputs:
        raise ValueError(f"one of its {operation.type} computes nothing")
    return QuantizerStep(
        name=outputs[0],
        task=_TASKS.get(operation.type, "other"),
        inputs=(
            *((*_names_at(operation, key), "")[0] for key in first),
            *(name for key in others for name in _names_at(operation, key)),
        ),
        outputs=outputs,
        roles=_ROLES.get(operation.type, {}),
        operator=operation,
    )


def _data_key(operation: Any) -> str:
    keys = (*operation.inputs, *operation.attributes)
    return next((key for key in _DATA if key in keys), _DATA[0])


def _names_at(operation: Any, key: str) -> tuple[str, ...]:
    """Return the names of the values at one of an operation's inputs; a constant that stands there has one as well."""
    if key not in operation.inputs:
        return ()
    return tuple(
        binding.name if binding.WhichOneof("binding") == "name" else _inline_name(operation, key)
        for binding in operation.inputs[key].arguments
    )


def _inline_name(operation: Any, key: str) -> str:
    return f"{operation.outputs[0].name if operation.outputs else ''} / {key}"
