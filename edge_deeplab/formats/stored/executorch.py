"""Reads the quantized tensors of an ExecuTorch program: those of the parts that XNNPACK compiled.

XNNPACK states a scale with each value, so a tensor that is moved about is stated again. Weights have their output
channels first, those of depthwise convolutions last; a bias is stored as int32 with the product of two scales.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.formats.executorch_file import ExecuTorchFile, OperatorNames
from edge_deeplab.formats.source import read_bytes
from edge_deeplab.formats.stored.names import FreeNames, canonical_name
from edge_deeplab.formats.stored.reader import numbers_budget
from edge_deeplab.formats.stored.tensor import (
    Array,
    Kind,
    Parameters,
    Reading,
    StoredTensor,
    parameters_of,
    product_of,
    signed,
)
from edge_deeplab.formats.xnnpack_graph import BACKEND, XnnpackGraph, XnnpackNode, XnnpackValue

_LAYOUTS = {
    "XNNConv2d": (0, 3, 1, 2),
    "XNNDepthwiseConv2d": (3, 0, 1, 2),
    "XNNFullyConnected": (0, 1),
}
"""Operators with a weight and bias, and what turns their weights into (output, input, height, width)."""
_MOVES = (
    "XNNStaticTranspose",
    "XNNStaticReshape",
    "XNNStaticSlice",
    "XNNStaticConstantPad",
    "XNNCopy",
)
"""Operators that only move numbers about: in this project's files their result is the same tensor."""
_QUANTIZERS = (
    "quantized_decomposed::quantize_per_tensor",
    "quantized_decomposed::dequantize_per_tensor",
)


def open_executorch(path: Path) -> "ExecuTorchReader":
    """Return the reader of a `.pte` file; errors as `ExecuTorchReader` has them.

    Raises:
        ArtifactError: when the file cannot be read at all.
    """
    return ExecuTorchReader(read_bytes(path))


@dataclass
class _Place:
    """The values of a part that state one tensor's numbers; of a bias, the convolution."""

    kind: Kind
    graph: XnnpackGraph
    values: list[XnnpackValue] = field(default_factory=list)
    node: XnnpackNode | None = None


