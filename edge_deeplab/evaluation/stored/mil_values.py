"""Constants of a Core ML program as arrays, whether they stand in the program or in a weight file beside it.

In a weight file 64 bytes at the offset that the program names tell element type, size and place of the data
(coremltools' `MILBlob/Blob/StorageFormat.hpp`). Nothing outside the model's own folder is opened.
"""

import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from edge_deeplab.converters.operators.source import Budget, read_bytes
from edge_deeplab.evaluation.stored.tensor import Array

_FOLDER_OF_MODEL = "@model_path"
_METADATA = struct.Struct("<IIQQ")
_SENTINEL = 0xDEADBEEF
_HIGHEST_RANK = 16
_ELEMENTS: Mapping[str, tuple[int, str]] = {
    "FLOAT16": (1, "<f2"),
    "FLOAT32": (2, "<f4"),
    "UINT8": (3, "u1"),
    "INT8": (4, "i1"),
    "INT16": (6, "<i2"),
    "UINT16": (7, "<u2"),
    "INT32": (14, "<i4"),
}
"""By MIL's name of a data type: its number in a weight file, and NumPy's name."""
_TYPED_FIELDS = {"ints": "INT32", "floats": "FLOAT32"}
"""Fields of an immediate value that hold numbers one by one; all other types stand in `bytes`."""


class WeightFiles:
    """The weight files of one model, each read when it is first asked for.

    Args:
        folder: where the model's file lies.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._contents: dict[str, bytes | bytearray] = {}

    def content(self, name: str) -> bytes | bytearray:
        """Return a weight file.

        Args:
            name: as the program spells it: "@model_path/weights/weight.bin".

        Raises:
            ArtifactError: when it cannot be read.
            ValueError: when it is no plain file under the model's own folder.
        """
        if name not in self._contents:
            first, *parts = PurePosixPath(name).parts or ("",)
            path = self._folder.joinpath(*parts)
            inside = path.resolve().is_relative_to(self._folder.resolve())
            if first != _FOLDER_OF_MODEL or not parts or ".." in parts or not inside:
                raise ValueError(f"it stores weights in {name!r}, which is no file of the package")
            self._contents[name] = read_bytes(path, wanted="a weight file of the package")
        return self._contents[name]

    def data(self, name: str, offset: int, element: str) -> memoryview:
        """Return the bytes that stand at an offset, whose element type is checked; errors as for `content`."""
        content = memoryview(self.content(name))
        if offset + _METADATA.size > len(content):
            raise ValueError(
                f"{name} ends before byte {offset}, where the program looks for a weight"
            )
        sentinel, number, length, start = _METADATA.unpack_from(content, offset)
        if sentinel != _SENTINEL or number != _ELEMENTS[element][0]:
            raise ValueError(f"{name} has no {element} weight at byte {offset}")
        if start + length > len(content):
            raise ValueError(f"{name} is cut short: a weight ends at byte {start + length}")
        return content[start : start + length]


class MilValues:
    """Turns `Value` messages into arrays.

    Args:
        weights: the weight files.
        types: MIL's names of data types, by number.
        budget: of bytes.
    """

    def __init__(self, weights: WeightFiles, types: Mapping[int, str], budget: Budget) -> None:
        self._weights = weights
        self._types = types
        self._budget = budget

    def type_of(self, value: Any) -> str:
        """Return MIL's name of the data type of a value, named or constant; "" for what is no tensor."""
        return self._types.get(value.type.tensorType.dataType, "")

    def array(self, value: Any) -> Array:
        """Return a constant as an array of its shape.

        Raises:
            ArtifactError: when its weight file cannot be read.
            ValueError: for a type that is not read, or data that do not fill the shape.
        """
        element = self.type_of(value)
        if element not in _ELEMENTS:
            raise ValueError(f"it stores {element or 'no tensor'} where numbers were expected")
        kind = np.dtype(_ELEMENTS[element][1])
        if value.WhichOneof("value") == "blobFileValue":
            stored = value.blobFileValue
            data = self._weights.data(stored.fileName, stored.offset, element)
            numbers: Array = np.frombuffer(data, kind)
        else:
            numbers = _immediate(value.immediateValue.tensor, element, kind)
        self._budget.spend(numbers.nbytes)
        shape = _shape(value)
        if prod(shape) != numbers.size:
            raise ValueError(f"a constant of shape {shape} holds {numbers.size} numbers")
        return numbers.reshape(shape)

    def text(self, value: Any) -> str:
        """Return a constant string; "" for anything else."""
        strings = value.immediateValue.tensor.strings.values
        return str(strings[0]) if len(strings) == 1 else ""


def _immediate(tensor: Any, element: str, kind: np.dtype[Any]) -> Array:
    field = tensor.WhichOneof("value")
    if field == "bytes":
        return np.frombuffer(tensor.bytes.values, kind)
    if _TYPED_FIELDS.get(field) != element:
        raise ValueError(f"it stores {element} numbers as {field}")
    return np.array(getattr(tensor, field).values, kind)


def _shape(value: Any) -> tuple[int, ...]:
    dimensions = value.type.tensorType.dimensions
    if len(dimensions) > _HIGHEST_RANK:
        raise ValueError(f"a constant has {len(dimensions)} axes")
    return tuple(int(d.constant.size) for d in dimensions)
