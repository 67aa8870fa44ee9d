"""Reads an ExecuTorch program into a `FileGraph`: what the runtime's own kernels compute, and what XNNPACK was handed.

A part that XNNPACK compiled is listed operator by operator, in its place; one of another backend is one operator, as
its content is that backend's own.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.formats.executorch_file import ExecuTorchFile, OperatorNames
from edge_deeplab.formats.flatbuffer import FlatTable
from edge_deeplab.formats.graph import (
    Attribute,
    Convolution,
    FileGraph,
    Operator,
    TensorQuantization,
    TensorSpec,
)
from edge_deeplab.formats.operator_names import find_module
from edge_deeplab.formats.source import LONGEST_SETTING, RECORD_BYTES, read_bytes, unreadable
from edge_deeplab.formats.xnnpack_graph import BACKEND, XnnpackGraph, XnnpackNode, XnnpackValue

XNNPACK, DELEGATE = "xnnpack", "delegate"
"""Domains of operators: within a part that XNNPACK compiled, and a whole part of another backend."""
_CONVOLUTIONS = ("XNNConv2d", "XNNDepthwiseConv2d")
_TYPES = {
    "BYTE": "uint8",
    "CHAR": "int8",
    "SHORT": "int16",
    "INT": "int32",
    "LONG": "int64",
    "HALF": "float16",
    "FLOAT": "float32",
    "DOUBLE": "float64",
}
"""NumPy's names by torch's; of others torch's own, in lower case."""
_PLAIN = {"Int": "int_val", "Bool": "bool_val", "Double": "double_val"}
_Any = TypeVar("_Any")


def read_executorch(path: Path) -> FileGraph:
    """Return what a `.pte` file holds.

    Args:
        path: the file.

    Raises:
        ArtifactError: when it is no ExecuTorch program.
        MissingDependencyError: without executorch.
    """
    content = read_bytes(path)
    try:
        file = ExecuTorchFile(content)
        operators = tuple(chain.from_iterable(operators_by_instruction(file)))
        if not operators:
            raise ValueError("its method has no instructions")
    except (ValueError, TypeError, OverflowError) as error:
        raise unreadable(path, "an ExecuTorch program", str(error)) from error
    return FileGraph(path, "executorch", {"program": file.version}, operators)


def operators_by_instruction(file: ExecuTorchFile) -> list[tuple[Operator, ...]]:
    """Return, of each instruction of a program's method, the operators that it is.

    Raises:
        ValueError: when the program is damaged.
    """
    return list(_ProgramReader(file).instructions())


def element_of(told: FlatTable) -> str:
    """Return NumPy's name of a tensor's element type; torch's own, in lower case, of another."""
    element = str(told["scalar_type"])
    return _TYPES.get(element, element.lower())


class _ProgramReader:
    """The method of a program, its values read once."""

    def __init__(self, file: ExecuTorchFile) -> None:
        self._file = file
        self._ours = file.text(METADATA_KEY) is not None
        self._names = OperatorNames(file)
        self._values = [entry["val"] for entry in file.plan["values"]]
        self._parts: dict[int, XnnpackGraph] = {}
        self._kernels = [_kernel_name(told) for told in file.plan["operators"]]

    def instructions(self) -> Iterator[tuple[Operator, ...]]:
        """Yield the operators of each instruction, in the order of execution."""
        index = 0
        for told in self._file.plan["chains"]:
            for instruction in told["instructions"]:
                operators = tuple(self._called(instruction["instr_args"], index))
                index += len(operators)
                yield operators

    def _called(self, called: FlatTable | None, index: int) -> Iterator[Operator]:
        if called is None:
            raise ValueError("an instruction is empty")
        if called.kind == "KernelCall":
            yield self._kernel(called, index)
        elif called.kind == "DelegateCall":
            number, places = int(called["delegate_index"]), called["args"].tolist()
            delegate = _at(self._file.delegates, number)
            if delegate.backend != BACKEND:
                yield self._whole(delegate.backend, number, places, index)
                return
            graph = self._parts.get(number) or XnnpackGraph(delegate.content, self._file)
            self._parts[number] = graph
            self._file.budget.spend(len(graph.nodes) + len(graph.values), RECORD_BYTES)
            constants = {p for p in places if (v := _at(self._values, p)) and _is_constant(v)}
            part = _XnnpackPart(graph, self._names, number, places, constants)
            for place, node in enumerate(graph.nodes, index):
                yield part.operator(node, place, ours=self._ours)

    def _kernel(self, called: FlatTable, index: int) -> Operator:
        """Return a call of one of the runtime's own kernels, whose last arguments are what it writes."""
        kind, places = _at(self._kernels, called["op_index"]), called["args"].tolist()
        told = {place: _at(self._values, place) for place in places}
        named = [at for place in places for at in (place, *_items(told[place]))]
        tensors = [p for p in named if (v := _at(self._values, p)) and v.kind == "Tensor"]
        writes = tensors[-1:]
        reads = [place for place in tensors if place not in writes]
        settings = {f"argument {i}": _setting(told[place]) for i, place in enumerate(places)}
        return Operator(
            index=index,
            type=kind,
            name=f"{kind.rpartition('::')[2]} {index}",
            version=None,
            inputs=tuple(_spec(place, self._values[place]) for place in reads),
            outputs=tuple(_spec(place, self._values[place]) for place in writes),
            attributes={key: value for key, value in settings.items() if value is not None},
            reads=tuple(map(str, reads)),
            writes=tuple(map(str, writes)),
        )

    def _whole(self, backend: str, number: int, places: Sequence[int], index: int) -> Operator:
        """Return a part of a backend whose content is not read."""
        return Operator(
            index=index,
            type=backend,
            name=f"delegate {number}",
            version=None,
            inputs=tuple(TensorSpec(f"value {place}") for place in places[:-1]),
            outputs=tuple(TensorSpec(f"value {place}") for place in places[-1:]),
            attributes={"bytes": len(self._file.delegates[number].content)},
            domain=DELEGATE,
            reads=tuple(map(str, places[:-1])),
            writes=tuple(map(str, places[-1:])),
        )


