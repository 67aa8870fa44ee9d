"""One Core ML package that takes pictures of several sizes, made of one package a size.

The idea to hold: each part was converted by coremltools for one size, and the whole has nothing that they do not share:
the same operators with the same settings and the same weights. Only the shapes of values differ, and those become free.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edge_deeplab.converters.size_parts import differing
from edge_deeplab.formats.coreml import load_proto_module, operations_within
from edge_deeplab.formats.coreml_package import locate_model, read_stored


def unite_coreml(parts: Sequence[Path], path: Path) -> None:
    """Write the package that does what each of several packages of one network does at its size.

    Core ML is told of every size (`EnumeratedShapes`; with a range it would keep off the Neural Engine); the first is
    the one that it is shown with.

    Args:
        parts: `.mlpackage` folders that `write_coreml` wrote, each of one size that no other has.
        path: folder to write.

    Raises:
        ArtifactError: when a part cannot be read.
        ConversionError: when the parts differ in more than the shapes of their values; it names the first operator.
        MissingDependencyError: without coremltools.
    """
    new = load_proto_module("Model_pb2").Model
    stored = [read_stored(part, new()) for part in parts]
    models = [model.message for model in stored]
    _check_weights([model.weights for model in stored])
    sizes = [_picture(model) for model in models]
    _free_shapes(models)
    for other in models[1:]:
        _check_same(models[0], other)
    united = models[0]
    _enumerate(united, sizes)
    shutil.copytree(parts[0], path)
    locate_model(path).write_bytes(united.SerializeToString(deterministic=True))


def _blocks(model: Any) -> Iterator[Any]:
    for function in model.mlProgram.functions.values():
        yield function.block_specializations[function.opset]


def _operations(model: Any) -> Iterator[Any]:
    for block in _blocks(model):
        yield from operations_within(block)


def _values(model: Any) -> Iterator[Any]:
    """Yield what a program takes and computes, each with its type."""
    for function in model.mlProgram.functions.values():
        yield from function.inputs
    for operation in _operations(model):
        yield from operation.outputs


def _free_shapes(models: Sequence[Any]) -> None:
    """Free, in place and in every model, the dimensions that differ between the models."""
    for values in zip(*map(_values, models), strict=False):
        types = [value.type.tensorType.dimensions for value in values]
        for dimensions in zip(*types, strict=False):
            if len({dimension.constant.size for dimension in dimensions}) > 1:
                for dimension in dimensions:
                    dimension.unknown.variadic = False


def _check_same(one: Any, other: Any) -> None:
    """Refuse programs that differ, shapes aside."""
    for mine, its in zip(_operations(one), _operations(other), strict=False):
        if mine != its:
            raise differing("Core ML", f"{mine.type} {mine.outputs[0].name}")
    if one.mlProgram != other.mlProgram:
        raise differing("Core ML", "the number of operators")


def _check_weights(folders: Sequence[Path]) -> None:
    files = [
        {file.name: file.read_bytes() for file in folder.iterdir()} if folder.is_dir() else {}
        for folder in folders
    ]
    if any(other != files[0] for other in files[1:]):
        raise differing("Core ML", "their weights")


def _picture(model: Any) -> tuple[int, int]:
    """Return height and width of the picture that a model takes."""
    image = model.description.input[0].type.imageType
    return image.height, image.width


def _enumerate(model: Any, sizes: Sequence[tuple[int, int]]) -> None:
    """Tell the sizes in a model's description, in place; of what comes out no shape is told then."""
    (picture,) = model.description.input
    for height, width in sizes:
        picture.type.imageType.enumeratedSizes.sizes.add(height=height, width=width)
    for output in model.description.output:
        output.type.multiArrayType.ClearField("shape")
