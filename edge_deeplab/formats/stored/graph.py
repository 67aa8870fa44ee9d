"""Where quantized tensors stand in a graph of quantize and dequantize operators, as ONNX and Core ML have them.

An activation is written by a quantize and read through one or more dequantize operators. In this project's files one
that is only moved about and quantized again is the same tensor: the formats do not move at the same places. A weight is
a constant under a dequantize, and is named after the convolution that reads it; so is its bias. The two formats differ
in how operators and numbers are stored (`GraphFormat`), not in this.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from edge_deeplab.formats.stored.names import FreeNames, canonical_name
from edge_deeplab.formats.stored.tensor import (
    Array,
    Kind,
    Parameters,
    Reading,
    StoredTensor,
    product_of,
    signed,
)

Task = Literal["quantize", "dequantize", "move", "cast", "other"]


@dataclass(frozen=True)
class QuantizerStep:
    """One operator.

    Args:
        name: for people, and for the names of the constants that it reads.
        task: whether it quantizes, dequantizes, only moves numbers about or casts them, or does something else.
        inputs: names of the values it reads, its data first; "" for one that is left out.
        outputs: names of the values it computes.
        roles: what constants are at which input: {1: "weight", 2: "bias"} of a convolution.
        operator: the format's own record of it.
    """

    name: str
    task: Task
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    roles: Mapping[int, str]
    operator: Any


class GraphFormat(Protocol):
    """How a format stores the numbers of its operators."""

    def parameters(self, step: QuantizerStep) -> Parameters:
        """Return what a quantize or dequantize operator states."""

    def is_constant(self, step: QuantizerStep) -> bool:
        """Whether a quantize or dequantize operator reads a constant."""

    def constant_of(self, step: QuantizerStep) -> Array:
        """Return the constant that it reads."""

    def constant(self, name: str) -> Array | None:
        """Return the constant of a name; None for a computed value."""


@dataclass
class _Place:
    """The steps that state one tensor's numbers; of a bias also the convolution."""

    kind: Kind
    steps: list[QuantizerStep] = field(default_factory=list)


