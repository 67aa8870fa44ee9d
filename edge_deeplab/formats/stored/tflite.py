"""Reads the quantized tensors of a TFLite file.

Here a scale belongs to a tensor, not to the operators that read it, so most tensors state theirs once. It is stated
again where another tensor must have the same: for a bias, whose scale is input scale times weight scale, and in this
project's files for what is only moved about and for the picture's two integer types.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.formats.sizes import Size
from edge_deeplab.formats.source import read_bytes
from edge_deeplab.formats.stored.comparison import compare_tensor
from edge_deeplab.formats.stored.flatbuffer import FlatModel, FlatOperator
from edge_deeplab.formats.stored.names import FreeNames, canonical_name
from edge_deeplab.formats.stored.reader import StoredReader
from edge_deeplab.formats.stored.tensor import (
    Kind,
    Reading,
    StoredTensor,
    parameters_of,
    product_of,
    signed,
)
from edge_deeplab.formats.tflite_sizes import listed_sizes, size_alone
from edge_deeplab.text import size_text

_CONVOLUTIONS = {
    "CONV_2D": (0, 3, 1, 2),
    "DEPTHWISE_CONV_2D": (3, 0, 1, 2),
    "FULLY_CONNECTED": (0, 1),
}
"""Operators with a weight and bias, and what turns their weights into (output, input, height, width)."""
_MOVES = ("MIRROR_PAD", "PAD", "PADV2", "RESHAPE", "SLICE", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE")
"""Operators that only move numbers about: in this project's files their result is the same tensor."""
_INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "int64", "int4", "uint4", "int2")


@dataclass
class _Place:
    """The flat tensors that state one tensor's numbers.

    Args:
        kind: what it is.
        tensors: the first holds its values; none for an absent bias.
        layout: what turns a weight's axes into (output, input, height, width); None where they stay.
        factors: of a bias, the convolution's input and weight.
    """

    kind: Kind
    tensors: list[Any]
    layout: tuple[int, ...] | None = None
    factors: tuple[Any, Any] | None = None


def open_tflite(path: Path) -> StoredReader:
    """Return the reader of a `.tflite` file; errors as `TFLiteReader` has them.

    Raises:
        ArtifactError: when the file cannot be read at all.
    """
    content = read_bytes(path)
    if sizes := listed_sizes(content):
        return SizesReader({size: TFLiteReader(size_alone(content, size)) for size in sizes})
    return TFLiteReader(content)


class SizesReader:
    """One flatbuffer of several sizes: what they state alike stands once, under the names of a file of one size.

    Args:
        readers: of each size alone, the default first.
    """

    def __init__(self, readers: Mapping[Size, StoredReader]) -> None:
        self._stated: dict[str, StoredTensor] = {}
        for size_hw, reader in readers.items():
            for name in reader.names:
                tensor = reader.tensor(name)
                if name not in self._stated:
                    self._stated[name] = tensor
                elif _differ(name, self._stated[name], tensor):
                    self._stated[f"{name} at {size_text(size_hw)}"] = tensor

    @property
    def names(self) -> Sequence[str]:
        """Every tensor, and again those that another size than the default states otherwise."""
        return tuple(self._stated)

    def tensor(self, name: str) -> StoredTensor:
        """Return what the file holds of one tensor."""
        return self._stated[name]


def _differ(name: str, one: StoredTensor, other: StoredTensor) -> bool:
    return bool(compare_tensor(name, {"one": one, "other": other}).differences)


