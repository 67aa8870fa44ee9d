"""What decides the version of a TFLite operator: types, ranks and settings as the flatbuffer holds them.

The operator record of the report (`graph.Operator`) sees a constant through the DEQUANTIZE behind it; a version follows
the tensor that the operator itself reads. So this is read from the flatbuffer once more, of every subgraph, in the same
bounded way.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.errors import require
from edge_deeplab.formats.graph import Attribute
from edge_deeplab.formats.sizes import Size
from edge_deeplab.formats.source import read_bytes
from edge_deeplab.formats.tflite import ModelReader, reading_flatbuffer

Fact = int | bool | str
_ABSENT = "none"
_RANK_OF_IMAGES = 4


@dataclass(frozen=True)
class TensorSignature:
    """What of a tensor bears on versions.

    Args:
        name: its name in the file.
        dtype: as in `graph.TensorSpec`; "none" for an optional input that is absent.
        shape: sizes; -1 where one is open.
        scales: of its quantization, empty where there are none.
        axis: the axis that several scales run along.
        quantized: whether a quantization is given at all, be it empty.
        sparse: whether it is stored as a sparse tensor.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] = ()
    scales: tuple[float, ...] = ()
    axis: int = 0
    quantized: bool = False
    sparse: bool = False

    def has_scale_for_each_of(self, axis: int) -> bool:
        """Whether there is one scale for each entry along an axis."""
        inside = -len(self.shape) <= axis < len(self.shape)
        return bool(self.scales) and inside and len(self.scales) == self.shape[axis]


ABSENT = TensorSignature("", _ABSENT)


@dataclass(frozen=True)
class Signature:
    """One operator of a TFLite file.

    Args:
        subgraph: index of its subgraph.
        index: its place in that subgraph's order.
        type: builtin name, or the custom operator's own.
        domain: "" for builtins, "custom" for others.
        name: of its first output.
        version: opcode version that the file gives it.
        facts: what conditions in tflite_versions.toml may ask: in0 to in3 and out0, out1 (types, "none" for an absent
            one), inputs (their number), rank (of the first), the settings by name, and what is worked out from them.
    """

    subgraph: int
    index: int
    type: str
    domain: str
    name: str
    version: int
    facts: Mapping[str, Fact]


def read_signatures(path: Path, size_hw: Size | None = None) -> Iterator[Signature]:
    """Yield the operators of all subgraphs of a TFLite file.

    Args:
        path: a `.tflite` file.
        size_hw: of a file that lists several sizes, the one whose subgraph alone is read; None: every one.

    Raises:
        ArtifactError: when it is not a TFLite flatbuffer, or does not list that size.
        MissingDependencyError: without ai-edge-litert.
    """
    content = read_bytes(path)
    with reading_flatbuffer(path):
        yield from parse_signatures(content, size_hw)


def parse_signatures(content: bytes, size_hw: Size | None = None) -> Iterator[Signature]:
    """Yield the operators of a TFLite flatbuffer in memory; one that is damaged raises what its schema's classes raise.

    Args:
        content: the flatbuffer.
        size_hw: as for `read_signatures`.

    Raises:
        MissingDependencyError: without ai-edge-litert.
    """
    schema = require("ai_edge_litert.schema_py_generated", package="ai-edge-litert", extra="tflite")
    reader = _SignatureReader(schema, content, size_hw)
    yield from reader.signatures(alone=size_hw is not None)


class _SignatureReader(ModelReader):
    """A reader of every subgraph, or of one size's alone, that looks at what versions depend on."""

    def signatures(self, *, alone: bool) -> Iterator[Signature]:
        codes = [self._code(i) for i in self._range(self._model.OperatorCodesLength())]
        for subgraph in self._range(self._model.SubgraphsLength()):
            if alone and subgraph != self._place:
                continue
            graph = self._model.Subgraphs(subgraph)
            tensors = [
                self._signature(graph.Tensors(i)) for i in self._range(graph.TensorsLength())
            ]
            for index in self._range(graph.OperatorsLength()):
                flat = graph.Operators(index)
                kind, domain, version = codes[flat.OpcodeIndex()]
                inputs = self._named(flat, "Inputs", tensors)
                outputs = self._named(flat, "Outputs", tensors)
                name = outputs[0].name if outputs else f"operator {index}"
                facts = _facts(kind, inputs, outputs, self._attributes(flat))
                yield Signature(subgraph, index, kind, domain, name, version, facts)

    def _signature(self, flat: Any) -> TensorSignature:
        quantization = flat.Quantization()
        scales = self._vector(quantization, "Scale") if quantization else ()
        return TensorSignature(
            name=self._text(flat.Name()),
            dtype=self._type_names.get(flat.Type(), f"type {flat.Type()}").lower(),
            shape=tuple(int(size) for size in self._vector(flat, "Shape")),
            scales=tuple(float(scale) for scale in scales),
            axis=quantization.QuantizedDimension() if quantization else 0,
            quantized=quantization is not None,
            sparse=flat.Sparsity() is not None,
        )

    def _named(
        self, flat: Any, field: str, tensors: Sequence[TensorSignature]
    ) -> list[TensorSignature]:
        """Return the tensors that an operator names; `ABSENT` for an optional one that it leaves out."""
        indices = [int(i) for i in self._vector(flat, field)]
        if any(i >= len(tensors) or i < -1 for i in indices):
            raise ValueError("an operator names a tensor that does not exist")
        return [tensors[i] if i >= 0 else ABSENT for i in indices]


