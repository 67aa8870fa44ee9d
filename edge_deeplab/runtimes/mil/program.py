"""A MIL program as plain data: nothing in here knows of coremltools or torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Value:
    """The result of an operation, or an input of the program.

    Args:
        name: unique in the program.
        dtype: MIL's name of the element type: "fp16", "fp32", "int32", "uint8", "bool" and so on.
        shape: dimensions; a free one is None.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Reference:
    """An argument that is the value of that name."""

    name: str


Constant: TypeAlias = npt.NDArray[np.generic] | np.generic | str | bool | int | float | None
Argument: TypeAlias = Reference | Constant | tuple[Reference | Constant, ...]


@dataclass(frozen=True)
class Operation:
    """One operation.

    Args:
        operator: MIL's name of what it does, a key of `edge_deeplab.runtimes.mil.operators.OPERATORS`.
        arguments: by MIL's parameter names; defaults are filled in.
        outputs: what it computes.
    """

    operator: str
    arguments: Mapping[str, Argument]
    outputs: tuple[Value, ...]

    def references(self) -> list[str]:
        """Return the names of the values it reads."""
        flat = [
            part
            for argument in self.arguments.values()
            for part in (argument if isinstance(argument, tuple) else (argument,))
        ]
        return [part.name for part in flat if isinstance(part, Reference)]


@dataclass(frozen=True)
class Program:
    """A function of a MIL program, in the order of execution.

    Args:
        inputs: what it takes.
        operations: what it does; constants are arguments, not operations.
        outputs: names of the values it gives.
    """

    inputs: tuple[Value, ...]
    operations: tuple[Operation, ...]
    outputs: tuple[str, ...]

    def producer(self, name: str) -> Operation | None:
        """Return the operation that computes a value; None for an input."""
        return next((s for s in self.operations if any(o.name == name for o in s.outputs)), None)


def operators_of(operations: Sequence[Operation]) -> list[str]:
    """Return the operators in use, each once, in order of first use."""
    return list(dict.fromkeys(operation.operator for operation in operations))
