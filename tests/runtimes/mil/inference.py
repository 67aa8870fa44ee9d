"""One MIL operation twice: folded by coremltools' own value inference, and executed by the evaluator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edge_deeplab.converters.noise import quietly
from edge_deeplab.runtimes.mil.evaluator import Evaluator
from edge_deeplab.runtimes.mil.reader import _read_function

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Operation:
    """A MIL operation with all its arguments.

    Args:
        operator: MIL's name.
        arguments: by MIL's parameter names; "x", "y", "input" and "values" are fed while the program runs, if arrays.
        target: name of the deployment target whose definition holds.
    """

    operator: str
    arguments: Mapping[str, Any]
    target: str = "iOS17"

    def __str__(self) -> str:
        shown = {
            name: f"{value.dtype}{list(value.shape)}" if name in _FED else value
            for name, value in self.arguments.items()
            if not isinstance(value, tuple)
        }
        return f"{self.operator} ({self.target}) {shown}"


@dataclass(frozen=True)
class Result:
    """What coremltools declares and infers for an operation.

    Args:
        shape: of the output, by type inference.
        value: of the output; None where coremltools infers none.
    """

    shape: tuple[int, ...]
    value: Array | None


_FED = ("x", "y", "input", "values")
_OF_SO_MANY: Mapping[int, Callable[[Any], Any]] = {
    1: lambda build: lambda a: build(a),
    2: lambda build: lambda a, b: build(a, b),
    3: lambda build: lambda a, b, c: build(a, b, c),
}
"""A function of any number of inputs as one of so many named ones: coremltools counts names."""


def infer(operation: Operation) -> Result:
    """Return what coremltools makes of an operation on constants."""
    import coremltools
    from coremltools.converters.mil.mil import Builder

    made: list[Any] = []

    def build(unused: Any) -> Any:
        arguments = {name: _copied(value) for name, value in operation.arguments.items()}
        made.append(_last(getattr(Builder, operation.operator)(**arguments)))
        return Builder.identity(x=unused)

    with quietly():
        target = getattr(coremltools.target, operation.target)
        Builder.program(input_specs=[Builder.TensorSpec((1,))], opset_version=target)(build)
        (output,) = made
        value = output.val
        if value is None and hasattr(output.op, "materialized_val_inference"):
            value = output.op.materialized_val_inference()
    shape = tuple(int(side) for side in output.shape)
    return Result(shape, None if value is None else np.asarray(value))


def execute(operation: Operation) -> Array:
    """Return what the evaluator makes of the same operation in a program, its tensors fed from outside."""
    import coremltools
    from coremltools.converters.mil.mil import Builder

    fed = {n: v for n, v in _flat(operation.arguments).items() if isinstance(v, np.ndarray)}
    if operation.operator.startswith("constexpr_"):
        fed = {}  # takes constants alone

    def build(*inputs: Any) -> Any:
        arguments = _assembled(operation.arguments, dict(zip(fed, inputs, strict=False)))
        return _last(getattr(Builder, operation.operator)(name="result", **arguments))

    with quietly():
        specs = [Builder.TensorSpec(v.shape, dtype=_mil_type(v.dtype)) for v in fed.values()]
        target = getattr(coremltools.target, operation.target)
        program = Builder.program(
            input_specs=specs or [Builder.TensorSpec((1,))], opset_version=target
        )(_OF_SO_MANY[max(1, len(specs))](build))
        function = program.functions["main"]
        read = _read_function(function, [output.name for output in function.outputs])
    names = [value.name for value in read.inputs]
    feeds = dict(zip(names, map(_as_held, fed.values()), strict=False))
    result: Array = Evaluator(read).evaluate(feeds)[read.outputs[0]].numpy()
    return result


def _last(results: Any) -> Any:
    """Return the last of an operation's results."""
    return results[-1] if isinstance(results, tuple | list) else results


def _flat(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fed arguments by name, those of a tuple by name and place."""
    flat: dict[str, Any] = {}
    for name in _FED:
        value = arguments.get(name)
        parts = value if isinstance(value, tuple) else (value,)
        flat |= {f"{name} {place}": part for place, part in enumerate(parts)}
    return flat


def _assembled(arguments: Mapping[str, Any], fed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with the program's inputs in the places of the arrays that they feed."""
    assembled: dict[str, Any] = {}
    for name, value in arguments.items():
        parts = value if isinstance(value, tuple) else (value,)
        replaced = [fed.get(f"{name} {place}", _copied(part)) for place, part in enumerate(parts)]
        assembled[name] = replaced if isinstance(value, tuple) else replaced[0]
    return assembled


def _copied(value: Any) -> Any:
    """Return a copy of an array: coremltools' inference of `thresholded_relu` writes into its argument."""
    if isinstance(value, tuple):
        return [_copied(part) for part in value]
    return value.copy() if isinstance(value, np.ndarray) else value


def _mil_type(dtype: np.dtype[Any]) -> Any:
    from coremltools.converters.mil.mil import types

    return types.numpy_type_to_builtin_type(dtype)


def _as_held(value: Array) -> torch.Tensor:
    wider = {"float16": np.float32, "uint16": np.int32}
    return torch.from_numpy(value.astype(wider.get(value.dtype.name, value.dtype)))