class _XnnpackPart:
    """A part that XNNPACK compiled, as operators of the file.

    Args:
        graph: the part.
        names: what operators are called.
        number: of the part among the program's delegates.
        places: values of the method that it reads and writes, in the order of its own numbers for them.
        constants: those of the method's values that stand in the file.
    """

    def __init__(
        self,
        graph: XnnpackGraph,
        names: OperatorNames,
        number: int,
        places: Sequence[int],
        constants: Container[int | None],
    ) -> None:
        self._graph, self._names, self._number, self._places = graph, names, number, places
        self._constants = constants
        self._handles = {node.writes: node.handle for node in graph.nodes}
        self._specs = {value.number: self._spec(value) for value in graph.values.values()}

    def operator(self, node: XnnpackNode, index: int, *, ours: bool) -> Operator:
        """Return an operator of the part as one of the file's, whose names may follow this project's rule."""
        name = self._names.operator(node.handle) or f"{node.kind} {index}"
        settings = {key: _short(value) for key, value in node.settings.items()}
        return Operator(
            index=index,
            type=node.kind,
            name=name,
            version=None,
            inputs=tuple(self._specs[number] for number in node.reads),
            outputs=(self._specs[node.writes],),
            attributes={key: value for key, value in settings.items() if value is not None},
            module=find_module([name], ours=True) if ours else None,
            convolution=_convolution(node),
            domain=XNNPACK,
            reads=tuple(self._key(number) for number in node.reads),
            writes=(self._key(node.writes),),
        )

    def _key(self, number: int) -> str:
        """Return the key of a value: the method's own for what the part takes and gives."""
        place = self._place(self._graph.values[number])
        return f"{self._number}:{number}" if place is None else str(place)

    def _place(self, value: XnnpackValue) -> int | None:
        """Return which value of the method it is; None for one within the part."""
        external = value.external
        return (
            self._places[external]
            if external is not None and external < len(self._places)
            else None
        )

    def _spec(self, value: XnnpackValue) -> TensorSpec:
        called = self._names.result(self._handles.get(value.number))
        return TensorSpec(
            name=called or f"value {self._number}:{value.number}",
            dtype=value.element,
            shape=value.shape,
            constant=bool(value.constant) or self._place(value) in self._constants,
            quantization=_quantization(value, self._graph),
        )


def _convolution(node: XnnpackNode) -> Convolution | None:
    if node.kind not in _CONVOLUTIONS:
        return None
    told: Mapping[str, Any] = node.settings
    groups = int(told["groups"])
    pads = (told[f"padding_{side}"] for side in ("top", "left", "bottom", "right"))
    top, left, bottom, right = (int(pad) for pad in pads)
    return Convolution(
        kernel_hw=(int(told["kernel_height"]), int(told["kernel_width"])),
        rate_hw=(int(told["dilation_height"]), int(told["dilation_width"])),
        stride_hw=(int(told["subsampling_height"]), int(told["subsampling_width"])),
        channels=groups * int(told["group_input_channels"]),
        groups=groups,
        multiplier=int(told["group_output_channels"]),
        padding=(top, left, bottom, right),
    )


def _quantization(value: XnnpackValue, graph: XnnpackGraph) -> TensorQuantization | None:
    told = value.quantization
    if told is None:
        return None
    if told.kind == "PerTensorQuant":
        scale, zero_point = float(told["scale"]), int(told["zero_point"])
        return TensorQuantization((scale, scale), (zero_point, zero_point))
    if told.kind == "PerChannelQuant":
        scales = graph.scales(told)
        if not scales.size:
            raise ValueError("a value has no scales")
        bounds = float(np.min(scales)), float(np.max(scales))
        return TensorQuantization(bounds, (0, 0), scales.size, int(told["channel_dim"]))
    return None


def _kernel_name(told: FlatTable) -> str:
    """Return a kernel's name, its overload behind it where that is more than where it writes."""
    overload = str(told["overload"]).removesuffix("out").removesuffix("_")
    return f"{told['name']}.{overload}" if overload else str(told["name"])


def _spec(place: int, told: FlatTable) -> TensorSpec:
    return TensorSpec(
        name=f"value {place}",
        dtype=element_of(told),
        shape=tuple(told["sizes"].tolist()),
        constant=_is_constant(told),
    )


def _is_constant(told: FlatTable) -> bool:
    if told.kind != "Tensor":
        return False
    return bool(told["data_buffer_idx"]) and told["allocation_info"] is None


def _items(told: FlatTable | None) -> list[int]:
    """Return the values that a list of tensors consists of; none of another value."""
    if told is None or told.kind not in ("TensorList", "OptionalTensorList"):
        return []
    return [int(place) for place in told["items"] if place >= 0]


def _setting(told: FlatTable | None) -> Attribute | None:
    if told is None or told.kind not in _PLAIN:
        return None
    value: Attribute = told[_PLAIN[told.kind]]
    return value


def _short(value: Any) -> Attribute | None:
    if isinstance(value, np.ndarray):
        return tuple(value.tolist()) if value.size <= LONGEST_SETTING else None
    return value if isinstance(value, bool | int | float | str) else None


def _at(sequence: Sequence[_Any], place: int) -> _Any:
    """Return what stands at a place.

    Raises:
        ValueError: when nothing does.
    """
    if not 0 <= place < len(sequence):
        raise ValueError("an instruction names what does not exist")
    return sequence[place]
