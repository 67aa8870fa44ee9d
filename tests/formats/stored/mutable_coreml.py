"""Core ML packages whose numbers are changed one at a time: a constant in the program is copied for its reader."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from coremltools.proto import MIL_pb2, Model_pb2

from edge_deeplab.formats.stored.coreml import CoreMLReader
from edge_deeplab.formats.stored.mil_values import WeightFiles
from tests.formats.stored.mutation import Changes, Kind, changed_one_by_one, next_to

_WEIGHTS = "@model_path/weights/weight.bin"
_ALIGNED, _START = 64, slice(16, 24)
"""Bytes that tell a weight's type, size and place, and which of them tell the place."""
_TYPES = {
    MIL_pb2.FLOAT16: "<f2",
    MIL_pb2.INT8: "i1",
    MIL_pb2.UINT8: "u1",
}


class _InMemory(WeightFiles):
    """The one weight file of a package, as bytes that can be changed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.parent)
        self.bytes = bytearray(path.read_bytes())

    def content(self, name: str) -> bytearray:
        assert name == _WEIGHTS
        return self.bytes

    def append_copy_of(self, offset: int) -> int:
        """Return the offset of a copy of a weight: coremltools stores equal ones once, for several operations."""
        data = self.data(_WEIGHTS, offset)
        place = -(-len(self.bytes) // _ALIGNED) * _ALIGNED
        head = self.bytes[offset : offset + _ALIGNED]
        head[_START] = (place + _ALIGNED).to_bytes(8, "little")
        self.bytes = self.bytes.ljust(place, b"\0") + head + data
        return place


class MutableCoreML:
    """A parsed package."""

    def __init__(self, path: Path) -> None:
        self._path = path
        (self._specification,) = path.rglob("*.mlmodel")
        self._model = Model_pb2.Model()
        self._model.ParseFromString(self._specification.read_bytes())
        self._weights = _InMemory(self._specification.parent / "weights" / "weight.bin")
        self._size = len(self._weights.bytes) + self._specification.stat().st_size
        (function,) = self._model.mlProgram.functions.values()
        self._operations = function.block_specializations[function.opset].operations

    def open(self) -> CoreMLReader:
        return CoreMLReader(self._model, self._weights, self._size)

    def save(self, folder: Path) -> Path:
        path = folder / "changed.mlpackage"
        shutil.copytree(self._path, path, dirs_exist_ok=True)
        specification = path / self._specification.relative_to(self._path)
        specification.write_bytes(self._model.SerializeToString())
        (specification.parent / "weights" / "weight.bin").write_bytes(self._weights.bytes)
        return path

    def changes(self, *, weights: bool) -> Iterator[Changes]:
        constants = {
            o.outputs[0].name: o.attributes["val"] for o in self._operations if o.type == "const"
        }
        for operation in self._operations:
            if operation.type in ("quantize", "dequantize"):
                yield from self._immediate(operation, constants)
            elif operation.type == "constexpr_affine_dequantize":
                stored: dict[Any, str] = {"scale": "scale", "zero point": "zero_point"}
                if weights:
                    stored["weight"] = "quantized_data"
                for kind, key in stored.items():
                    yield self._stored(kind, operation, operation.attributes[key])
                yield self._axis(operation)
            elif operation.type == "conv":
                bias = constants[operation.inputs["bias"].arguments[0].name]
                yield self._stored("bias", operation, bias)

    def _immediate(self, operation: Any, constants: Any) -> Iterator[Changes]:
        """Yield the scale and zero point of an activation; a zero point that is not stated is stated, as 1."""
        assert "axis" not in operation.inputs
        scale = constants[operation.inputs["scale"].arguments[0].name]
        yield self._own_copy("scale", operation, "scale", scale)
        if "zero_point" in operation.inputs:
            zero_point = constants[operation.inputs["zero_point"].arguments[0].name]
        else:
            zero_point = MIL_pb2.Value()
            zero_point.type.tensorType.dataType = self._type_of_integers(operation)
            zero_point.immediateValue.tensor.bytes.values = b"\0"
        yield self._own_copy("zero point", operation, "zero_point", zero_point)

    def _type_of_integers(self, operation: Any) -> int:
        """Return the data type of what a quantize gives or a dequantize reads."""
        name = operation.outputs[0].name
        if operation.type == "dequantize":
            name = operation.inputs["input"].arguments[0].name
        values = (value for other in self._operations for value in other.outputs)
        return int(next(v.type.tensorType.dataType for v in values if v.name == name))

    def _own_copy(self, kind: Kind, operation: Any, key: str, constant: Any) -> Changes:
        def each() -> Iterator[None]:
            kept = MIL_pb2.Argument()
            kept.CopyFrom(operation.inputs[key])
            was_stated = bool(kept.arguments)
            del operation.inputs[key].arguments[:]
            own = operation.inputs[key].arguments.add().value
            own.CopyFrom(constant)
            element = _TYPES[own.type.tensorType.dataType]
            tensor = own.immediateValue.tensor
            (number,) = np.frombuffer(tensor.bytes.values, element)
            tensor.bytes.values = next_to(number).tobytes()
            yield
            operation.inputs[key].CopyFrom(kept)
            if not was_stated:
                del operation.inputs[key]

        return Changes(kind, f"{operation.outputs[0].name} {key}", each, self.open)

    def _stored(self, kind: Kind, operation: Any, value: Any) -> Changes:
        stored = value.blobFileValue
        element = _TYPES[value.type.tensorType.dataType]
        if value.WhichOneof("value") == "immediateValue":  # too short for the weight file
            return self._short(kind, operation, value.immediateValue.tensor.bytes, element)

        def each() -> Iterator[None]:
            kept = stored.offset
            stored.offset = self._weights.append_copy_of(kept)
            data = self._weights.data(stored.fileName, stored.offset)
            yield from changed_one_by_one(np.frombuffer(data, element))
            stored.offset = kept

        return Changes(kind, f"{operation.outputs[0].name} {kind}", each, self.open)

    def _short(self, kind: Kind, operation: Any, stored: Any, element: str) -> Changes:
        def each() -> Iterator[None]:
            kept = stored.values
            numbers = np.frombuffer(kept, element).copy()
            for _ in changed_one_by_one(numbers):
                stored.values = numbers.tobytes()
                yield
            stored.values = kept

        return Changes(kind, f"{operation.outputs[0].name} {kind}", each, self.open)

    def _axis(self, operation: Any) -> Changes:
        def each() -> Iterator[None]:
            axis = operation.attributes["axis"].immediateValue.tensor.ints
            axis.values[0] += 1
            yield
            axis.values[0] -= 1

        return Changes("axis", f"{operation.outputs[0].name} axis", each, self.open)
