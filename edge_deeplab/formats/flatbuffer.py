"""Reads any flatbuffer by its schema, the `.fbs` text that its maker ships, with every length bounded.

A flatbuffer is offsets all the way down, and compiled readers follow them unchecked: a changed byte crashes them. Here
each number is read inside the bytes or it is an error, and what a file can make a reader hold is taken off a budget.
Offsets point forwards alone, so no table holds itself.
"""

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_deeplab.formats.source import ENTRY_BYTES, RECORD_BYTES, ReadingBudget

_SCALARS = {
    "bool": "?",
    "byte": "b",
    "int8": "b",
    "ubyte": "B",
    "uint8": "B",
    "short": "h",
    "int16": "h",
    "ushort": "H",
    "uint16": "H",
    "int": "i",
    "int32": "i",
    "uint": "I",
    "uint32": "I",
    "long": "q",
    "int64": "q",
    "ulong": "Q",
    "uint64": "Q",
    "float": "f",
    "float32": "f",
    "double": "d",
    "float64": "d",
}
"""Codes of `struct` by a schema's names of numbers; NumPy knows the same codes."""
_NUMBERS = {"?": bool, "f": float, "d": float}
"""What a number is in Python by its code; an int by all others."""
_BYTES = "bB"
_DECLARATION = re.compile(r"\b(table|enum|union)\s+(\w+)\s*(?::\s*(\w+)\s*)?\{([^}]*)\}")
_FIELD = re.compile(r"(\w+)\s*:\s*(\[?)\s*([\w.]+)\s*\]?\s*(?:=\s*([-\w.]+))?")
_MEMBER = re.compile(r"(\w+)\s*(?:([:=])\s*([-\w]+))?")
_COMMENT = re.compile(r"//[^\n]*")
_INCLUDE = re.compile(r'\binclude\s+"([\w./-]+)"')
_FIRST_SLOT, _SLOT_BYTES = 4, 2


@dataclass(frozen=True)
class _Field:
    """One field of a table: the place of its offset among the table's own, its type, and what an absent one is."""

    slot: int
    kind: str
    repeated: bool
    default: str | None


@dataclass(frozen=True)
class Schema:
    """What a `.fbs` text declares.

    Args:
        root: name of the outermost table.
        identifier: the four letters that its files have behind their first offset; "" where it states none.
        tables: fields by name, by table.
        enums: the scalar that stores it, and names by number, by enumeration.
        unions: table by number, each with the member's name, by union.
    """

    root: str
    identifier: str
    tables: Mapping[str, Mapping[str, _Field]]
    enums: Mapping[str, tuple[str, Mapping[int, str]]]
    unions: Mapping[str, Mapping[int, tuple[str, str]]]


@cache
def load_schema(path: Path) -> Schema:
    """Return the schema of a `.fbs` file and of those that it includes.

    Args:
        path: the file, from an installed package.
    """
    text = _text_of(path)
    found: dict[str, dict[str, Any]] = {"table": {}, "enum": {}, "union": {}}
    declarations = _DECLARATION.findall(text)
    for kind, name, stored_as, body in declarations:
        if kind == "enum":
            found[kind][name] = stored_as, {n: member for member, _, n in _numbered(body, 0)}
        elif kind == "union":
            found[kind][name] = {n: (m, table or m) for m, table, n in _numbered(body, 1)}
    for kind, name, _, body in declarations:
        if kind == "table":
            found[kind][name] = _fields_of(body, found["union"])
    root, identifier = (
        re.search(r"\broot_type\s+(\w+)", text),
        re.search(r'\bfile_identifier\s+"(.{4})"', text),
    )
    assert root is not None, f"{path} names no root"
    return Schema(
        root[1], identifier[1] if identifier else "", found["table"], found["enum"], found["union"]
    )


def _text_of(path: Path) -> str:
    text = _COMMENT.sub("", path.read_text(encoding="utf-8"))
    return text + "".join(_text_of(path.with_name(name)) for name in _INCLUDE.findall(text))


def _numbered(body: str, first: int) -> list[tuple[str, str, int]]:
    """Return the members of an enumeration or union: name, what a union calls its table, number."""
    members, number = [], first
    for name, sign, value in _MEMBER.findall(body):
        number = int(value) if sign == "=" else number
        members.append((name, value if sign == ":" else "", number))
        number += 1
    return members


def _fields_of(body: str, unions: Mapping[str, Any]) -> dict[str, _Field]:
    fields, slot = {}, 0
    for statement in body.split(";"):
        match = _FIELD.match(statement.strip())
        if match is None:
            continue
        name, vector, kind, default = match.groups()
        kind = kind.rpartition(".")[2]
        slot += kind in unions  # its number stands before it
        fields[name] = _Field(slot, kind, bool(vector), default)
        slot += 1
    return fields


@dataclass(frozen=True)
class _Buffer:
    """The bytes of one flatbuffer, its schema, and what reading it may still hold."""

    content: memoryview
    schema: Schema
    budget: ReadingBudget

    def number(self, code: str, at: int) -> Any:
        """Return the number at a place."""
        if not 0 <= at <= len(self.content) - struct.calcsize(code):
            raise ValueError("an offset leads out of the file")
        return struct.unpack_from("<" + code, self.content, at)[0]

    def follow(self, at: int) -> int:
        """Return where the offset at a place leads."""
        return at + int(self.number("I", at))

    def span(self, start: int, size: int) -> memoryview:
        """Return a stretch of the bytes."""
        if start < 0 or start + size > len(self.content):
            raise ValueError("a vector is longer than the file")
        return self.content[start : start + size]


