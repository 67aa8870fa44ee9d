"""Read a named metadata buffer straight from a .tflite flatbuffer, with nothing but the standard library
and a bound on what it may ask for: offsets may make many entries share one stretch of bytes.

FlatBuffers in three sentences. A table starts with a signed offset back to its vtable, which lists, two bytes a field,
where each field lies in the table (0: absent). Vectors, strings and tables are reached through a 32-bit offset, counted
from where it stands. A vector or string starts with its length. Field numbers are those of TFLite's schema.fbs.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from edge_deeplab.formats.source import RECORD_BYTES, ReadingBudget

_MODEL_BUFFERS, _MODEL_METADATA = 4, 6
_METADATA_NAME, _METADATA_BUFFER = 0, 1
_BUFFER_DATA, _BUFFER_OFFSET, _BUFFER_SIZE = 0, 1, 2


def read_metadata(model: bytes, name: str) -> str | None:
    """Return the text of a named metadata entry; None where the model has none of that name.

    Args:
        model: a whole .tflite file.
        name: the entry's name.

    Raises:
        ValueError: when offsets point outside the file, or its metadata has more entries than a file of its size.
    """
    budget = ReadingBudget.for_file(len(model))
    try:
        root = _Table(model, _unsigned(model, 0))
        for entry in root.tables(_MODEL_METADATA):
            budget.spend(1, RECORD_BYTES)
            if entry.is_text(_METADATA_NAME, name.encode()):
                buffer = root.table(_MODEL_BUFFERS, entry.unsigned(_METADATA_BUFFER))
                return _buffer_content(buffer).decode()
    except (struct.error, IndexError) as error:
        raise ValueError(f"the flatbuffer points outside itself: {error}") from error
    return None


@dataclass(frozen=True)
class _Table:
    """A FlatBuffers table at a position in a buffer."""

    buffer: bytes
    position: int

    def tables(self, field: int) -> "Iterator[_Table]":
        """Yield the tables of a vector field."""
        start = self._target(field)
        count = 0 if start is None else _unsigned(self.buffer, start)
        return (self.table(field, index) for index in range(count))

    def table(self, field: int, index: int) -> "_Table":
        """Return one table of a vector field."""
        start = self._target(field)
        if start is None or index >= _unsigned(self.buffer, start):
            raise IndexError(f"its vector {field} has no entry {index}")
        slot = start + 4 + 4 * index
        return _Table(self.buffer, slot + _unsigned(self.buffer, slot))

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


def _buffer_content(buffer: _Table) -> bytes:
    """Return a buffer's bytes; models above 2 GB keep them behind the flatbuffer."""
    offset = buffer.unsigned(_BUFFER_OFFSET, wide=True)
    if offset > 1:
        return buffer.buffer[offset : offset + buffer.unsigned(_BUFFER_SIZE, wide=True)]
    return buffer.bytes(_BUFFER_DATA)


def _unsigned(buffer: bytes, position: int, *, wide: bool = False) -> int:
    (value,) = struct.unpack_from("<Q" if wide else "<I", buffer, position)
    return int(value)
