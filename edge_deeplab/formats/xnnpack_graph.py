"""What ExecuTorch's XNNPACK backend compiled: a graph of XNNPACK's own operators over numbered values.

Layout (executorch/backends/xnnpack/serialization): a header of 30 bytes, a flatbuffer of `schema.fbs`, and constants,
which stand behind it or under names in the program's file.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_deeplab.formats.executorch_file import ExecuTorchFile, executorch_schema
from edge_deeplab.formats.flatbuffer import FlatTable, read_flatbuffer

BACKEND = "XnnpackBackend"
_HEADER, _MAGIC = struct.Struct("<4x4sHIIIQ"), b"XH00"
_BEHIND = 2**64 - 1
"""Offset of a constant that stands under a name."""
_ELEMENTS = {
    "fp32": "float32",
    "fp16": "float16",
    "bf16": "bfloat16",
    "int32": "int32",
    "qint8": "int8",
    "quint8": "uint8",
    "qcint8": "int8",
    "qint32": "int32",
    "qcint32": "int32",
}
"""NumPy's names of the element types whose numbers are read."""
_PREFIX = "xnn_datatype_"
_READS = ("input_id", *(f"input{i}_id" for i in range(1, 6)), "filter_id", "bias_id")
ABSENT = 2**32 - 1
"""Number of a value that is left out."""


@dataclass(frozen=True)
class XnnpackValue:
    """A value of the graph.

    Args:
        number: by which operators name it.
        datatype: XNNPACK's name of its type, as "qcint8" (int8 with a scale a channel).
        shape: its sizes, channels last.
        constant: which constant it is; 0 for one that is computed.
        external: which argument of the delegate it is; None for one within.
        quantization: how its integers stand for numbers; None of floats.
    """

    number: int
    datatype: str
    shape: tuple[int, ...]
    constant: int
    external: int | None
    quantization: FlatTable | None

    @property
    def element(self) -> str:
        """NumPy's name of its type; XNNPACK's for one whose numbers are not read."""
        return _ELEMENTS.get(self.datatype, self.datatype)


@dataclass(frozen=True)
class XnnpackNode:
    """An operator of the graph.

    Args:
        kind: XNNPACK's name of it, as "XNNConv2d".
        handle: number that the exporter gave the operator that it was made of.
        reads: numbers of the values it reads.
        writes: that of the value it computes.
        settings: its other fields.
    """

    kind: str
    handle: int
    reads: tuple[int, ...]
    writes: int
    settings: Mapping[str, Any]


class XnnpackGraph:
    """One compiled part.

    Args:
        content: what the delegate holds.
        file: the program that it is a part of, whose budget it takes from and which has the data that it names.

    Raises:
        ValueError: when it is none, here and in every method.
    """

    def __init__(self, content: memoryview, file: ExecuTorchFile) -> None:
        if len(content) < _HEADER.size:
            raise ValueError("XNNPACK's part is too short for its header")
        magic, _, start, size, self._data_at, _ = _HEADER.unpack_from(content, 0)
        if magic != _MAGIC or start + size > len(content):
            raise ValueError("XNNPACK's part has no header that fits it")
        self._content, self._named = content, file.named
        self._graph = read_flatbuffer(
            content[start : start + size],
            executorch_schema("backends/xnnpack/serialization/schema.fbs"),
            file.budget,
        )

    @cached_property
    def values(self) -> Mapping[int, XnnpackValue]:
        """Every value, by number."""
        read = [_value_of(entry["xvalue_union"]) for entry in self._graph["xvalues"]]
        return {value.number: value for value in read}

    @cached_property
    def nodes(self) -> tuple[XnnpackNode, ...]:
        """Every operator, in the order of execution."""
        nodes = tuple(_node_of(entry) for entry in self._graph["xnodes"])
        for node in nodes:
            if not self.values.keys() >= {*node.reads, node.writes}:
                raise ValueError(f"an operator {node.kind} names a value that does not exist")
        return nodes

    def numbers(self, value: XnnpackValue) -> npt.NDArray[Any]:
        """Return a constant's numbers, in its shape, as a view of the file.

        Raises:
            ValueError: when they are of a type that is not read, or do not fill the shape.
        """
        if value.datatype not in _ELEMENTS or value.element == "bfloat16":
            raise ValueError(f"a constant is {value.datatype}, which is not read")
        return self._constant(value.constant, value.element, value.shape)

    def scales(self, told: FlatTable) -> npt.NDArray[np.float32]:
        """Return the scales of a `PerChannelQuant`, which stand beside it or are a constant themselves."""
        if told["scale_buffer_idx"]:
            return self._constant(told["scale_buffer_idx"], "float32", (told["num_scales"],))
        return np.asarray(told["scale"], np.float32)

    def _constant(self, place: int, element: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        if not 0 < place < len(self._constants):
            raise ValueError("a constant is named that does not exist")
        told, size = self._constants[place], prod(shape) * np.dtype(element).itemsize
        if told["named_key"] and told["offset"] == _BEHIND:
            content = self._named(told["named_key"])
        else:
            start = self._data_at + told["offset"]
            content = self._content[start : start + told["size"]]
        if len(content) < size:
            raise ValueError(f"a constant of shape {shape} has {len(content)} bytes")
        return np.frombuffer(content[:size], np.dtype(element).newbyteorder("<")).reshape(shape)

    @cached_property
    def _constants(self) -> list[FlatTable]:
        found: list[FlatTable] = self._graph["constant_data"]
        return found


def _value_of(told: FlatTable | None) -> XnnpackValue:
    if told is None:
        raise ValueError("a value of XNNPACK's part is empty")
    quantization = None
    if told.kind == "XNNQuantizedTensorValue":
        quantization, told = told["quant_params"], told["tensor_value"]
        if told is None or quantization is None:
            raise ValueError("a quantized value of XNNPACK's part lacks its scale or itself")
    external = int(told["external_id"])
    return XnnpackValue(
        number=int(told["id_out"]),
        datatype=str(told["datatype"]).removeprefix(_PREFIX),
        shape=tuple(int(size) for size in told["dims"]),
        constant=int(told["constant_buffer_idx"]),
        external=None if external == ABSENT else external,
        quantization=quantization,
    )


def _node_of(entry: FlatTable) -> XnnpackNode:
    told: FlatTable | None = entry["xnode_union"]
    if told is None:
        raise ValueError("an operator of XNNPACK's part is empty")
    fields = told.to_dict()
    reads = [int(fields.pop(name)) for name in _READS if name in fields]
    writes = int(fields.pop("output_id", fields.pop("output_value_id", ABSENT)))
    limits = entry["output_min_max"]
    if limits is not None:
        fields |= limits.to_dict()
    fields.pop("flags", None)
    return XnnpackNode(
        told.kind, int(entry["debug_handle"]), tuple(_present(told.kind, reads)), writes, fields
    )


def _present(kind: str, reads: list[int]) -> list[int]:
    """Return the values that an operator reads: a concatenation of two has fields for five."""
    parts = kind.removeprefix("XNNConcatenate")
    return reads[: int(parts)] if parts != kind else [n for n in reads if n != ABSENT]
