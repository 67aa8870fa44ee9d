"""TFLite files whose numbers are changed one at a time, in the flatbuffer's own bytes; each tensor has its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ai_edge_litert.schema_py_generated as schema
import flatbuffers

from edge_deeplab.formats.stored.tflite import TFLiteReader
from tests.formats.stored.mutation import Changes, changed_one_by_one

_INTEGERS = {schema.TensorType.INT8: "i1", schema.TensorType.INT32: "<i4"}


class MutableTFLite:
    """The bytes of a TFLite file."""

    def __init__(self, path: Path) -> None:
        self._content = bytearray(path.read_bytes())

    def open(self) -> TFLiteReader:
        return TFLiteReader(self._content)

    def save(self, folder: Path) -> Path:
        path = folder / "changed.tflite"
        path.write_bytes(self._content)
        return path

    def changes(self, *, weights: bool) -> Iterator[Changes]:
        model = schema.Model.GetRootAs(self._content, 0)
        graph = model.Subgraphs(0)
        seen: set[int] = set()
        for index in range(graph.TensorsLength()):
            tensor = graph.Tensors(index)
            quantization, name = tensor.Quantization(), tensor.Name().decode()
            if quantization is None or not quantization.ScaleLength():
                continue
            arrays: dict[Any, Any] = {
                "scale": quantization.ScaleAsNumpy(),
                "zero point": quantization.ZeroPointAsNumpy(),
            }
            stored = model.Buffers(tensor.Buffer())
            if stored.DataLength():
                kind = "bias" if tensor.Type() == schema.TensorType.INT32 else "weight"
                if kind == "bias" or weights:
                    arrays[kind] = stored.DataAsNumpy().view(_INTEGERS[tensor.Type()])
            for kind, numbers in arrays.items():
                yield self._changes(kind, name, numbers, seen)
            yield self._axis(index, name, "axis" if quantization.ScaleLength() > 1 else "idle axis")

    def _changes(self, kind: Any, name: str, numbers: Any, seen: set[int]) -> Changes:
        address = numbers.__array_interface__["data"][0]
        assert address not in seen, "two tensors share these numbers"
        seen.add(address)
        return Changes(kind, f"{name} {kind}", lambda: changed_one_by_one(numbers), self.open)

    def _axis(self, index: int, name: str, kind: Any) -> Changes:
        def each() -> Iterator[None]:
            kept = self._content
            model = schema.ModelT.InitFromPackedBuf(kept, 0)
            model.subgraphs[0].tensors[index].quantization.quantizedDimension += 1
            builder = flatbuffers.Builder(len(kept))
            builder.Finish(model.Pack(builder), b"TFL3")
            self._content = builder.Output()
            yield
            self._content = kept

        return Changes(kind, f"{name} axis", each, self.open)