@dataclass(frozen=True)
class FlatTable:
    """One table; `table["field"]` is read when it is asked for.

    A number is a number, an enumeration its name ("7" for one that the schema does not know), a string a str, a vector
    of numbers an array that is a view of the file, a vector of tables a list, a union or a table that is absent None.

    Args:
        kind: its name in the schema; of a union's member, the name that the union has for it.
    """

    kind: str
    _table: str = field(repr=False)
    _buffer: _Buffer = field(repr=False)
    _at: int = field(repr=False)

    def __getitem__(self, name: str) -> Any:
        """Return a field.

        Raises:
            KeyError: when the schema has none of that name.
            ValueError: when it leads out of the file, or holds more than the file's budget.
        """
        told = self._buffer.schema.tables[self._table][name]
        at = self._place(told.slot)
        if told.repeated:
            return self._vector(told.kind, at)
        if told.kind in self._buffer.schema.unions:
            return self._member(told, at)
        if told.kind == "string":
            return "" if at is None else self._string(self._buffer.follow(at))
        if told.kind in self._buffer.schema.tables:
            return None if at is None else self._sub(told.kind, self._buffer.follow(at))
        return self._scalar(told, at)

    def states(self, name: str) -> bool:
        """Whether the file states a field, rather than leave it at what the schema says."""
        return self._place(self._buffer.schema.tables[self._table][name].slot) is not None

    def to_dict(self) -> dict[str, Any]:
        """Return every field by its name; of a deprecated one, what the schema says it is."""
        return {name: self[name] for name in self._buffer.schema.tables[self._table]}

    def _place(self, slot: int) -> int | None:
        """Return where a field stands; None where it is left out."""
        vtable = self._at - int(self._buffer.number("i", self._at))
        entry = _FIRST_SLOT + slot * _SLOT_BYTES
        if entry + _SLOT_BYTES > self._buffer.number("H", vtable):
            return None
        offset = self._buffer.number("H", vtable + entry)
        return self._at + offset if offset else None

    def _scalar(self, told: _Field, at: int | None) -> Any:
        stored_as, names = self._buffer.schema.enums.get(told.kind, (told.kind, None))
        if at is not None:
            value = self._buffer.number(_SCALARS[stored_as], at)
        elif names is not None and told.default:
            return told.default
        else:
            value = _NUMBERS.get(_SCALARS[stored_as], int)(float(told.default or 0))
        return value if names is None else names.get(value, str(value))

    def _member(self, told: _Field, at: int | None) -> "FlatTable | None":
        number_at = self._place(told.slot - 1)
        number = 0 if number_at is None else self._buffer.number("B", number_at)
        if at is None or not number:
            return None
        name, table = self._buffer.schema.unions[told.kind].get(number, ("", ""))
        if not name:
            raise ValueError(f"{told.kind} number {number} is not known")
        return self._sub(table, self._buffer.follow(at), name)

    def _sub(self, table: str, at: int, name: str = "") -> "FlatTable":
        self._buffer.budget.spend(1, RECORD_BYTES)
        return FlatTable(name or table, table, self._buffer, at)

    def _string(self, at: int) -> str:
        size = self._buffer.number("I", at)
        content = self._buffer.span(at + 4, self._buffer.budget.spend(size))
        return bytes(content).decode(errors="replace")

    def _vector(self, kind: str, at: int | None) -> Any:
        schema = self._buffer.schema
        start = None if at is None else self._buffer.follow(at)
        count = 0 if start is None else int(self._buffer.number("I", start))
        first = 0 if start is None else start + 4
        if kind in schema.tables or kind == "string":
            self._buffer.budget.spend(count, ENTRY_BYTES)
            places = [self._buffer.follow(first + 4 * i) for i in range(count)]
            return [self._string(p) if kind == "string" else self._sub(kind, p) for p in places]
        code = "<" + _SCALARS[schema.enums.get(kind, (kind, None))[0]]
        stretch = self._buffer.span(first, count * np.dtype(code).itemsize)
        if code[1] not in _BYTES:  # those are data, of which nobody makes a list
            self._buffer.budget.spend(count, ENTRY_BYTES)
        found: npt.NDArray[Any] = np.frombuffer(stretch, code)
        return found


def read_flatbuffer(
    content: bytes | bytearray | memoryview, schema: Schema, budget: ReadingBudget | None = None
) -> FlatTable:
    """Return the outermost table of a flatbuffer.

    Args:
        content: its bytes, of which arrays are views.
        schema: what they hold.
        budget: of the file that it is a part of; None: a budget of its own.

    Raises:
        ValueError: when the schema's identifier is missing, or the bytes are too few.
    """
    view = memoryview(content)
    if bytes(view[4:8]) != schema.identifier.encode():
        raise ValueError(f"the {schema.identifier} identifier is missing")
    buffer = _Buffer(view, schema, budget or ReadingBudget.for_file(len(view)))
    return FlatTable(schema.root, schema.root, buffer, buffer.follow(0))
