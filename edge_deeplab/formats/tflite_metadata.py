"""Read a named metadata buffer straight from a .tflite flatbuffer, with nothing but the standard library
and a bound on what it may ask for: offsets may make many entries share one stretch of bytes.

Field numbers are those of TFLite's schema.fbs.
"""

import struct

from edge_deeplab.formats.source import RECORD_BYTES, ReadingBudget
from edge_deeplab.formats.tflite_tables import TFLiteTable, root_table

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
        root = root_table(model)
        for entry in root.tables(_MODEL_METADATA):
            budget.spend(1, RECORD_BYTES)
            if entry.is_text(_METADATA_NAME, name.encode()):
                buffer = root.table(_MODEL_BUFFERS, entry.unsigned(_METADATA_BUFFER))
                return _buffer_content(buffer).decode()
    except (struct.error, IndexError) as error:
        raise ValueError(f"the flatbuffer points outside itself: {error}") from error
    return None


def _buffer_content(buffer: TFLiteTable) -> bytes:
    """Return a buffer's bytes; models above 2 GB keep them behind the flatbuffer."""
    offset = buffer.unsigned(_BUFFER_OFFSET, wide=True)
    if offset > 1:
        return buffer.buffer[offset : offset + buffer.unsigned(_BUFFER_SIZE, wide=True)]
    return buffer.bytes(_BUFFER_DATA)
