"""ONNX files whose numbers are changed one at a time: each reader of an initializer gets a copy of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx

from edge_deeplab.formats.stored.onnx import OnnxReader
from tests.formats.stored.mutation import Changes, Kind, next_to

_SLOTS: dict[int, Kind] = {1: "scale", 2: "zero point"}


class MutableOnnx:
    """A parsed ONNX file."""

    def __init__(self, path: Path) -> None:
        self._size = path.stat().st_size
        self.model = onnx.load(str(path), load_external_data=False)

    def open(self) -> OnnxReader:
        return OnnxReader(self.model, self._size)

    def save(self, folder: Path) -> Path:
        path = folder / "changed.onnx"
        path.write_bytes(self.model.SerializeToString())
        return path

    def changes(self, *, weights: bool) -> Iterator[Changes]:
        constants = {tensor.name: tensor for tensor in self.model.graph.initializer}
        for node in self.model.graph.node:
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                slots = {0: "weight"} if weights and node.input[0] in constants else {}
                for slot, kind in (slots | _SLOTS).items():
                    yield self._changes(kind, node, slot, constants[node.input[slot]])
                one = constants[node.input[1]].dims in ([], [1])
                yield self._axis(node, "idle axis" if one else "axis")
            elif node.op_type == "Conv":
                yield self._changes("bias", node, 2, constants[node.input[2]])

    def _changes(self, kind: Any, node: Any, slot: int, tensor: Any) -> Changes:
        def each() -> Iterator[None]:
            kept = node.input[slot]
            own = self.model.graph.initializer.add()
            own.CopyFrom(tensor)
            own.name = node.input[slot] = f"{kept} of {node.name} alone"
            numbers = onnx.numpy_helper.to_array(tensor).copy()
            flat = numbers.reshape(-1)
            for index, number in enumerate(flat.copy()):
                flat[index] = next_to(number)
                own.CopyFrom(onnx.numpy_helper.from_array(numbers, own.name))
                yield
                flat[index] = number
            node.input[slot] = kept
            del self.model.graph.initializer[-1]

        return Changes(kind, f"{node.name} input {slot}", each, self.open)

    def _axis(self, node: Any, kind: Kind) -> Changes:
        def each() -> Iterator[None]:
            (axis,) = [attribute for attribute in node.attribute if attribute.name == "axis"]
            axis.i += 1
            yield
            axis.i -= 1

        return Changes(kind, f"{node.name} axis", each, self.open)