class ExecuTorchReader:
    """One program.

    Args:
        content: its bytes.

    Raises:
        ValueError: when it is none, or quantizes outside of what XNNPACK compiled.
        MissingDependencyError: without executorch.
    """

    def __init__(self, content: bytes | bytearray) -> None:
        self._file = ExecuTorchFile(content)
        self._budget = numbers_budget(len(content))
        self._ours = self._file.text(METADATA_KEY) is not None
        self._called = OperatorNames(self._file)
        self._free_names = FreeNames()
        self._places: dict[str, _Place] = {}
        kernels = {told["name"] for told in self._file.plan["operators"]}
        if kernels.intersection(_QUANTIZERS):
            raise ValueError(
                "it quantizes outside of XNNPACK's parts, which this comparison does not read"
            )
        for number, delegate in enumerate(self._file.delegates):
            if delegate.backend != BACKEND:
                raise ValueError(
                    f"a part is {delegate.backend}'s, which this comparison does not read"
                )
            self._locate(XnnpackGraph(delegate.content, self._file), f"part {number} ")

    @property
    def names(self) -> Sequence[str]:
        """Every quantized tensor and bias."""
        return tuple(self._places)

    def tensor(self, name: str) -> StoredTensor:
        """Return what the file holds of one tensor; errors as `StoredReader` has them."""
        place = self._places[name]
        if place.kind == "bias":
            return self._bias(place)
        layout = _LAYOUTS.get(place.node.kind) if place.node else None
        readings = tuple(self._reading(value, place.graph, layout) for value in place.values)
        if place.kind == "activation":
            return StoredTensor("activation", readings)
        return StoredTensor("weight", readings, self._numbers(place, layout))

    def _locate(self, graph: XnnpackGraph, prefix: str) -> None:
        writers = {node.writes: node for node in graph.nodes}
        left_out: set[int] = set()
        for node in graph.nodes:
            if node.kind in _LAYOUTS and graph.values[node.reads[1]].quantization is not None:
                self._add(
                    self._name(node, prefix, "weight"),
                    _Place("weight", graph, [graph.values[node.reads[1]]], node),
                )
                self._add(self._name(node, prefix, "bias"), _Place("bias", graph, node=node))
                left_out.update(node.reads[1:3])
        names: dict[int, str] = {}
        for value in graph.values.values():
            if value.quantization is None or value.number in left_out:
                continue
            if value.constant:
                self._add(f"{prefix}value {value.number}", _Place("weight", graph, [value]))
                continue
            writer = writers.get(value.number)
            source = writer.reads[0] if writer and writer.kind in _MOVES and self._ours else None
            if source in names:
                names[value.number] = names[source]
                self._places[names[source]].values.append(value)
            else:
                called = self._result(writer) or f"{prefix}value {value.number}"
                names[value.number] = self._add(called, _Place("activation", graph, [value]))

    def _name(self, node: XnnpackNode, prefix: str, role: str) -> str:
        """Return what a convolution's weight or bias is called."""
        called = self._called.operator(node.handle) if self._ours else None
        own = canonical_name(called) if called else f"{prefix}{node.kind} {node.writes}"
        return f"{own}_{role}"

    def _result(self, node: XnnpackNode | None) -> str | None:
        called = self._called.result(node.handle) if node and self._ours else None
        return canonical_name(called) if called else None

    def _add(self, name: str, place: _Place) -> str:
        free = self._free_names.next(name)
        self._places[free] = place
        return free

    def _numbers(self, place: _Place, layout: tuple[int, ...] | None) -> Array:
        (value,) = place.values
        self._budget.spend(int(np.prod(value.shape)))
        values = signed(place.graph.numbers(value))
        if layout is None:
            return values
        if values.ndim != len(layout):
            raise ValueError(f"a weight has {values.ndim} axes")
        return values.transpose(layout)

    def _bias(self, place: _Place) -> StoredTensor:
        node, graph = place.node, place.graph
        assert node is not None
        if len(node.reads) < 3:
            return StoredTensor("bias", ())
        image, weight, bias = (graph.values[number] for number in node.reads[:3])
        values = graph.numbers(bias)
        if bias.quantization is None:
            return StoredTensor("bias", (), values)
        own = self._reading(bias, graph, None)
        if image.quantization is None:
            return StoredTensor("bias", (own,), values)
        product = product_of(
            self._reading(image, graph, None).parameters,
            self._reading(weight, graph, _LAYOUTS[node.kind]).parameters,
            own.parameters,
        )
        return StoredTensor("bias", (own,), values, product)

    def _reading(
        self, value: XnnpackValue, graph: XnnpackGraph, layout: tuple[int, ...] | None
    ) -> Reading:
        """Return what a value states, its axis as the laid out weight has it."""
        return Reading(f"value {value.number}", self._parameters(value, graph, layout))

    def _parameters(
        self, value: XnnpackValue, graph: XnnpackGraph, layout: tuple[int, ...] | None
    ) -> Parameters:
        told = value.quantization
        if told is not None and told.kind == "PerTensorQuant":
            scale = np.asarray(told["scale"], np.float32)
            zero_point = np.asarray(told["zero_point"]) if told.states("zero_point") else None
            return parameters_of(scale, zero_point, value.element, None)
        if told is None or told.kind != "PerChannelQuant":
            raise ValueError(
                f"value {value.number} is quantized in a way that this comparison does not read"
            )
        axis, usual_axes = int(told["channel_dim"]), {0}
        if layout is not None:
            usual_axes.add(layout.index(0))
            axis = layout.index(axis) if axis in layout else axis
        return parameters_of(graph.scales(told), None, value.element, axis, usual_axes)
