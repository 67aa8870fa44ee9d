"""ExecuTorch programs whose numbers are changed one at a time, through classes that flatc makes of its schemas.

Constants are changed where they stand. What stands in XNNPACK's flatbuffer is copied behind the file with the
change, and the program's segment pointed there.
"""

import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.formats.stored.executorch import ExecuTorchReader
from tests.formats.stored.mutation import Changes, changed_one_by_one, next_to

_SCHEMAS = {"exir/_serialize": "program", "backends/xnnpack/serialization": "schema"}
_HEADER = struct.Struct("<4x4sHIIIQ")
_QUANTIZATION, _OFFSET, _SIZE = 8, 4, 6
"""Places of fields among their tables' own: of a value's quantization, and of where a segment lies and ends."""


@cache
def generated(schema: str) -> Any:
    """Return the classes that ExecuTorch's own flatc makes of one of its schemas."""
    spec = find_spec("executorch")
    assert spec is not None
    assert spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    folder = next(folder for folder, name in _SCHEMAS.items() if name == schema)
    made = tempfile.mkdtemp()
    flatc = [str(package / "data/bin/flatc"), "--python", "--gen-onefile"]
    place = str(package / folder / f"{schema}.fbs")
    subprocess.run([*flatc, "-o", made, place], check=True)
    sys.path.insert(0, made)
    try:
        return import_module(f"{schema}_generated")
    finally:
        sys.path.remove(made)


class MutableExecuTorch:
    """The bytes of a program with one part of XNNPACK's."""

    def __init__(self, path: Path) -> None:
        self._content = bytearray(path.read_bytes())
        program = generated("program").Program.GetRootAs(self._content, 0)
        self._base = struct.unpack_from("<Q", self._content, 24)[0]
        plans = [program.ExecutionPlan(i) for i in range(program.ExecutionPlanLength())]
        (forward,) = [plan for plan in plans if plan.Name() == b"forward"]
        assert forward.DelegatesLength() == 1
        self._part = program.Segments(forward.Delegates(0).Processed().Index())
        named = [program.NamedData(i) for i in range(program.NamedDataLength())]
        start = self._base + self._part.Offset()
        _, _, flat_at, size, _, _ = _HEADER.unpack_from(self._content, start)
        self._flatbuffer = self._content[start + flat_at : start + flat_at + size]
        self._segments = {entry.Key(): program.Segments(entry.SegmentIndex()) for entry in named}

    def open(self) -> ExecuTorchReader:
        return ExecuTorchReader(self._content)

    def save(self, folder: Path) -> Path:
        path = folder / "changed.pte"
        path.write_bytes(self._content)
        return path

    def changes(self, *, weights: bool) -> Iterator[Changes]:
        schema = generated("schema")
        graph = schema.XNNGraph.GetRootAs(self._flatbuffer, 0)
        for index in range(graph.XvaluesLength()):
            value = graph.Xvalues(index)
            if value.XvalueUnionType() != schema.XValueUnion.XNNQuantizedTensorValue:
                continue
            told = _as(schema.XNNQuantizedTensorValue, value.XvalueUnion())
            stored, name = told.TensorValue(), f"value {told.TensorValue().IdOut()}"
            if told.QuantParamsType() == schema.XNNQuantParams.PerTensorQuant:
                one = _as(schema.PerTensorQuant, told.QuantParams())
                scale, zero_point = np.float32(one.Scale()), np.int32(one.ZeroPoint())
                pairs = {
                    "scale": (next_to(scale), zero_point),
                    "zero point": (scale, next_to(zero_point)),
                }
                for kind, pair in pairs.items():
                    yield self._table(told, struct.pack("<fi", *pair), kind, name)
                continue
            each = _as(schema.PerChannelQuant, told.QuantParams())
            numbers = each.ChannelDim() + 1, each.ScaleBufferIdx(), each.NumScales()
            axis = "axis" if each.NumScales() > 1 else "idle axis"
            yield self._table(told, struct.pack("<4xiII", *numbers), axis, name)
            yield self._constant(graph, each.ScaleBufferIdx(), "<f4", "scale", name)
            is_weight = stored.Datatype() == schema.XNNDatatype.xnn_datatype_qcint8
            if weights or not is_weight:
                kind, dtype = ("weight", "i1") if is_weight else ("bias", "<i4")
                yield self._constant(graph, stored.ConstantBufferIdx(), dtype, kind, name)

    def _constant(self, graph: Any, place: int, dtype: str, kind: Any, name: str) -> Changes:
        segment = self._segments[graph.ConstantData(place).NamedKey()]
        start = self._base + segment.Offset()
        numbers = np.frombuffer(memoryview(self._content)[start : start + segment.Size()], dtype)
        return Changes(kind, f"{name} {kind}", lambda: self._each_of(numbers), self.open)

    def _each_of(self, numbers: Any) -> Iterator[None]:
        yield from changed_one_by_one(numbers)

    def _table(self, told: Any, fields: bytes, kind: Any, name: str) -> Changes:
        """Return the change of one of the numbers by which a value is quantized.

        Args:
            told: the value.
            fields: the changed table, one place of four bytes a field; the first of several is a vector that is absent.
            kind: of the number.
            name: of the value.
        """

        def each() -> Iterator[None]:
            kept = self._content
            self._content = self._pointing(told._tab.Pos + told._tab.Offset(_QUANTIZATION), fields)
            yield
            self._content = kept

        return Changes(kind, f"{name} {kind}", each, self.open)

    def _pointing(self, offset_at: int, fields: bytes) -> bytearray:
        """Return the file with a copy of the part behind it, in which an offset leads to a table of these fields."""
        count, absent = len(fields) // 4, len(fields) > 8
        places = [0 if absent and i == 0 else 4 + 4 * i for i in range(count)]
        vtable = struct.pack(f"<HH{count}H", 4 + 2 * count, 4 + len(fields), *places)
        flat = self._flatbuffer + b"\0" * (-len(self._flatbuffer) % 4)
        vtable_at, table_at = len(flat), len(flat) + len(vtable) + -len(vtable) % 4
        flat += vtable.ljust(table_at - vtable_at, b"\0")
        flat += struct.pack("<i", table_at - vtable_at) + fields
        struct.pack_into("<I", flat, offset_at, table_at - offset_at)
        header = _HEADER.pack(b"XH00", _HEADER.size, 32, len(flat), 32 + len(flat), 0)
        part = header.ljust(32, b"\0") + flat
        content = self._content + b"\0" * (-len(self._content) % 16)
        for slot, number in ((_OFFSET, len(content) - self._base), (_SIZE, len(part))):
            at = self._part._tab.Pos + self._part._tab.Offset(slot)
            struct.pack_into("<Q", content, at, number)
        return content + part


def _as(kind: Any, table: Any) -> Any:
    """Return a union's member as what it is."""
    member = kind()
    member.Init(table.Bytes, table.Pos)
    return member
