"""Tables of a .tflite flatbuffer, read and edited in place with nothing but the standard library.

FlatBuffers in three sentences. A table starts with a signed offset back to its vtable, which lists, two bytes a field,
where each field lies in the table (0: absent). Vectors, strings and tables are reached through a 32-bit offset, counted
from where it stands. A vector or string starts with its length. Field numbers are those of TFLite's schema.fbs.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Edits = Mapping[int, int]
"""32-bit numbers to write, by their places in the file."""


def root_table(content: bytes) -> "TFLiteTable":
    """Return the outermost table; what leads out of the bytes raises struct.error or IndexError, here and later."""
    return TFLiteTable(content, _unsigned(content, 0))


def edited(content: bytes, edits: Edits) -> bytes:
    """Return a copy of a file with other numbers in some places."""
    copy = bytearray(content)
    for place, number in edits.items():
        struct.pack_into("<I", copy, place, number)
    return bytes(copy)


@dataclass(frozen=True)
class TFLiteTable:
    """A FlatBuffers table at a position in a buffer."""

    buffer: bytes
    position: int

    def tables(self, field: int) -> "Iterator[TFLiteTable]":
        """Yield the tables of a vector field."""
        start = self._target(field)
        count = 0 if start is None else _unsigned(self.buffer, start)
        return (self.table(field, index) for index in range(count))

    def table(self, field: int, index: int) -> "TFLiteTable":
        """Return one table of a vector field."""
        start = self._target(field)
        if start is None or index >= _unsigned(self.buffer, start):
            raise IndexError(f"its vector {field} has no entry {index}")
        slot = start + 4 + 4 * index
        return TFLiteTable(self.buffer, slot + _unsigned(self.buffer, slot))

    def count(self, field: int) -> int:
        """Return how many entries a vector field has."""
        start = self._target(field)
        return 0 if start is None else _unsigned(self.buffer, start)

    def integer(self, field: int, index: int) -> int:
        """Return one entry of a vector of 32-bit integers."""
        start = self._target(field)
        if start is None or index >= _unsigned(self.buffer, start):
            raise IndexError(f"its vector {field} has no entry {index}")
        (value,) = struct.unpack_from("<i", self.buffer, start + 4 + 4 * index)
        return int(value)

    def keeping(self, field: int, index: int) -> "Edits":
        """Return what leaves one table of a vector field."""
        start, table = self._target(field), self.table(field, index)
        assert start is not None, "it has that table"
        return {start: 1, start + 4: table.position - (start + 4)}

    def clearing(self, field: int) -> "Edits":
        """Return what sets a 32-bit field to 0, which an absent one is."""
        slot = self._slot(field)
        return {} if slot is None else {slot: 0}

    def is_text(self, field: int, text: bytes) -> bool:
        """Whether a string field is this text; a longer one is not copied."""
        start = self._target(field)
        if start is None or _unsigned(self.buffer, start) != len(text):
            return False
        return self.buffer[start + 4 : start + 4 + len(text)] == text

    def bytes(self, field: int) -> bytes:
        """Return a string or byte vector field; empty where absent."""
        start = self._target(field)
        if start is None:
            return b""
        return self.buffer[start + 4 : start + 4 + _unsigned(self.buffer, start)]

    def unsigned(self, field: int, *, wide: bool = False) -> int:
        """Return a 32-bit (wide: 64-bit) field; 0 where absent."""
        slot = self._slot(field)
        return 0 if slot is None else _unsigned(self.buffer, slot, wide=wide)

    def _slot(self, field: int) -> int | None:
        vtable = self.position - struct.unpack_from("<i", self.buffer, self.position)[0]
        entry = 4 + 2 * field
        if entry >= struct.unpack_from("<H", self.buffer, vtable)[0]:
            return None
        (offset,) = struct.unpack_from("<H", self.buffer, vtable + entry)
        return self.position + offset if offset else None

    def _target(self, field: int) -> int | None:
        slot = self._slot(field)
        return None if slot is None else slot + _unsigned(self.buffer, slot)


def _unsigned(buffer: bytes, position: int, *, wide: bool = False) -> int:
    (value,) = struct.unpack_from("<Q" if wide else "<I", buffer, position)
    return int(value)
