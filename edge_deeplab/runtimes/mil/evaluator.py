"""Execute a MIL program operation by operation with torch, at the program's own precision.

The choice to know: float16 values are held as float32 tensors and rounded through float16 after every operation, whose
arithmetic and accumulation are float32. So each operation is as exact as a float16 result can be; a device that
accumulates in float16 may be further off. Everything that depends on constants alone (stored weights and their
dequantization) is computed once, when the evaluator is made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edge_deeplab.errors import UnsupportedOperatorError
from edge_deeplab.runtimes.mil.operators import OPERATORS
from edge_deeplab.runtimes.mil.program import Argument, Operation, Program, Reference, operators_of

_HELD_AS = {
    "fp16": torch.float32,
    "fp32": torch.float32,
    "bool": torch.bool,
    "int4": torch.int8,
    "uint4": torch.uint8,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "int16": torch.int16,
    "uint16": torch.int32,
    "int32": torch.int32,
}
"""Torch type that values of a MIL type are held as."""


@dataclass(frozen=True)
class _Planned:
    """An operation, and the values that nothing reads after it."""

    operation: Operation
    last_read: tuple[str, ...]


class Evaluator:
    """A MIL program, ready to run.

    Args:
        program: from `edge_deeplab.runtimes.mil.reader`.

    Raises:
        UnsupportedOperatorError: naming every operator that is not in `OPERATORS`.
    """

    def __init__(self, program: Program) -> None:
        unknown = sorted(set(operators_of(program.operations)) - set(OPERATORS))
        if unknown:
            raise UnsupportedOperatorError(unknown, "the MIL reference evaluator")
        self.program = program
        self._constants: dict[str, Tensor] = {}
        self._operations = [
            operation
            for operation in map(_with_tensors, program.operations)
            if not self._fold(operation)
        ]
        self._plans: dict[tuple[str, ...], list[_Planned]] = {}

    def evaluate(
        self, inputs: Mapping[str, Tensor], wanted: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """Run the program.

        Args:
            inputs: its inputs by name.
            wanted: names of the values to return, any that the program computes; None returns its outputs.

        Returns:
            The wanted values by name; float16 ones as float32.

        Raises:
            KeyError: for a name that is no value of the program.
        """
        names = tuple(self.program.outputs if wanted is None else wanted)
        values = dict(inputs)
        with torch.inference_mode():
            for planned in self._plan(names):
                _run_operation(planned.operation, values, self._constants)
                for name in planned.last_read:
                    values.pop(name, None)
        return {
            name: self._constants[name] if name in self._constants else values[name]
            for name in names
        }

    def _fold(self, operation: Operation) -> bool:
        """Compute an operation that depends on constants alone, in place; return whether it did."""
        if any(name not in self._constants for name in operation.references()):
            return False
        with torch.inference_mode():
            _run_operation(operation, self._constants, {})
        return True

    def _plan(self, wanted: tuple[str, ...]) -> list[_Planned]:
        """Return the operations that the wanted values need, each with the values it is the last to read."""
        if wanted not in self._plans:
            alive = set(wanted)
            plan: list[_Planned] = []
            for operation in reversed(self._operations):
                if alive.isdisjoint(output.name for output in operation.outputs):
                    continue
                read = set(operation.references())
                plan.append(_Planned(operation, tuple(read - alive)))
                alive |= read
            self._plans[wanted] = plan[::-1]
        return self._plans[wanted]


def _run_operation(
    operation: Operation, values: dict[str, Tensor], constants: Mapping[str, Tensor]
) -> None:
    """Compute an operation and put its results into `values`, in place."""

    def resolve(argument: Argument) -> Any:
        if isinstance(argument, Reference):
            return constants[argument.name] if argument.name in constants else values[argument.name]
        return tuple(map(resolve, argument)) if isinstance(argument, tuple) else argument

    arguments = {name: resolve(argument) for name, argument in operation.arguments.items()}
    results = OPERATORS[operation.operator](**arguments)
    for output, result in zip(operation.outputs, _as_tuple(results), strict=True):
        values[output.name] = conform(torch.as_tensor(result), output.dtype)


def conform(value: Tensor, dtype: str) -> Tensor:
    """Return a value as MIL's type holds it: float16 rounded (and held as float32), integers wrapped to its width.

    Floats become narrow integers by way of int32: a direct cast of what the narrow type cannot hold is undefined.
    """
    if dtype == "fp16":
        return value.half().float()
    held_as = _HELD_AS[dtype]
    if value.is_floating_point() and not held_as.is_floating_point and dtype != "bool":
        value = value.to(torch.int32)
    held = value.to(held_as)
    return held & 0xFFFF if dtype == "uint16" else held  # torch has it, but not its arithmetic


def _with_tensors(operation: Operation) -> Operation:
    """Return an operation whose constants are torch tensors (vectors and up) or plain Python values."""
    arguments = {name: _prepare(argument) for name, argument in operation.arguments.items()}
    return Operation(operation.operator, arguments, operation.outputs)


def _prepare(argument: Any) -> Any:
    if isinstance(argument, tuple):
        return tuple(_prepare(part) for part in argument)
    if isinstance(argument, np.ndarray) and argument.ndim > 0:
        widened = argument.astype(np.float32) if argument.dtype == np.float16 else argument
        return torch.from_numpy(np.array(widened, dtype=_plain(widened.dtype)))
    return argument.item() if isinstance(argument, np.ndarray | np.generic) else argument


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a type that torch has too (coremltools marks narrow integers on the type's metadata)."""
    wider = {"uint16": "int32", "uint32": "int64", "uint64": "int64"}
    return np.dtype(wider.get(dtype.name, dtype.str))


def _as_tuple(results: Any) -> tuple[Any, ...]:
    return results if isinstance(results, tuple) else (results,)