class QuantizerGraph:
    """The quantized tensors of a graph.

    Args:
        steps: operators in the order of execution.
        stored: how their numbers are stored.
        outputs: names of the values that the graph gives.
        ours: whether the file is this project's, so that canonical names hold.
    """

    def __init__(
        self,
        steps: Sequence[QuantizerStep],
        stored: GraphFormat,
        outputs: Sequence[str],
        *,
        ours: bool,
    ) -> None:
        self._stored = stored
        self._ours = ours
        self._producers = {output: step for step in steps for output in step.outputs}
        if len(self._producers) < sum(len(step.outputs) for step in steps):
            raise ValueError("several of its operators compute a value of one name")
        self._readers: dict[str, list[tuple[QuantizerStep, int]]] = defaultdict(list)
        for step in steps:
            for position, name in enumerate(step.inputs):
                self._readers[name].append((step, position))
        self._sources: dict[str, str] = {}
        self._free_names = FreeNames()
        self._places: dict[str, _Place] = {}
        self._name_of_source: dict[str, str] = {}
        self._with_bias: set[tuple[str, ...]] = set()
        self._given_as = self._dequantized_outputs(outputs) if ours else {}
        self._locate(steps)

    @property
    def names(self) -> Sequence[str]:
        """Every quantized tensor and bias, in the order in which they are met."""
        return tuple(self._places)

    def tensor(self, name: str) -> StoredTensor:
        """Return what the file holds of one tensor.

        Raises:
            ValueError: when its numbers cannot be read.
        """
        place = self._places[name]
        if place.kind == "bias":
            return self._bias(place.steps[0])
        readings = tuple(self._reading(step) for step in place.steps)
        if place.kind == "activation":
            return StoredTensor("activation", readings)
        return StoredTensor("weight", readings, self._integers(place.steps[-1]))

    def _locate(self, steps: Sequence[QuantizerStep]) -> None:
        for step in steps:
            if step.task == "dequantize":
                self._locate_dequantize(step)
            elif step.task == "quantize" and not self._stored.is_constant(step):
                self._locate_quantize(step)

    def _locate_quantize(self, step: QuantizerStep) -> None:
        name = self._moved_from(step.inputs[0]) if self._ours else None
        if name is None:
            called = self._given_as.get(step.outputs[0]) or self._called(step.inputs[0])
            name = self._add(called, "activation", step)
        else:
            self._places[name].steps.append(step)
        self._name_of_source[step.outputs[0]] = name

    def _dequantized_outputs(self, outputs: Sequence[str]) -> dict[str, str]:
        """Return, by the integers of which the graph gives the floats, the output's name: TFLite gives the integers."""
        given_as = {}
        for output in outputs:
            value, passed = output, {output}
            step = self._producers.get(value)
            while step and step.task in ("move", "cast") and not passed.issuperset(step.inputs[:1]):
                value = step.inputs[0]
                passed.add(value)
                step = self._producers.get(value)
            if step and step.task == "dequantize" and not self._stored.is_constant(step):
                given_as[self._source_of(step.inputs[0])] = output
        return given_as

    def _moved_from(self, value: str) -> str | None:
        """Return the quantized tensor whose numbers a float value is, moved about; None where it is computed anew."""
        step = self._producers.get(self._source_of(value))
        if step is None or step.task != "dequantize" or self._stored.is_constant(step):
            return None
        return self._name_of_source.get(self._source_of(step.inputs[0]))

    def _locate_dequantize(self, step: QuantizerStep) -> None:
        if self._stored.is_constant(step):
            self._locate_constant(step, [step])
            return
        source = self._source_of(step.inputs[0])
        quantize = self._producers.get(source)
        if quantize and quantize.task == "quantize" and self._stored.is_constant(quantize):
            self._locate_constant(step, [quantize, step])
        elif source in self._name_of_source:
            self._places[self._name_of_source[source]].steps.append(step)
        else:  # integers that the graph takes as input or computes
            name = self._add(self._called(source), "activation", step)
            self._name_of_source[source] = name

    def _locate_constant(self, step: QuantizerStep, stating: list[QuantizerStep]) -> None:
        """Note a weight under each operator that reads it, and the bias beside it."""
        readers = list(self._readers_of(step.outputs[0]))
        for reader, position in readers:
            role = reader.roles.get(position, f"input {position}")
            if role != "bias":
                self._add(f"{self._called(reader.name)}_{role}", "weight", *stating)
            if role in ("weight", "bias"):
                self._locate_bias(reader)
        if not readers:
            self._add(self._called(step.outputs[0]), "weight", *stating)

    def _locate_bias(self, step: QuantizerStep) -> None:
        if "bias" in step.roles.values() and step.outputs not in self._with_bias:
            self._with_bias.add(step.outputs)
            self._add(f"{self._called(step.name)}_bias", "bias", step)

    def _readers_of(self, name: str) -> Iterator[tuple[QuantizerStep, int]]:
        """Yield what reads a value, also behind operators that only move it about, and at which input."""
        pending, seen = [name], {name}
        while pending:
            for reader, position in self._readers.get(pending.pop(), ()):
                if reader.task != "move":
                    yield reader, position
                elif position == 0:
                    pending += [output for output in reader.outputs if output not in seen]
                    seen.update(reader.outputs)

    def _add(self, name: str, kind: Kind, *steps: QuantizerStep) -> str:
        free = self._free_names.next(name)
        self._places[free] = _Place(kind, list(steps))
        return free

    def _source_of(self, name: str) -> str:
        """Return where integers come from, through operators that only move them about."""
        passed: list[str] = []
        while name not in self._sources:
            passed.append(name)
            self._sources[name] = name  # where a circle ends
            step = self._producers.get(name)
            if step is None or step.task != "move" or not step.inputs:
                break
            name = step.inputs[0]
        source = self._sources[name]
        self._sources.update(dict.fromkeys(passed, source))
        return source

    def _called(self, name: str) -> str:
        return canonical_name(name) if self._ours else name

    def _reading(self, step: QuantizerStep) -> Reading:
        return Reading(f"{step.task} {step.name}", self._stored.parameters(step))

    def _integers(self, dequantize: QuantizerStep) -> Array:
        """Return a weight's integers; those of floats that the file quantizes itself as its quantize gives them."""
        if self._stored.is_constant(dequantize):
            return signed(self._stored.constant_of(dequantize))
        quantize = self._producers[self._source_of(dequantize.inputs[0])]
        return quantized(self._stored.constant_of(quantize), self._stored.parameters(quantize))

    def _bias(self, convolution: QuantizerStep) -> StoredTensor:
        position = next(p for p, role in convolution.roles.items() if role == "bias")
        name = convolution.inputs[position] if position < len(convolution.inputs) else ""
        if not name:
            return StoredTensor("bias", ())
        step = self._producers.get(name)
        if step is None or step.task != "dequantize":
            values = self._stored.constant(name)
            if values is None:
                raise ValueError(f"the bias of {convolution.name} is computed")
            return StoredTensor("bias", (), values)
        own = self._reading(step)
        expected = self._expected(convolution, own.parameters)
        return StoredTensor("bias", (own,), self._integers(step), expected)

    def _expected(self, convolution: QuantizerStep, own: Parameters) -> Reading | None:
        """Return what the bias of a convolution with a quantized input must be stored with."""
        image, weight = (self._producers.get(name) for name in convolution.inputs[:2])
        if image is None or weight is None or {image.task, weight.task} != {"dequantize"}:
            return None
        return product_of(self._stored.parameters(image), self._stored.parameters(weight), own)


class GraphReader:
    """A reader whose tensors are those of a graph of quantize and dequantize operators, which it builds first."""

    _graph: QuantizerGraph

    @property
    def names(self) -> Sequence[str]:
        """Every quantized tensor and bias."""
        return self._graph.names

    def tensor(self, name: str) -> StoredTensor:
        """Return what the file holds of one tensor; errors as `StoredReader` has them."""
        return self._graph.tensor(name)


def quantized(values: Array, parameters: Parameters) -> Array:
    """Return the integers that a quantize operator makes of floats: round(x / scale) + zero point, halves to even.

    Raises:
        ValueError: for an axis that the values do not have.
    """
    shape = [1] * values.ndim
    if parameters.axis is not None:
        if not 0 <= parameters.axis < values.ndim:
            raise ValueError(f"axis {parameters.axis} of a tensor of {values.ndim} axes")
        shape[parameters.axis] = -1
    scale, zero_point = (
        numbers.reshape(shape) for numbers in (parameters.scale, parameters.zero_point)
    )
    highest = 2 ** (parameters.bits - 1) - 1
    integers = (values / scale).round() + zero_point
    return integers.clip(-highest - 1, highest).astype(f"int{parameters.bits}")
