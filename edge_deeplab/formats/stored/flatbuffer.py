"""A TFLite flatbuffer through TFLite's own schema, its lengths bounded before anything loops over them."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.errors import require
from edge_deeplab.formats.source import ENTRY_BYTES, RECORD_BYTES, ReadingBudget
from edge_deeplab.formats.stored.reader import numbers_budget
from edge_deeplab.formats.stored.tensor import Array

_IDENTIFIER = b"TFL3"
_LAST_PLACEHOLDER_CODE = 127
"""Operators above it stand in the newer, wider field of their code."""
_NUMBERS = {
    "INT8": "i1",
    "UINT8": "u1",
    "INT16": "<i2",
    "UINT16": "<u2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FLOAT16": "<f2",
    "FLOAT32": "<f4",
}


@dataclass(frozen=True)
class FlatOperator:
    """An operator.

    Args:
        kind: TFLite's name of it.
        inputs: indices of the tensors it reads; -1 for one that is left out.
        outputs: indices of those it computes.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class FlatModel:
    """One flatbuffer.

    Args:
        content: its bytes; what is read are views of them.

    Raises:
        ValueError: when it is none. The schema's classes raise errors of their own, too, here and in every method.
    """

    def __init__(self, content: bytes | bytearray) -> None:
        if content[4:8] != _IDENTIFIER:
            raise ValueError("the TFL3 identifier is missing")
        schema: Any = require(
            "ai_edge_litert.schema_py_generated", package="ai-edge-litert", extra="tflite"
        )
        self._model = schema.Model.GetRootAs(content, 0)
        self._records, self._bytes = (
            ReadingBudget.for_file(len(content)),
            numbers_budget(len(content)),
        )
        self._types, self._kinds = _names_of(schema.TensorType), _names_of(schema.BuiltinOperator)

    @property
    def is_ours(self) -> bool:
        """Whether it describes itself as this project's files do."""
        entries = self._range(self._model.MetadataLength())
        return METADATA_KEY in {self._text(self._model.Metadata(i).Name()) for i in entries}

    def graphs(self) -> list[Any]:
        """Return its subgraphs."""
        return [self._model.Subgraphs(i) for i in self._range(self._model.SubgraphsLength())]

    def tensors(self, graph: Any) -> list[Any]:
        """Return the tensors of a subgraph."""
        return [graph.Tensors(i) for i in self._range(graph.TensorsLength())]

    def operators(self, graph: Any) -> list[FlatOperator]:
        """Return the operators of a subgraph, in its order.

        Raises:
            ValueError: when one names a tensor that does not exist.
        """
        flat = [graph.Operators(i) for i in self._range(graph.OperatorsLength())]
        count = graph.TensorsLength()
        return [
            FlatOperator(
                self._kind(operator),
                self._indices(operator, "Inputs", count),
                self._indices(operator, "Outputs", count),
            )
            for operator in flat
        ]

    def name(self, tensor: Any) -> str:
        """Return a tensor's name."""
        return self._text(tensor.Name())

    def element(self, tensor: Any) -> str:
        """Return NumPy's name of a tensor's type, TFLite's for one that NumPy does not know."""
        return self._types.get(tensor.Type(), str(tensor.Type())).lower()

    def vector(self, table: Any, field: str) -> Array:
        """Return a vector of numbers; empty where it is absent."""
        length = getattr(table, f"{field}Length")()
        if not length:
            return np.zeros(0)
        vector: Array = getattr(table, f"{field}AsNumpy")()
        self._bytes.spend(vector.nbytes)
        return vector

    def is_constant(self, tensor: Any) -> bool:
        """Whether a tensor's numbers stand in the file."""
        buffer = self._model.Buffers(tensor.Buffer())
        return bool(buffer.DataLength() or buffer.Offset() > 1)

    def values(self, tensor: Any) -> Array:
        """Return a constant tensor's numbers, in its shape.

        Raises:
            ValueError: when they are stored in a way that is not read, or do not fill the shape.
        """
        name = self._types.get(tensor.Type(), str(tensor.Type()))
        buffer = self._model.Buffers(tensor.Buffer())
        if name not in _NUMBERS or tensor.Sparsity() is not None or buffer.Offset() > 1:
            raise ValueError(
                f"{self.name(tensor)} is {name}, sparse or stored behind the flatbuffer"
            )
        numbers = self.vector(buffer, "Data").view(_NUMBERS[name])
        shape = tuple(int(size) for size in self.vector(tensor, "Shape"))
        if min(shape, default=1) < 0 or prod(shape) != numbers.size:
            raise ValueError(f"{self.name(tensor)} of shape {shape} holds {numbers.size} numbers")
        return numbers.reshape(shape)

    def _kind(self, operator: Any) -> str:
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        number = code.DeprecatedBuiltinCode()
        if number >= _LAST_PLACEHOLDER_CODE or number < code.BuiltinCode():
            number = code.BuiltinCode()
        return self._kinds.get(number, f"BUILTIN_{number}")

    def _indices(self, operator: Any, field: str, count: int) -> tuple[int, ...]:
        self._records.spend(getattr(operator, f"{field}Length")(), ENTRY_BYTES)
        indices = tuple(int(index) for index in self.vector(operator, field))
        if any(not -1 <= index < count for index in indices):
            raise ValueError("an operator names a tensor that does not exist")
        return indices

    def _range(self, length: int) -> range:
        return range(self._records.spend(length, RECORD_BYTES))

    def _text(self, content: bytes | None) -> str:
        self._records.spend(len(content or b""))
        return (content or b"").decode(errors="replace")


def _names_of(enumeration: Any) -> dict[int, str]:
    return {v: k for k, v in vars(enumeration).items() if isinstance(v, int)}
