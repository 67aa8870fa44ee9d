"""Read a saved .mlpackage back: its MIL program with the weights as stored, its picture input, its metadata.

The package is opened and checked by the function that `check` reads it with (`coreml_package`). coremltools turns the
stored program into operators; that works on every system. What comes out here is plain data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edge_deeplab.converters.noise import quietly
from edge_deeplab.errors import ArtifactError, EdgeDeepLabError, UnsupportedOperatorError, require
from edge_deeplab.formats.coreml_package import StoredModel, read_stored
from edge_deeplab.formats.coreml_sizes import listed_sizes
from edge_deeplab.formats.sizes import Size
from edge_deeplab.runtimes.mil.operators import OPERATORS
from edge_deeplab.runtimes.mil.program import (
    Argument,
    Constant,
    Operation,
    Program,
    Reference,
    Value,
)
from edge_deeplab.text import first_line

ColourOrder = Literal["RGB", "BGR"]


@dataclass(frozen=True)
class Package:
    """A saved Core ML package.

    Args:
        program: its main function.
        colour_order: of its picture input; None where the input is a plain tensor.
        metadata: user-defined metadata.
        size_hw: the picture's default height and width, where it takes several.
    """

    program: Program
    colour_order: ColourOrder | None
    metadata: Mapping[str, str]
    size_hw: Size | None = None


def read_package(path: Path) -> Package:
    """Read a saved package.

    Args:
        path: the .mlpackage folder.

    Raises:
        ArtifactError: when it is damaged or no ML program, or something in it leads outside.
        MissingDependencyError: without coremltools.
        UnsupportedOperatorError: naming every operator that the evaluator does not know.
    """
    with quietly():
        proto: Any = require("coremltools.proto.Model_pb2", package="coremltools", extra="coreml")
        try:
            return _read_model(read_stored(path, proto.Model()), path)
        except EdgeDeepLabError:
            raise
        except Exception as error:  # protobuf, the blob reader and coremltools raise their own
            raise _unreadable(path, f"{type(error).__name__}: {error}") from error


def _read_model(model: StoredModel, path: Path) -> Package:
    spec = model.message
    kind = spec.WhichOneof("Type")
    if kind is None:
        raise _unreadable(path, "its model is empty")
    if kind != "mlProgram":
        raise ArtifactError(
            f"{path} holds a {kind}; an ML program (iOS 15 and later) was expected; "
            "convert the model again with convert_to='mlprogram'"
        )
    function = _main_function(spec.mlProgram.functions)
    _check_operators(spec.mlProgram.functions[function])
    load: Any = require(
        "coremltools.converters.mil.frontend.milproto.load", package="coremltools", extra="coreml"
    )
    loaded = load.load(spec, spec.specificationVersion, str(model.weights))
    outputs = tuple(output.name for output in spec.description.output)
    return Package(
        _read_function(loaded.functions[function], outputs),
        _colour_order(spec.description.input[0].type, path),
        dict(spec.description.metadata.userDefined),
        next(iter(listed_sizes(spec)), None),
    )


def _main_function(functions: Mapping[str, Any]) -> str:
    return "main" if "main" in functions else next(iter(functions))


def _check_operators(function: Any) -> None:
    """Check the stored form, before anything is built from it."""
    stored = [o.type for o in function.block_specializations[function.opset].operations]
    unknown = sorted(set(stored) - set(OPERATORS) - {"const"})
    if unknown:
        raise UnsupportedOperatorError(unknown, "the MIL reference evaluator")


def _read_function(function: Any, outputs: Sequence[str]) -> Program:
    operations = tuple(
        Operation(
            operation.op_type,
            {name: _argument(var) for name, var in operation.inputs.items() if var is not None},
            tuple(_value(output) for output in operation.outputs),
        )
        for operation in function.operations
        if operation.op_type != "const"
    )
    return Program(
        tuple(_value(var) for var in function.inputs.values()), operations, tuple(outputs)
    )


def _argument(var: Any) -> Argument:
    if isinstance(var, list | tuple):
        return tuple(_single(part) for part in var)
    return _single(var)


def _single(var: Any) -> Reference | Constant:
    if var.op is None or var.op.op_type != "const":
        return Reference(var.name)
    constant: Constant = var.val
    return constant


def _value(var: Any) -> Value:
    types: Any = require(
        "coremltools.converters.mil.mil.types", package="coremltools", extra="coreml"
    )
    shape = tuple(int(side) if str(side).lstrip("-").isdigit() else None for side in var.shape)
    return Value(var.name, types.builtin_to_string(var.dtype), shape)


def _colour_order(feature: Any, path: Path) -> ColourOrder | None:
    if feature.WhichOneof("Type") != "imageType":
        return None
    spaces: dict[str, ColourOrder] = {"RGB": "RGB", "BGR": "BGR"}
    name = feature.imageType.ColorSpace.Name(feature.imageType.colorSpace)
    if name not in spaces:
        raise ArtifactError(
            f"{path} takes a {name} picture; RGB or BGR was expected; export it for colour pictures"
        )
    return spaces[name]


def _unreadable(path: Path, reason: str) -> ArtifactError:
    return ArtifactError(
        f"{path} cannot be read as a Core ML package ({first_line(reason)}); a complete .mlpackage folder was "
        "expected; copy or export it again"
    )
