"""What a Core ML program takes from its weight files, checked against what lies in them.

A value that is too large for the program names a file and an offset. There 64 bytes tell element type, size and place
of the data, in coremltools' `MILBlob/Blob/StorageFormat.hpp`. A copy that stopped half-way keeps the program whole and
cuts the file, so each reference is followed; of the data itself nothing is read.
"""

import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

_FOLDER_OF_MODEL = "@model_path"
_VALUE = "CoreML.Specification.MILSpec.Value"
_HEADER, METADATA = struct.Struct("<II"), struct.Struct("<IIQQ")
_VERSION, _SENTINEL = 2, 0xDEADBEEF
_BITS_A_BYTE = 8
_HIGHEST_RANK = 16
"""Core ML's own tensors have five axes at most."""


class _Element(NamedTuple):
    """An element type: its number in a weight file, and bits each."""

    number: int
    bits: int


_ELEMENTS: Mapping[str, _Element] = {
    "FLOAT16": _Element(1, 16),
    "FLOAT32": _Element(2, 32),
    "UINT8": _Element(3, 8),
    "INT8": _Element(4, 8),
    "BFLOAT16": _Element(5, 16),
    "INT16": _Element(6, 16),
    "UINT16": _Element(7, 16),
    "INT4": _Element(8, 4),
    "UINT1": _Element(9, 1),
    "UINT2": _Element(10, 2),
    "UINT4": _Element(11, 4),
    "UINT3": _Element(12, 3),
    "UINT6": _Element(13, 6),
    "INT32": _Element(14, 32),
    "UINT32": _Element(15, 32),
    "FLOAT8E4M3FN": _Element(16, 8),
    "FLOAT8E5M2": _Element(17, 8),
}
"""By the name of MIL's data type; `BlobDataType.hpp` has the numbers. What is not here cannot be stored in a file."""


def check_weights(model: Any, folder: Path) -> None:
    """Check every reference of a model to a weight file.

    Args:
        model: a parsed `Model` protobuf.
        folder: where its file lies.

    Raises:
        ValueError: for the first reference to a file that is absent or cut short, or to data of another type or size.
    """
    stored: dict[str, list[Any]] = defaultdict(list)
    for value in _stored_values(model):
        stored[value.blobFileValue.fileName].append(value)
    for name, values in stored.items():
        path = place_of(name, folder)
        try:
            with path.open("rb") as file:
                _check_file(file, path, values)
        except OSError as error:
            raise ValueError(
                f"its weight file {name} cannot be read: {error.strerror or error}"
            ) from error


def place_of(name: str, folder: Path) -> Path:
    """Return where a weight file lies, which must be a plain file under the model's own folder."""
    first, *parts = PurePosixPath(name).parts or ("",)
    if first != _FOLDER_OF_MODEL or not parts or ".." in parts:
        raise ValueError(f"it stores weights in {name!r}, which is no file of the package")
    path = folder.joinpath(*parts)
    if not path.is_file():
        raise ValueError(f"its weight file {name} is missing")
    return path


def _check_file(file: BinaryIO, path: Path, values: list[Any]) -> None:
    size = path.stat().st_size
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size or _HEADER.unpack(header)[1] != _VERSION:
        raise ValueError(f"its {path.name} is no weight file of version {_VERSION}")
    for value in values:
        _check_value(file, size, path.name, value)


def _check_value(file: BinaryIO, size: int, name: str, value: Any) -> None:
    """Check one value: where its file says that the data lies, and that it is what the program declares."""
    offset = value.blobFileValue.offset
    element, wanted = _declared(value)
    end = offset + METADATA.size
    if end > size:
        raise _cut_short(name, size, end)
    file.seek(offset)
    sentinel, number, length, start = METADATA.unpack(file.read(METADATA.size))
    if sentinel != _SENTINEL:
        raise ValueError(
            f"its {name} has no weight at byte {offset}, where the program looks for one"
        )
    if number != element.number or length != wanted:
        raise ValueError(
            f"its {name} has {length} bytes of type {number} at byte {offset}, where the program declares {wanted} "
            f"bytes of type {element.number}"
        )
    if start + length > size:
        raise _cut_short(name, size, start + length)


def _declared(value: Any) -> tuple[_Element, int]:
    """Return the element type and the number of bytes that a program declares for a stored value."""
    kind = value.type.tensorType
    data_type = kind.DESCRIPTOR.fields_by_name["dataType"].enum_type.values_by_number
    name = data_type[kind.dataType].name if kind.dataType in data_type else str(kind.dataType)
    element = _ELEMENTS.get(name)
    sizes = [d.constant.size for d in kind.dimensions if d.HasField("constant")]
    if element is None or not len(sizes) == len(kind.dimensions) <= _HIGHEST_RANK:
        raise ValueError(
            f"it stores a weight of type {name} with {len(kind.dimensions)} axes, {len(sizes)} of them of known size"
        )
    bits = element.bits * prod(sizes)
    return element, -(-bits // _BITS_A_BYTE)


def _cut_short(name: str, size: int, end: int) -> ValueError:
    return ValueError(
        f"its {name} ends after {size} bytes, and the program takes up to byte {end} from it"
    )


def _stored_values(model: Any) -> Iterator[Any]:
    """Yield every value that lies in a weight file, wherever in the model it stands."""
    pending = [model]
    while pending:
        message = pending.pop()
        if (
            message.DESCRIPTOR.full_name == _VALUE
            and message.WhichOneof("value") == "blobFileValue"
        ):
            yield message
        pending += _messages_in(message)


def _messages_in(message: Any) -> Iterator[Any]:
    for field, content in message.ListFields():
        kind = field.message_type
        if kind is None:
            continue
        if kind.GetOptions().map_entry:
            if kind.fields_by_name["value"].message_type:
                yield from content.values()
        elif hasattr(content, "DESCRIPTOR"):
            yield content
        else:
            yield from content
