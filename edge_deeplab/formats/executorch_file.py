"""An ExecuTorch program file (`.pte`): its flatbuffer, the segments of data behind it, and what its delegates hold.

Layout (executorch/exir/_serialize/_program.py and its `program.fbs`): a flatbuffer with an extended header of 32 bytes
at byte 8, which says where the segments begin; constants and what a delegate compiled are segments.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.documents import parse_json
from edge_deeplab.errors import MissingDependencyError
from edge_deeplab.formats.flatbuffer import FlatTable, Schema, load_schema, read_flatbuffer
from edge_deeplab.formats.source import ReadingBudget

METHOD = "forward"
"""The method that runs the network."""
_HEADER_AT, _HEADER = 8, struct.Struct("<4sIQQ")
_MAGIC = b"eh00"


def executorch_schema(path: str) -> Schema:
    """Return a schema that the `executorch` package ships; nothing of the package is imported.

    Args:
        path: of the `.fbs` file below the package.

    Raises:
        MissingDependencyError: without executorch.
    """
    found = find_spec("executorch")
    if found is None or not found.submodule_search_locations:
        raise MissingDependencyError("executorch", extra="executorch")
    return load_schema(Path(found.submodule_search_locations[0]) / path)


@dataclass(frozen=True)
class Delegate:
    """A part of the program that a backend compiled.

    Args:
        backend: its name, as "XnnpackBackend".
        content: what it compiled.
    """

    backend: str
    content: memoryview


class ExecuTorchFile:
    """One program.

    Args:
        content: the file's bytes, of which everything is a view.

    Attributes:
        budget: what reading the program and its delegates may hold in all.

    Raises:
        ValueError: when it is no program, here and in every method.
        MissingDependencyError: without executorch, whose schema is read.
    """

    def __init__(self, content: bytes | bytearray) -> None:
        self._content = memoryview(content)
        self.budget = ReadingBudget.for_file(len(content))
        schema = executorch_schema("exir/_serialize/program.fbs")
        self._program = read_flatbuffer(content, schema, self.budget)
        self._segments = self._program["segments"]
        self._base = self._segment_base()

    def _segment_base(self) -> int:
        if len(self._content) < _HEADER_AT + _HEADER.size:
            return 0
        magic, _, _, base = _HEADER.unpack_from(self._content, _HEADER_AT)
        return int(base) if magic == _MAGIC else 0

    @property
    def version(self) -> int:
        """Of the format."""
        return int(self._program["version"])

    @cached_property
    def _plans(self) -> Mapping[str, FlatTable]:
        return {plan["name"]: plan for plan in self._program["execution_plan"]}

    @property
    def plan(self) -> FlatTable:
        """The method that runs the network: `METHOD`, or a file's only one."""
        if METHOD in self._plans:
            return self._plans[METHOD]
        if len(self._plans) != 1:
            raise ValueError(f"it has no method {METHOD!r}")
        (only,) = self._plans.values()
        return only

    def text(self, method: str) -> str | None:
        """Return the text that a method without instructions gives; None where there is no such method."""
        plan = self._plans.get(method)
        if plan is None or len(plan["outputs"]) != 1:
            return None
        values, place = plan["values"], int(plan["outputs"][0])
        value = values[place]["val"] if 0 <= place < len(values) else None
        return str(value["string_val"]) if value is not None and value.kind == "String" else None

    @cached_property
    def delegates(self) -> tuple[Delegate, ...]:
        """What backends compiled of the network, in the order of their numbers."""
        return tuple(
            Delegate(told["id"], self._processed(told["processed"]))
            for told in self.plan["delegates"]
        )

    def _processed(self, reference: FlatTable | None) -> memoryview:
        if reference is None:
            raise ValueError("a delegate names no data")
        if reference["location"] == "SEGMENT":
            return self._segment(reference["index"])
        inline = self._program["backend_delegate_data"]
        if reference["index"] >= len(inline):
            raise ValueError("a delegate names data that does not exist")
        return memoryview(inline[reference["index"]]["data"])

    @cached_property
    def _named(self) -> Mapping[str, int]:
        return {entry["key"]: entry["segment_index"] for entry in self._program["named_data"]}

    def named(self, key: str) -> memoryview:
        """Return the data of a name, which delegates share."""
        if key not in self._named:
            raise ValueError(f"no data has the name {key}")
        return self._segment(self._named[key])

    def _segment(self, index: int) -> memoryview:
        if not 0 <= index < len(self._segments):
            raise ValueError("a segment is named that does not exist")
        told: Any = self._segments[index]
        start, size = self._base + told["offset"], told["size"]
        if start + size > len(self._content):
            raise ValueError("a segment is longer than the file")
        return self._content[start : start + size]


NAMES = f"{METADATA_KEY}_names"
"""A method of this project's files: by the exporter's number of an operator, its name and that of its result."""


class OperatorNames:
    """What a file's operators are called; a program itself only numbers them.

    Args:
        file: the program; one that tells no names has none.

    Raises:
        ValueError: when what tells them is damaged.
    """

    def __init__(self, file: ExecuTorchFile) -> None:
        told = file.text(NAMES)
        document = {} if told is None else parse_json(told)
        if not isinstance(document, dict) or not all(map(_is_pair, document.values())):
            raise ValueError("what tells the names of its operators is damaged")
        self._names: dict[str, list[str]] = document

    def operator(self, handle: int) -> str | None:
        """Return an operator's name."""
        return self._names.get(str(handle), [None, None])[0]

    def result(self, handle: int | None) -> str | None:
        """Return the name of what an operator gives, which may be that of another that became one with it."""
        return self._names.get(str(handle), [None, None])[1]


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(v, str) for v in value)