class TFLiteReader:
    """One flatbuffer.

    Args:
        content: its bytes, looked at anew whenever a tensor is asked for.

    Raises:
        ValueError: when it is none; the schema's classes raise errors of their own as well.
        MissingDependencyError: without ai-edge-litert.
    """

    def __init__(self, content: bytes | bytearray) -> None:
        self._file = FlatModel(content)
        self._ours = self._file.is_ours
        self._free_names = FreeNames()
        self._places: dict[str, _Place] = {}
        for index, graph in enumerate(self._file.graphs()):
            self._locate(graph, f"subgraph {index} " if index else "")

    @property
    def names(self) -> Sequence[str]:
        """Every quantized tensor and bias."""
        return tuple(self._places)

    def tensor(self, name: str) -> StoredTensor:
        """Return what the file holds of one tensor; errors as `StoredReader` has them."""
        place = self._places[name]
        if place.kind == "bias":
            return self._bias(place)
        readings = tuple(self._reading(tensor, place.layout) for tensor in place.tensors)
        if place.kind == "activation":
            return StoredTensor("activation", readings)
        values = self._file.values(place.tensors[0])
        if place.layout is not None:
            values = values.transpose(place.layout)
        return StoredTensor("weight", readings, signed(values))

    def _locate(self, graph: Any, prefix: str) -> None:
        tensors, operators = self._file.tensors(graph), self._file.operators(graph)
        names = [prefix + self._file.name(tensor) for tensor in tensors]
        for operator in _of_kind(operators, "QUANTIZE"):
            if not self._is_quantized(tensors[operator.inputs[0]]):
                names[operator.outputs[0]] = names[operator.inputs[0]]
        convolutions = [o for o in _of_kind(operators, *_CONVOLUTIONS) if (*o.inputs, -1)[1] >= 0]
        layouts = {o.inputs[1]: _CONVOLUTIONS[o.kind] for o in convolutions}
        left_out = {i for o in convolutions for i in o.inputs[2:3]} | {
            o.inputs[0]
            for o in _of_kind(operators, "DEQUANTIZE")
            if self._is_cast(tensors[o.inputs[0]])
        }
        left_out |= {o.inputs[2] for o in _of_kind(operators, "PADV2")}  # what is padded with
        same_as = _moved(operators) if self._ours else {}
        places: dict[int, _Place] = {}
        for index in sorted(range(len(tensors)), key=lambda index: index in same_as):
            tensor, source = tensors[index], same_as.get(index, index)
            if not self._is_quantized(tensor) or index in left_out:
                continue
            if source in places:
                places[source].tensors.append(tensor)
            else:
                places[index] = self._place(names[index], tensor, layouts.get(index))
        for operator in convolutions:
            if self._is_quantized(tensors[operator.inputs[1]]):
                self._add_bias(operator, tensors, names)

    def _place(self, name: str, tensor: Any, layout: tuple[int, ...] | None) -> _Place:
        """Return the place of a tensor, in this project's files that of another of the same canonical name."""
        kind: Kind = "weight" if self._file.is_constant(tensor) else "activation"
        if self._ours:
            name = canonical_name(name) + ("_weight" if layout else "")
            known = self._places.get(name)
            if kind == "activation" and known is not None and known.kind == kind:
                known.tensors.append(tensor)
                return known
        return self._add(name, _Place(kind, [tensor], layout))

    def _add_bias(self, operator: FlatOperator, tensors: list[Any], names: list[str]) -> None:
        image, weight, bias = (*operator.inputs, -1)[:3]
        name = f"{names[weight]} bias" if bias < 0 else names[bias]
        if self._ours:
            name = f"{canonical_name(names[weight])}_bias"
        factors = (tensors[image], tensors[weight])
        stored = [tensors[bias]] if bias >= 0 else []
        layout = _CONVOLUTIONS[operator.kind]
        self._add(name, _Place("bias", stored, layout, factors))

    def _add(self, name: str, place: _Place) -> _Place:
        self._places[self._free_names.next(name)] = place
        return place

    def _bias(self, place: _Place) -> StoredTensor:
        if not place.tensors:
            return StoredTensor("bias", ())
        (bias,) = place.tensors
        values = self._file.values(bias)
        if not self._is_quantized(bias):
            return StoredTensor("bias", (), values)
        own = self._reading(bias, None)
        assert place.factors is not None
        image, weight = place.factors
        if not self._is_quantized(image):
            return StoredTensor("bias", (own,), values)
        product = product_of(
            self._reading(image, None).parameters,
            self._reading(weight, place.layout).parameters,
            own.parameters,
        )
        return StoredTensor("bias", (own,), values, product)

    def _reading(self, tensor: Any, layout: tuple[int, ...] | None) -> Reading:
        """Return what a tensor states, its axis as the laid out weight has it."""
        quantization, name = tensor.Quantization(), self._file.name(tensor)
        if quantization.DetailsType():
            raise ValueError(f"{name} is quantized in a way that this comparison does not read")
        axis, usual_axes = int(quantization.QuantizedDimension()), {0}
        if layout is not None:
            usual_axes.add(layout.index(0))
            axis = layout.index(axis) if axis in layout else axis
        zero_point = self._file.vector(quantization, "ZeroPoint")
        parameters = parameters_of(
            self._file.vector(quantization, "Scale"),
            zero_point if zero_point.size else None,
            self._file.element(tensor),
            axis,
            usual_axes,
        )
        return Reading(f"tensor {name}", parameters)

    def _is_quantized(self, tensor: Any) -> bool:
        quantization = tensor.Quantization()
        integers = self._file.element(tensor) in _INTEGERS
        return integers and quantization is not None and bool(quantization.ScaleLength())

    def _is_cast(self, tensor: Any) -> bool:
        """Whether a DEQUANTIZE of a tensor only turns whole numbers into floats, as other formats' casts do."""
        if not self._is_quantized(tensor):
            return False
        quantization = tensor.Quantization()
        scale, zero_point = (
            self._file.vector(quantization, field).tolist() for field in ("Scale", "ZeroPoint")
        )
        return bool(scale == [1.0]) and zero_point in ([], [0])


def _of_kind(operators: list[FlatOperator], *kinds: str) -> list[FlatOperator]:
    """Return the operators of some kinds that read and compute something, in the order of execution."""
    return [o for o in operators if o.kind in kinds and o.outputs and (*o.inputs, -1)[0] >= 0]


def _moved(operators: list[FlatOperator]) -> dict[int, int]:
    """Return, by the tensor that is another moved about, that other."""
    moved: dict[int, int] = {}
    for operator in _of_kind(operators, *_MOVES):
        source = operator.inputs[0]
        moved[operator.outputs[0]] = moved.get(source, source)
    return moved