def _facts(
    kind: str,
    inputs: Sequence[TensorSignature],
    outputs: Sequence[TensorSignature],
    settings: Mapping[str, Attribute],
) -> dict[str, Fact]:
    """Return the facts of one operator; one that does not apply is absent."""
    facts: dict[str, Fact] = {k: v for k, v in settings.items() if isinstance(v, (bool, int))}
    facts |= {f"in{place}": tensor.dtype for place, tensor in enumerate(inputs[:4])}
    facts |= {f"out{place}": tensor.dtype for place, tensor in enumerate(outputs[:2])}
    facts["inputs"] = len(inputs)
    if inputs:
        facts["rank"] = len(inputs[0].shape)
    facts["some_rank_5"] = any(len(tensor.shape) == 5 for tensor in inputs[:3])
    facts["quantized"] = any(tensor.quantized for tensor in inputs[:2])
    facts["broadcast_above_rank_4"] = _broadcasts_above_images(inputs)
    facts["has_bias"] = len(inputs) == 4 and inputs[3] is not ABSENT
    facts["sparse"] = len(inputs) > 1 and inputs[1].sparse
    facts["grouped"] = _is_grouped(inputs)
    facts["per_channel"] = _is_per_channel(kind, inputs, outputs)
    facts["rescale_at_least_1"] = _rescale(inputs, outputs) >= 1
    return facts | _named_settings(settings)


def _named_settings(settings: Mapping[str, Attribute]) -> dict[str, Fact]:
    """Return what several settings, or one of them against its default, come to."""
    return {
        "dilated": any(settings.get(f"dilation_{side}factor", 1) != 1 for side in "hw"),
        "fused_activation": bool(settings.get("fused_activation_function", 0)),
        "quantized_bias": bool(settings.get("quantized_bias_type", 0)),
        "widening_mask": any(settings.get(f"{name}_mask", 0) for name in ("ellipsis", "new_axis")),
        "batched": bool(settings.get("batch_dims", 0)),
    }


def _broadcasts_above_images(inputs: Sequence[TensorSignature]) -> bool:
    ranks = [len(tensor.shape) for tensor in inputs]
    return len(inputs) > 1 and inputs[0].shape != inputs[1].shape and max(ranks) > _RANK_OF_IMAGES


def _is_grouped(inputs: Sequence[TensorSignature]) -> bool:
    """Whether a convolution's weight reads fewer channels than there are."""
    if len(inputs) < 2 or any(len(tensor.shape) != _RANK_OF_IMAGES for tensor in inputs[:2]):
        return False
    return inputs[0].shape[3] != inputs[1].shape[3]


def _is_per_channel(
    kind: str, inputs: Sequence[TensorSignature], outputs: Sequence[TensorSignature]
) -> bool:
    """Whether the tensor that may be quantized channel by channel is; which one that is differs."""
    if kind in ("QUANTIZE", "DEQUANTIZE"):
        tensors = outputs if kind == "QUANTIZE" else inputs
        return any(len(t.scales) > 1 and t.has_scale_for_each_of(t.axis) for t in tensors[:1])
    axis = 3 if kind == "DEPTHWISE_CONV_2D" else 0
    return len(inputs) > 1 and inputs[1].has_scale_for_each_of(axis)


def _rescale(inputs: Sequence[TensorSignature], outputs: Sequence[TensorSignature]) -> float:
    """Return the factor by which a quantized product is scaled; 0 where scales are missing."""
    tensors = [*inputs[:2], *outputs[:1]]
    if len(tensors) != 3 or not all(tensor.scales for tensor in tensors):
        return 0.0
    first, second, result = (tensor.scales[0] for tensor in tensors)
    factor = first * second / result if result else 0.0
    return factor if math.isfinite(factor) else 0.0
