"""Reads a Core ML package into a `FileGraph`: the ML program's protobuf as it stands; weights are found, not read.

The protobuf classes are coremltools' own, but `import coremltools` takes seconds and brings torch along, so the
classes are imported on their own, from the same folder.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.errors import MissingDependencyError
from edge_deeplab.formats.coreml_package import EXPECTED, read_stored
from edge_deeplab.formats.coreml_sizes import inferred_shape, listed_sizes, picture_shape
from edge_deeplab.formats.graph import (
    Attribute,
    Convolution,
    FileGraph,
    Operator,
    Shape,
    TensorSpec,
    height_and_width,
)
from edge_deeplab.formats.operator_names import find_module
from edge_deeplab.formats.sizes import Size
from edge_deeplab.formats.source import (
    ENTRY_BYTES,
    LONGEST_SETTING,
    RECORD_BYTES,
    ReadingBudget,
    unreadable,
)

_PROTO_PACKAGE = "edge_deeplab_coreml_proto"
_PASSED_THROUGH = {"cast", "dequantize", "quantize", "identity"}
_DATA = ("x", "weight", "bias")
_HALF = "FLOAT16"


def read_coreml(path: Path, size_hw: Size | None = None) -> FileGraph:
    """Return what a Core ML package holds.

    Args:
        path: an `.mlpackage` folder with an ML program in it (iOS 15 or later).
        size_hw: of a package that lists several sizes, the one that shapes are told at; None: its default.

    Raises:
        ArtifactError: when it is not a Core ML package, or an older neural network; when something in it leads outside,
            or weights that its program names are not there.
        MissingDependencyError: without coremltools.
    """
    stored = read_stored(path, load_proto_module("Model_pb2").Model())
    try:
        sizes = listed_sizes(stored.message)
        shown = size_hw or (sizes[0] if sizes else None)
        budget = ReadingBudget.for_file(stored.size)
        return _ProgramReader(stored.message, budget, shown).read(path)
    except (ValueError, IndexError, RecursionError, OverflowError) as error:
        raise unreadable(path, EXPECTED, str(error)) from error


def coreml_sizes(path: Path) -> tuple[Size, ...]:
    """Return the sizes of the picture that a package lists, the default first; none where it takes one size.

    Raises:
        ArtifactError: when it cannot be read.
        MissingDependencyError: without coremltools.
    """
    stored = read_stored(path, load_proto_module("Model_pb2").Model())
    try:
        return listed_sizes(stored.message)
    except ValueError as error:
        raise unreadable(path, EXPECTED, str(error)) from error


def load_proto_module(name: str) -> Any:
    """Import one of coremltools' protobuf modules without importing coremltools."""
    spec = importlib.util.find_spec("coremltools")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError("coremltools", "coreml")
    if _PROTO_PACKAGE not in sys.modules:
        package = ModuleType(_PROTO_PACKAGE)
        package.__path__ = [str(Path(spec.submodule_search_locations[0]) / "proto")]
        sys.modules[_PROTO_PACKAGE] = package
    return importlib.import_module(f"{_PROTO_PACKAGE}.{name}")


