"""Reads an ONNX file into a `FileGraph`: the protobuf, no external file opened, undeclared shapes inferred."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.errors import require
from edge_deeplab.formats.graph import (
    Attribute,
    Convolution,
    FileGraph,
    Operator,
    Shape,
    TensorSpec,
    check_wiring,
    height_and_width,
)
from edge_deeplab.formats.onnx_keys import keyed_nodes, nested_graphs
from edge_deeplab.formats.onnx_shapes import declare_missing
from edge_deeplab.formats.onnx_sizes import fix_size, sizes_in
from edge_deeplab.formats.operator_names import find_module
from edge_deeplab.formats.sizes import Size
from edge_deeplab.formats.source import (
    ENTRY_BYTES,
    LONGEST_SETTING,
    RECORD_BYTES,
    ReadingBudget,
    read_bytes,
    unreadable,
)
from edge_deeplab.formats.wire import bound_messages
from edge_deeplab.text import size_text

_PASSED_THROUGH = {"DequantizeLinear", "QuantizeLinear", "Cast", "Identity"}
"""Operators behind which a constant is still a constant."""
_WEIGHT_INPUT = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}
_SCOPES = "pkg.torch.onnx.name_scopes"
_DEFAULT_DOMAINS = ("", "ai.onnx")
_SHAPES_UNKNOWN = (
    "shapes that the file does not declare could not be inferred: rules about them are not asked"
)
_NUMBERS = ("float32", "float16", "int8", "uint8", "int16", "uint16", "int32", "int64")


def read_onnx(path: Path, size_hw: Size | None = None) -> FileGraph:
    """Return what an ONNX file holds.

    Args:
        path: an `.onnx` file; weights kept beside it are not opened.
        size_hw: of a file that lists several sizes, the one that shapes are told at; None: its default.

    Raises:
        ArtifactError: when it is not an ONNX model, or does not list that size.
        MissingDependencyError: without onnx.
    """
    onnx, model = require("onnx", package="onnx", extra="onnx"), parse_onnx(path)
    with reading_onnx(path):
        shown = _fix_listed(model, size_hw)
        known = declare_missing(model, path)
        file = replace(_ModelReader(onnx, model).read(path), size_hw=shown)
    return file if known else replace(file, notes=(*file.notes, _SHAPES_UNKNOWN))


def _fix_listed(model: Any, size_hw: Size | None) -> Size | None:
    """Set the size of the picture, in place, where a model lists several, and return it."""
    listed = sizes_in(model)
    if size_hw is not None and size_hw not in listed:
        raise ValueError(f"it does not list the size {size_text(size_hw)}")
    shown = size_hw or next(iter(listed), None)
    if shown is not None:
        fix_size(model, shown)
    return shown


def parse_onnx(path: Path) -> Any:
    """Return the onnx ModelProto of a file, its records bounded; weights kept beside it are not opened.

    Raises:
        ArtifactError: when it is not an ONNX model.
        MissingDependencyError: without onnx.
    """
    model = require("onnx", package="onnx", extra="onnx").ModelProto()
    content = read_bytes(path)
    with reading_onnx(path):
        bound_messages(content, model.DESCRIPTOR)
        model.ParseFromString(content)
        _spend_on(model, ReadingBudget.for_file(len(content)))
        for node in nodes_within(model.graph):
            _check_text(node)
    return model


@contextmanager
def reading_onnx(path: Path, expected: str = "an ONNX model") -> Iterator[None]:
    """Turn what protobuf raises on a damaged model into one sentence.

    Raises:
        ArtifactError: in place of any of these.
    """
    decode_error = require("google.protobuf.message", package="protobuf", extra="onnx").DecodeError
    try:
        yield
    except (decode_error, ValueError, IndexError, RecursionError) as error:
        raise unreadable(path, expected, str(error)) from error


class _ModelReader:
    """One parsed model, with what its values are known to be."""

    def __init__(self, onnx: Any, model: Any) -> None:
        self._onnx = onnx
        self._model = model
        self._opsets = {_domain(entry.domain): int(entry.version) for entry in model.opset_import}
        self._ours = any(entry.key == METADATA_KEY for entry in model.metadata_props)
        self._functions = {(_domain(f.domain), f.name) for f in model.functions}
        self._values: dict[str, TensorSpec] = {}
        self._readers: Counter[str] = Counter()

    def read(self, path: Path) -> FileGraph:
        graph = self._model.graph
        if not graph.node:
            raise ValueError("its graph has no nodes")
        for node in nodes_within(graph):
            self._readers.update(node.input)
        for nested in graphs_within(graph):
            self._declare(nested)
        nodes = [(n, k) for n, k in keyed_nodes(graph) if n.op_type != "Constant"]
        outermost = sum(node.op_type != "Constant" for node in graph.node)  # they come first
        operators = tuple(
            self._operator(index, node, keys, nested=index >= outermost)
            for index, (node, keys) in enumerate(nodes)
        )
        check_wiring(operators)
        opsets = {f"opset {name!s}".strip(): version for name, version in self._opsets.items()}
        versions = {"ir": int(self._model.ir_version), **opsets}
        count = len(self._functions)
        notes = (f"{count} functions of the file's own are not opened",) if count else ()
        return FileGraph(path, "onnx", versions, operators, notes)

    def _declare(self, graph: Any) -> None:
        """Note the type and shape of every value that the graph declares or stores."""
        for value in (*graph.input, *graph.value_info, *graph.output):
            self._values[value.name] = self._declared(value)
        for tensor in graph.initializer:
            self._values[tensor.name] = self._stored(tensor.name, tensor)
        for node in graph.node:
            if node.op_type == "Constant" and node.output:
                tensors = [a.t for a in node.attribute if a.name == "value"]
                stored = self._stored(node.output[0], tensors[0]) if tensors else None
                self._values[node.output[0]] = stored or TensorSpec(node.output[0], constant=True)
            elif node.op_type in _PASSED_THROUGH and node.input and node.output:
                self._note_passed_through(node)
        self._note_casts(graph)

    def _note_passed_through(self, node: Any) -> None:
        """Note that a value is as constant as what it is made of, or else has its shape."""
        source, value = self._value(node.input[0]), self._value(node.output[0])
        if source.constant:
            self._values[node.output[0]] = replace(source, read_as=value.dtype)
            return
        shape = source.shape if value.shape is None else value.shape
        self._values[node.output[0]] = replace(value, shape=shape)
        if node.op_type == "DequantizeLinear":
            self._note_dequantized(node)

    def _note_casts(self, graph: Any) -> None:
        """Note the values that a Cast alone reads, with the element type that it makes of them."""
        readers = Counter(name for node in graph.node for name in node.input)
        readers.update(value.name for value in graph.output)
        for node in graph.node:
            targets = [a.i for a in node.attribute if a.name == "to"]
            if node.op_type == "Cast" and node.input and targets and readers[node.input[0]] == 1:
                value = self._value(node.input[0])
                self._values[node.input[0]] = replace(value, cast_to=self._dtype(targets[0]))

    def _note_dequantized(self, node: Any) -> None:
        """Note what element type a value was dequantized from, which its zero point has too."""
        stored = [self._value(name).dtype for name in (*node.input[2:3], node.input[0])]
        dtype = next((name for name in stored if name), None)
        value = self._value(node.output[0])
        self._values[node.output[0]] = replace(value, dequantized_from=dtype)

    def _operator(
        self, index: int, node: Any, keys: Mapping[str, str], *, nested: bool
    ) -> Operator:
        inputs = tuple(self._read(name) if name else None for name in node.input)
        outputs = tuple(self._read(name) for name in node.output if name)
        attributes = {a.name: v for a in node.attribute if (v := self._setting(a)) is not None}
        name = node.name or (node.output[0] if node.output else f"node {index}")
        domain = _domain(node.domain)
        if (domain, node.op_type) in self._functions:
            domain = "local"
        return Operator(
            index=index,
            type=node.op_type,
            name=name,
            version=self._version(node.op_type, domain),
            inputs=inputs,
            outputs=outputs,
            attributes=attributes,
            module=self._module(node),
            convolution=_convolution(node.op_type, attributes, inputs),
            domain=domain,
            reads=tuple(keys.get(name, name) for name in node.input),
            writes=tuple(keys.get(name, name) for name in node.output if name),
            nested=nested,
        )

    def _value(self, name: str) -> TensorSpec:
        return self._values.get(name) or TensorSpec(name)

    def _read(self, name: str) -> TensorSpec:
        return replace(self._value(name), readers=self._readers[name])

    def _version(self, kind: str, domain: str) -> int | None:
        """Return the opset that last changed an operator, by the opset that the file imports; None for unknown ones."""
        try:
            schema = self._onnx.defs.get_schema(kind, self._opsets.get(domain, 0), domain)
        except (self._onnx.defs.SchemaError, TypeError):  # TypeError: a version beyond 32 bits
            return None
        return int(schema.since_version)

    def _module(self, node: Any) -> str | None:
        own = (node.name, *node.output)
        names = (
            (*node.input[1:], *own) if node.op_type in _WEIGHT_INPUT else (*own, *node.input[1:])
        )
        notes = [n.value for n in node.metadata_props if n.key == _SCOPES]
        scopes = [_innermost_scope(note) for note in notes if isinstance(note, str)]
        return find_module(names, ours=self._ours) or next(iter(scopes), None)

    def _declared(self, value: Any) -> TensorSpec:
        kind = value.type.tensor_type
        dims = kind.shape.dim if kind.HasField("shape") else None
        shape = None if dims is None else tuple(d.dim_value or None for d in dims)
        return TensorSpec(value.name, self._dtype(kind.elem_type), shape)

    def _stored(self, name: str, tensor: Any) -> TensorSpec:
        shape: Shape = tuple(int(size) for size in tensor.dims)
        dtype = self._dtype(tensor.data_type)
        return TensorSpec(name, dtype, shape, constant=True, values=self._numbers(tensor))

    def _numbers(self, tensor: Any) -> tuple[int | float, ...] | None:
        """Return the numbers of a short constant: sizes, bounds, scales and zero points."""
        outside = tensor.data_location == self._onnx.TensorProto.EXTERNAL
        known = self._dtype(tensor.data_type) in _NUMBERS
        if outside or not known or not 0 <= math.prod(tensor.dims) <= LONGEST_SETTING:
            return None
        try:
            return tuple(self._onnx.numpy_helper.to_array(tensor).ravel().tolist())
        except (ValueError, TypeError):  # fewer or more numbers than its shape says
            return None

    def _dtype(self, code: int) -> str | None:
        names = {v: k.lower() for k, v in self._onnx.TensorProto.DataType.items() if v}
        return {"float": "float32", "double": "float64"}.get(names.get(code, ""), names.get(code))

    def _setting(self, attribute: Any) -> Attribute | None:
        """Return a short attribute as a plain value; None for tensors, graphs and long lists."""
        kinds = self._onnx.AttributeProto
        many = {kinds.INTS: "ints", kinds.FLOATS: "floats"}.get(attribute.type)
        if attribute.type == kinds.STRING:
            return str(attribute.s.decode(errors="replace"))[:LONGEST_SETTING]
        if attribute.type == kinds.FLOAT:
            return float(attribute.f)
        if attribute.type == kinds.INT:
            return int(attribute.i)
        if many and len(getattr(attribute, many)) <= LONGEST_SETTING:
            return tuple(getattr(attribute, many))
        return None


def _spend_on(model: Any, budget: ReadingBudget) -> None:
    """Refuse a model of which more records would be made than its size allows, before any is."""
    budget.spend(len(model.opset_import) + len(model.metadata_props), ENTRY_BYTES)
    budget.spend(len(model.functions), RECORD_BYTES)
    for graph in graphs_within(model.graph):
        declared = (graph.input, graph.value_info, graph.output)
        for values in (graph.node, graph.initializer, *declared):
            budget.spend(len(values), RECORD_BYTES)
        for node in graph.node:
            entries = (node.input, node.output, node.attribute, node.metadata_props)
            budget.spend(sum(map(len, entries)), ENTRY_BYTES)
        for value in (value for values in declared for value in values):
            budget.spend(len(value.type.tensor_type.shape.dim), ENTRY_BYTES)
        for tensor in graph.initializer:
            budget.spend(len(tensor.dims), ENTRY_BYTES)


def graphs_within(graph: Any) -> Iterator[Any]:
    """Yield a graph and those nested in its nodes (branches, loop bodies)."""
    yield graph
    for nested in nested_graphs(graph):
        yield from graphs_within(nested)


def nodes_within(graph: Any) -> Iterator[Any]:
    """Yield the nodes of a graph, then those of the graphs nested in them."""
    for nested in graphs_within(graph):
        yield from nested.node


def _check_text(node: Any) -> None:
    """Refuse a node with a name that is not UTF-8, which protobuf gives as bytes."""
    names = (node.op_type, node.name, node.domain, *node.input, *node.output)
    settings = (attribute.name for attribute in node.attribute)
    if any(isinstance(name, bytes) for name in (*names, *settings)):
        raise ValueError("a name in it is not text")


def _domain(name: str) -> str:
    return "" if name in _DEFAULT_DOMAINS else name


def _innermost_scope(text: str) -> str | None:
    """Return the layer in the exporter's note "['', 'model', 'model.head', 'conv2d']", whose last entry is the node."""
    scopes = [scope.strip(" '\"") for scope in text.strip("[]").split(",")]
    return scopes[-2] or None if len(scopes) > 2 else None


