"""Reads a Core AI asset into a `FileGraph`: the operations of its function, constants left out."""

from pathlib import Path

from edge_deeplab.formats.coreai_program import (
    CoreAIOperation,
    CoreAIProgram,
    CoreAIValue,
    read_program,
)
from edge_deeplab.formats.graph import (
    Attribute,
    Convolution,
    FileGraph,
    Operator,
    TensorSpec,
    height_and_width,
)
from edge_deeplab.formats.operator_names import find_module

_CONVOLUTION = "conv2d"


def read_coreai(path: Path) -> FileGraph:
    """Return what an `.aimodel` folder holds.

    Args:
        path: the folder.

    Raises:
        ArtifactError: when it is no Core AI asset; ChildError when it harms Apple's parser.
        MissingDependencyError: without coreai-core.
    """
    program = read_program(path)
    specs = {name: _spec(value) for name, value in program.values.items()}
    operators = tuple(
        _operator(place, operation, program, specs)
        for place, operation in enumerate(program.operations)
    )
    notes = (
        (f"of its functions {program.function} is listed, not {', '.join(program.others)}",)
        if program.others
        else ()
    )
    return FileGraph(path, "coreai", {"asset": program.version}, operators, notes)


def _operator(
    index: int,
    operation: CoreAIOperation,
    program: CoreAIProgram,
    specs: dict[str, TensorSpec],
) -> Operator:
    read = [name for _, name in operation.reads]
    stated = {
        role: few[0] if len(few) == 1 else few
        for role, name in operation.reads
        if name in program.values and (few := program.values[name].few)
    }
    attributes: dict[str, Attribute] = {**stated, **operation.settings}
    return Operator(
        index=index,
        type=operation.type,
        name=operation.label or f"{operation.type} {index}",
        version=None,
        inputs=tuple(specs.get(name) for name in read),
        outputs=tuple(specs[name] for name in operation.writes),
        attributes=attributes,
        module=find_module([operation.label], ours=True) if program.ours else None,
        convolution=_convolution(operation, attributes, program),
        reads=tuple(read),
        writes=operation.writes,
    )


def _spec(value: CoreAIValue) -> TensorSpec:
    return TensorSpec(
        value.name, value.dtype, value.shape, constant=value.constant, values=value.few
    )


def _convolution(
    operation: CoreAIOperation, attributes: dict[str, Attribute], program: CoreAIProgram
) -> Convolution | None:
    """Return the geometry of a conv2d whose weight, (K, C / groups, h, w), has a known shape; it pads nothing."""
    groups = attributes.get("groups", 1)
    if operation.type != _CONVOLUTION or not isinstance(groups, int) or groups < 1:
        return None
    weight = program.values.get(dict(operation.reads).get("weight", ""))
    if weight is None or weight.shape is None or len(weight.shape) != 4 or not all(weight.shape):
        return None
    outputs, per_group, height, width = (int(size or 0) for size in weight.shape)
    return Convolution(
        kernel_hw=(height, width),
        rate_hw=height_and_width(attributes.get("dilation")),
        stride_hw=height_and_width(attributes.get("stride")),
        channels=per_group * groups,
        groups=groups,
        multiplier=outputs // groups,
        padding=(0, 0, 0, 0),
    )
