"""Constants of a Core ML program as arrays, whether they stand in the program or in a weight file beside it."""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.formats.coreml_weights import METADATA, place_of
from edge_deeplab.formats.source import ReadingBudget, read_bytes
from edge_deeplab.formats.stored.tensor import Array

_HIGHEST_RANK = 16
_ELEMENTS: Mapping[str, str] = {
    "FLOAT16": "<f2",
    "FLOAT32": "<f4",
    "UINT8": "u1",
    "INT8": "i1",
    "INT16": "<i2",
    "UINT16": "<u2",
    "INT32": "<i4",
}
"""NumPy's name of a type by MIL's."""
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
            path = place_of(name, self._folder)
            self._contents[name] = read_bytes(path, wanted="a weight file of the package")
        return self._contents[name]

    def data(self, name: str, offset: int) -> memoryview:
        """Return the bytes that a reference means, which `check_weights` has followed; errors as for `content`."""
        content = self.content(name)
        _, _, length, start = METADATA.unpack_from(content, offset)
        return memoryview(content)[start : start + length]


class MilValues:
    """Turns `Value` messages into arrays.

    Args:
        weights: the weight files.
        types: MIL's names of data types, by number.
        budget: of bytes.
    """

    def __init__(
        self, weights: WeightFiles, types: Mapping[int, str], budget: ReadingBudget
    ) -> None:
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
        kind = np.dtype(_ELEMENTS[element])
        if value.WhichOneof("value") == "blobFileValue":
            stored = value.blobFileValue
            data = self._weights.data(stored.fileName, stored.offset)
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