def _convolution(
    kind: str, attributes: dict[str, Attribute], inputs: tuple[TensorSpec | None, ...]
) -> Convolution | None:
    """Return the geometry of a two-dimensional convolution; None where its weight's shape is not in the file."""
    place = _WEIGHT_INPUT.get(kind, len(inputs))
    weight = inputs[place] if place < len(inputs) else None
    shape = weight.shape if weight else None  # (K, C / groups, h, w)
    if shape is None or len(shape) != 4 or not all(shape):
        return None
    outputs, per_group, *kernel = (int(size or 0) for size in shape)
    groups = attributes.get("group", 1)
    if not isinstance(groups, int) or groups < 1:
        return None
    automatic = attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "")
    return Convolution(
        kernel_hw=(kernel[0], kernel[1]),
        rate_hw=height_and_width(attributes.get("dilations")),
        stride_hw=height_and_width(attributes.get("strides")),
        channels=per_group * groups,
        groups=groups,
        multiplier=outputs // groups,
        padding=None if automatic else _pads(attributes.get("pads")),
    )


def _pads(value: Attribute | None) -> tuple[int, int, int, int]:
    if isinstance(value, tuple) and len(value) == 4:
        top, left, bottom, right = (int(v) for v in value)
        return top, left, bottom, right
    return 0, 0, 0, 0
