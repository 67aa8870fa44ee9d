"""Reads the quantized tensors of a Core AI asset, whose operators are those of its program as Apple's parser lists it.

A bias is no operand of a convolution there but an addition of floats behind it; both are one step here.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from edge_deeplab.formats.coreai_program import CoreAIOperation, CoreAIProgram, read_program
from edge_deeplab.formats.stored.graph import GraphReader, QuantizerGraph, QuantizerStep, Task
from edge_deeplab.formats.stored.tensor import Array, Parameters, parameters_of

_TASKS: dict[str, Task] = {
    "quantize": "quantize",
    "dequantize": "dequantize",
    "cast": "cast",
    **dict.fromkeys(("expand_dims", "pad", "reshape", "shrink_dims", "slice", "transpose"), "move"),
}
_CONVOLUTIONS, _ADD = ("conv2d", "conv_transpose2d"), "broadcasting_add"
_ROLES = {1: "weight", 2: "bias"}
_OTHER_FORMS = (
    "blockwise_shift_scale",
    "lut_to_dense",
    "lut_to_sparse_with_bitmask",
    "sparse_with_bitmask_to_dense",
)
"""Operations that store weights in a form of their own."""
_CHANNELS_OF_WEIGHTS = 0


def open_coreai(path: Path) -> "CoreAIReader":
    """Return the reader of an `.aimodel` folder; errors as `CoreAIReader` has them.

    Raises:
        ArtifactError: when it is no Core AI asset.
        MissingDependencyError: without coreai-core.
    """
    return CoreAIReader(read_program(path, numbers=True))


class CoreAIReader(GraphReader):
    """One parsed program.

    Args:
        program: with the numbers of its constants.

    Raises:
        ValueError: when it stores weights in a form that is not read.
    """

    def __init__(self, program: CoreAIProgram) -> None:
        self._program = program
        if program.others:
            raise ValueError(
                f"it has {len(program.others)} functions beside {program.function}, which this comparison does not read"
            )
        for operation in program.operations:
            if operation.type in _OTHER_FORMS:
                raise ValueError(
                    f"its {operation.type} stores weights in a form of its own; scales and zero points are compared"
                )
        self._graph = QuantizerGraph(tuple(self._steps()), self, (), ours=program.ours)

    def parameters(self, step: QuantizerStep) -> Parameters:
        """Return what a quantize or dequantize states."""
        roles = self._roles(step)
        scale, zero_point, least, axes = (
            self._stated(step, roles, role) for role in ("scale", "offset1", "offset2", "axis")
        )
        if np.any(least):
            raise ValueError(
                f"{step.name} adds a least value, of which this comparison reads 0 alone"
            )
        kept = roles["input"] if step.task == "dequantize" else step.outputs[0]
        value = self._program.values[kept]
        whole = axes.ndim == 1 and [*axes] == [*range(len(value.shape or ()))]
        if axes.ndim and not whole:
            raise ValueError(f"{step.name} has one scale along the axes {[*axes]}")
        usual_axes = (_CHANNELS_OF_WEIGHTS,) if self.is_constant(step) else ()
        axis = None if whole else int(axes)
        return parameters_of(scale, zero_point, value.dtype or "", axis, usual_axes)

    def is_constant(self, step: QuantizerStep) -> bool:
        """Whether a quantize or dequantize operator reads a constant."""
        return step.inputs[0] in self._program.numbers

    def constant_of(self, step: QuantizerStep) -> Array:
        """Return the constant that it reads."""
        return self._program.numbers[step.inputs[0]]

    def constant(self, name: str) -> Array | None:
        """Return the constant of a name, a bias as one number a channel; None for a computed value."""
        numbers = self._program.numbers.get(name)
        return numbers.reshape(-1) if numbers is not None and self._is_bias(name) else numbers

    def _steps(self) -> Iterator[QuantizerStep]:
        """Yield the operations, a convolution and the addition of its bias as one."""
        additions = self._additions()
        added = {id(addition) for addition, _ in additions.values()}
        for operation in self._program.operations:
            if id(operation) not in added:
                given = operation.writes[0] if operation.writes else ""
                yield _step(operation, *additions.get(given, (operation, "")))

    def _additions(self) -> Mapping[str, tuple[CoreAIOperation, str]]:
        """Return, by what a convolution gives, the addition that alone reads it and the bias that is added."""
        readers: dict[str, list[CoreAIOperation]] = defaultdict(list)
        for operation in self._program.operations:
            for _, name in operation.reads:
                readers[name].append(operation)
        additions = {}
        for operation in self._program.operations:
            given = operation.writes[0] if operation.writes else ""
            reading = readers[given] if operation.type in _CONVOLUTIONS else []
            if [reader.type for reader in reading] == [_ADD]:
                biases = [n for _, n in reading[0].reads if n != given and self._is_bias(n)]
                if biases:
                    additions[given] = reading[0], biases[0]
        return additions

    def _is_bias(self, name: str) -> bool:
        """Whether a value is a constant of one number a channel of a (1, K, H, W) map."""
        numbers = self._program.numbers.get(name)
        return (
            numbers is not None and numbers.ndim == 4 and numbers.shape == (1, numbers.size, 1, 1)
        )

    def _roles(self, step: QuantizerStep) -> Mapping[str, str]:
        operation: CoreAIOperation = step.operator
        return dict(operation.reads)

    def _stated(self, step: QuantizerStep, roles: Mapping[str, str], role: str) -> Array:
        name = roles.get(role, "")
        if name not in self._program.numbers:
            raise ValueError(f"the {role} of {step.name} is computed; a constant was expected")
        return self._program.numbers[name]


def _step(operation: CoreAIOperation, last: CoreAIOperation, bias: str) -> QuantizerStep:
    """Return an operation, or a convolution with the addition behind it, as the graph sees it.

    Args:
        operation: the first.
        last: what gives the result: itself, or the addition.
        bias: what is added; "" for none.
    """
    inputs = [name for _, name in operation.reads]
    is_convolution = operation.type in _CONVOLUTIONS
    if is_convolution:
        inputs[2:2] = [bias]
    return QuantizerStep(
        name=last.writes[0] if last.writes else operation.label,
        task=_TASKS.get(operation.type, "other"),
        inputs=tuple(inputs),
        outputs=last.writes,
        roles=_ROLES if is_convolution else {},
        operator=operation,
    )