class _ProgramReader:
    """One parsed model, with the constants that its operators take as settings."""

    def __init__(self, model: Any, budget: ReadingBudget, size_hw: Size | None) -> None:
        self._model = model
        self._budget = budget
        self._size_hw = size_hw
        self._ours = METADATA_KEY in model.description.metadata.userDefined
        mil = load_proto_module("MIL_pb2")
        self._type_names = {number: name for name, number in mil.DataType.items()}
        self._values: dict[str, TensorSpec] = {}
        self._settings: dict[str, Attribute] = {}

    def read(self, path: Path) -> FileGraph:
        if self._model.WhichOneof("Type") != "mlProgram":
            raise ValueError(f"it holds {self._model.WhichOneof('Type') or 'nothing'}")
        functions = self._model.mlProgram.functions
        function = functions.get("main")
        if function is None or function.opset not in function.block_specializations:
            raise ValueError("its program has no function main")
        version = int("".join(c for c in function.opset if c.isdecimal())[:9] or 0)
        self._budget.spend(len(function.inputs), RECORD_BYTES)
        for value in function.inputs:
            spec = self._spec(value)
            if self._size_hw is not None and spec.shape is not None:
                spec = replace(spec, shape=picture_shape(spec.shape, self._size_hw))
            self._values[value.name] = spec
        block = function.block_specializations[function.opset]
        operators = tuple(self._operators(block, version))
        if not operators:
            raise ValueError("its program has no operators")
        others = len(functions) - 1
        notes = (f"{others} further functions are not listed",) if others else ()
        versions = {"specification": self._model.specificationVersion, "opset": version}
        return FileGraph(path, "coreml", versions, operators, notes, self._size_hw)

    def _operators(self, block: Any, version: int) -> Iterator[Operator]:
        index = 0
        for operation in operations_within(block):
            self._spend_on(operation)
            for value in operation.outputs:
                self._values[value.name] = self._spec(value, constant=self._is_constant(operation))
            if operation.type == "const":
                self._note_setting(operation)
            else:
                yield self._operator(index, operation, version)
                index += 1

    def _spend_on(self, operation: Any) -> None:
        """Take off the budget what an operation's records will hold, before they are made."""
        self._budget.spend(1 + len(operation.outputs), RECORD_BYTES)
        bindings = sum(len(argument.arguments) for argument in operation.inputs.values())
        self._budget.spend(len(operation.inputs) + bindings, ENTRY_BYTES)

    def _operator(self, index: int, operation: Any, version: int) -> Operator:
        bound = {key: argument.arguments for key, argument in operation.inputs.items()}
        attributes = self._attributes(bound)
        read = sorted(set(bound) - set(attributes), key=_place)  # protobuf maps keep no order
        name = operation.outputs[0].name if operation.outputs else f"operator {index}"
        sources = tuple(binding.name for key in read for binding in bound[key])
        convolution = _convolution(operation.type, attributes, self._weight_shape(bound))
        if self._size_hw is not None:
            self._infer_shapes(operation, sources, attributes, convolution)
        return Operator(
            index=index,
            type=operation.type,
            name=name,
            version=version,
            inputs=tuple(self._value(source) for source in sources),
            outputs=tuple(self._values[value.name] for value in operation.outputs),
            attributes=attributes,
            module=find_module([name], ours=self._ours),
            convolution=convolution,
            reads=sources,
            writes=tuple(value.name for value in operation.outputs),
        )

    def _infer_shapes(
        self,
        operation: Any,
        sources: Sequence[str],
        attributes: Mapping[str, Attribute],
        convolution: Convolution | None,
    ) -> None:
        """Give the results of an operation the shapes that they have at the size that is shown."""
        inputs = [self._value(source).shape or () for source in sources]
        for value in operation.outputs:
            spec = self._values[value.name]
            shape = inferred_shape(
                operation.type, spec.shape or (), inputs, attributes, convolution
            )
            self._values[value.name] = replace(spec, shape=shape)

    def _attributes(self, bound: Mapping[str, Any]) -> dict[str, Attribute]:
        """Return the inputs that are settings: short constants other than an operator's data."""
        settings = {
            key: self._setting(bindings[0])
            for key, bindings in bound.items()
            if key not in _DATA and len(bindings) == 1
        }
        return {key: value for key, value in settings.items() if value is not None}

    def _weight_shape(self, bound: Mapping[str, Any]) -> Shape | None:
        bindings = bound.get("weight")
        return self._value(bindings[0].name).shape if bindings else None

    def _value(self, name: str) -> TensorSpec:
        return self._values.get(name) or TensorSpec(name)

    def _is_constant(self, operation: Any) -> bool:
        if operation.type == "const" or operation.type.startswith("constexpr_"):
            return True
        source = operation.inputs["x"].arguments if "x" in operation.inputs else ()
        known = self._values.get(source[0].name) if source else None
        return operation.type in _PASSED_THROUGH and known is not None and known.constant

    def _spec(self, value: Any, *, constant: bool = False) -> TensorSpec:
        kind = value.type.tensorType
        self._budget.spend(len(kind.dimensions), ENTRY_BYTES)
        dtype = self._type_names.get(kind.dataType, "").lower() or None
        sizes = [d.constant.size if d.HasField("constant") else None for d in kind.dimensions]
        shape: Shape = tuple(None if size is None else int(size) for size in sizes)
        return TensorSpec(value.name, dtype, shape, constant)

    def _note_setting(self, operation: Any) -> None:
        value = self._plain(operation.attributes["val"]) if "val" in operation.attributes else None
        if value is not None and operation.outputs:
            self._settings[operation.outputs[0].name] = value

    def _setting(self, binding: Any) -> Attribute | None:
        if binding.WhichOneof("binding") == "value":
            return self._plain(binding.value)
        return self._settings.get(binding.name)

    def _plain(self, value: Any) -> Attribute | None:
        """Return a short immediate value as plain numbers or text; None for weights."""
        tensor = value.immediateValue.tensor
        field = tensor.WhichOneof("value")
        if field is None:
            return None
        kind = value.type.tensorType
        values = getattr(tensor, field).values
        if len(values) > LONGEST_SETTING * 8:
            return None
        if field == "bytes":
            if self._type_names.get(kind.dataType) != _HALF:
                return None
            values = np.frombuffer(values, "<f2").astype(float).tolist()
        plain = tuple(v[:LONGEST_SETTING] if isinstance(v, str) else v for v in values)
        if len(plain) > LONGEST_SETTING:
            return None
        return plain[0] if not kind.dimensions and len(plain) == 1 else plain


def operations_within(block: Any) -> Iterator[Any]:
    """Yield the operations of a block, each followed by those of its own blocks (branches, loop bodies)."""
    for operation in block.operations:
        yield operation
        for nested in operation.blocks:
            yield from operations_within(nested)


def _place(key: str) -> tuple[int, str]:
    """Order an operator's inputs: its data first, then the others by name."""
    return (_DATA.index(key) if key in _DATA else len(_DATA), key)


def _convolution(
    kind: str, attributes: dict[str, Attribute], weight: Shape | None
) -> Convolution | None:
    """Return the geometry of a two-dimensional conv with a weight of (K, C / groups, h, w), its shape known."""
    groups = attributes.get("groups", 1)
    if kind != "conv" or weight is None or len(weight) != 4 or not all(weight):
        return None
    if not isinstance(groups, int) or groups < 1:
        return None
    outputs, per_group, *kernel = (int(size or 0) for size in weight)
    return Convolution(
        kernel_hw=(kernel[0], kernel[1]),
        rate_hw=height_and_width(attributes.get("dilations")),
        stride_hw=height_and_width(attributes.get("strides")),
        channels=per_group * groups,
        groups=groups,
        multiplier=outputs // groups,
        padding=_padding(attributes),
    )


def _padding(attributes: dict[str, Attribute]) -> tuple[int, int, int, int] | None:
    """Return (top, left, bottom, right) of custom padding, which MIL writes as (top, bottom, left, right)."""
    pad = attributes.get("pad")
    if attributes.get("pad_type") != "custom" or not isinstance(pad, tuple) or len(pad) != 4:
        return None
    top, bottom, left, right = (int(v) for v in pad)
    return top, left, bottom, right
