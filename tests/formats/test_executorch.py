"""ExecuTorch programs that ask for far more memory than their size: one budget bounds the program and its parts."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import pytest

from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.executorch import read_executorch
from edge_deeplab.formats.executorch_file import executorch_schema
from edge_deeplab.formats.flatbuffer import Schema
from edge_deeplab.formats.stored.executorch import ExecuTorchReader

_PREPENDS = {"int": "Int32", "uint": "Uint32"}
_HEADER = struct.Struct("<4x4sHIIIQ")


class Buffer:
    """A flatbuffer under construction, by the schema of what it holds."""

    def __init__(self, schema: Schema) -> None:
        self._schema, self._builder = schema, flatbuffers.Builder(1024)

    def table(self, name: str, /, **fields: Any) -> int:
        """Add a table; a field is a number, or in a tuple the place of something added before it.

        A union's field is the member's name and place.
        """
        told = self._schema.tables[name]
        self._builder.StartObject(1 + max(field.slot for field in told.values()))
        for key, value in fields.items():
            field = told[key]
            if isinstance(value, int):
                prepend = getattr(self._builder, f"Prepend{_PREPENDS[field.kind]}Slot")
                prepend(field.slot, value, None)
                continue
            *member, place = value
            for kind in member:
                members = self._schema.unions[field.kind]
                number = next(n for n, (found, _) in members.items() if found == kind)
                self._builder.PrependUint8Slot(field.slot - 1, number, 0)
            self._builder.PrependUOffsetTRelativeSlot(field.slot, place, 0)
        return int(self._builder.EndObject())

    def tables(self, places: Sequence[int]) -> tuple[int]:
        self._builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            self._builder.PrependUOffsetTRelative(place)
        return (int(self._builder.EndVector()),)

    def data(self, content: bytes) -> tuple[int]:
        return (int(self._builder.CreateByteVector(content)),)

    def text(self, content: str) -> tuple[int]:
        return (int(self._builder.CreateString(content)),)

    def finish(self, **fields: Any) -> bytes:
        root = self.table(self._schema.root, **fields)
        self._builder.Finish(root, self._schema.identifier.encode())
        return bytes(self._builder.Output())


def xnnpack_part(nodes: int) -> bytes:
    """Return a compiled part whose operators are one and the same record."""
    buffer = Buffer(executorch_schema("backends/xnnpack/serialization/schema.fbs"))
    value = buffer.table("XNNTensorValue", id_out=0, external_id=2**32 - 1)
    values = buffer.tables([buffer.table("XValue", xvalue_union=("XNNTensorValue", value))])
    settings = buffer.table("_XNNNode1x1", input_id=0, output_id=0)
    node = buffer.table("XNode", xnode_union=("XNNSigmoid", settings))
    graph = buffer.finish(xnodes=buffer.tables([node] * nodes), xvalues=values)
    return _HEADER.pack(b"XH00", 30, 30, len(graph), 30 + len(graph), 0) + graph


def program(path: Path, *, nodes: int, calls: int = 1, parts: int = 1) -> Path:
    """Write a program that calls a part again and again, or has as many that are one and the same data."""
    buffer = Buffer(executorch_schema("exir/_serialize/program.fbs"))
    data = buffer.data(xnnpack_part(nodes))
    inline = buffer.tables([buffer.table("BackendDelegateInlineData", data=data)])
    name, identifier = buffer.text("forward"), buffer.text("XnnpackBackend")
    reference = buffer.table("BackendDelegateDataReference")
    delegate = buffer.table("BackendDelegate", id=identifier, processed=(reference,))
    called = buffer.table("DelegateCall")
    instruction = buffer.table("Instruction", instr_args=("DelegateCall", called))
    chain = buffer.table("Chain", instructions=buffer.tables([instruction] * calls))
    plan = buffer.table(
        "ExecutionPlan",
        name=name,
        chains=buffer.tables([chain]),
        delegates=buffer.tables([delegate] * parts),
    )
    path.write_bytes(
        buffer.finish(execution_plan=buffer.tables([plan]), backend_delegate_data=inline)
    )
    return path


def test_part_that_is_called_twice_is_listed_twice(tmp_path: Path) -> None:
    graph = read_executorch(program(tmp_path / "twice.pte", nodes=3, calls=2))
    assert [operator.type for operator in graph.operators] == ["XNNSigmoid"] * 6
    assert [operator.index for operator in graph.operators] == list(range(6))


def test_calls_of_one_part_are_bounded_together(tmp_path: Path) -> None:
    """10 kB that would be 500,000 operators."""
    path = program(tmp_path / "calls.pte", nodes=500, calls=1000)
    assert path.stat().st_size < 10_000
    with pytest.raises(ArtifactError, match="asks for more memory"):
        read_executorch(path)


def test_parts_of_one_data_are_bounded_together(tmp_path: Path) -> None:
    path = program(tmp_path / "parts.pte", nodes=500, parts=1000)
    with pytest.raises(ValueError, match="asks for more memory"):
        ExecuTorchReader(path.read_bytes())
