"""One ONNX file that takes pictures of several sizes, made of one file a size.

The idea to hold: each part was exported for one size, and the whole has nothing that they do not share. A resize goes
by its ratio in place of the size of its result; then only the shapes of values differ, and those become free.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.converters.onnx_file import add_metadata
from edge_deeplab.converters.size_parts import differing
from edge_deeplab.errors import require
from edge_deeplab.formats.onnx import parse_onnx
from edge_deeplab.formats.onnx_shapes import declare_missing
from edge_deeplab.formats.onnx_sizes import HEIGHT, SIZES_KEY, WIDTH
from edge_deeplab.text import size_text

_SIZES_INPUT = 3


def unite_onnx(parts: Sequence[Path], path: Path) -> None:
    """Write the file that does what each of several files of one network does at its size.

    Height and width of its picture are free; its metadata lists the sizes, and else is that of the first part.

    Args:
        parts: `.onnx` files that `write_onnx` wrote, each of one size that no other has.
        path: file to write.

    Raises:
        ArtifactError: when a part cannot be read.
        ConversionError: when the parts differ in more than the shapes of their values; it names the first operator.
        MissingDependencyError: without onnx.
    """
    models = [parse_onnx(part) for part in parts]
    sizes = [_picture(model) for model in models]
    for model, part in zip(models, parts, strict=True):
        _resize_by_ratio(model.graph, _shapes(model, part))
    _free_ends(models, sizes)
    _forget_shapes(models)
    for other in models[1:]:
        _check_same(models[0].graph, other.graph)
    add_metadata(models[0], SIZES_KEY, ",".join(map(size_text, sizes)))
    path.write_bytes(models[0].SerializeToString(deterministic=True))


def _picture(model: Any) -> tuple[int, int]:
    """Return height and width of the picture that a model takes."""
    shape = _shape(model.graph.input[0])
    if len(model.graph.input) != 1 or len(shape) != 4 or shape[::3] != [1, 3]:
        raise differing("ONNX", f"their input {model.graph.input[0].name} of shape {shape}")
    return shape[1], shape[2]


def _shape(value: Any) -> list[int]:
    return [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]


def _shapes(model: Any, part: Path) -> dict[str, list[int]]:
    """Return the shape of each value of a model, by its name; of those that it does not declare, as inferred."""
    known = type(model)()
    known.CopyFrom(model)
    declare_missing(known, part)
    return {value.name: _shape(value) for value in (*known.graph.input, *known.graph.value_info)}


def _resize_by_ratio(graph: Any, shapes: Mapping[str, list[int]]) -> None:
    """Let every resize to a size be one by a whole ratio, in place."""
    numpy_helper = require("onnx.numpy_helper", package="onnx", extra="onnx")
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type != "Resize" or len(node.input) <= _SIZES_INPUT:
            continue
        size = stored.get(node.input[_SIZES_INPUT])
        before = np.array(shapes.get(node.input[0], []))
        after = numpy_helper.to_array(size) if size is not None else np.array([])
        if not len(before) or len(before) != len(after) or not before.all() or any(after % before):
            raise differing("ONNX", f"Resize {node.name}, which has no whole ratio")
        scales = (after // before).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(scales, f"{node.name}_scales"))
        node.input[:] = [node.input[0], "", f"{node.name}_scales"]
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _free_ends(models: Sequence[Any], sizes: Sequence[tuple[int, int]]) -> None:
    """Name, in place and in every model, the dimensions of what goes in and out that are the picture's sides."""
    sides = dict(zip((HEIGHT, WIDTH), map(list, zip(*sizes, strict=True)), strict=True))
    for values in zip(*map(_ends, models), strict=False):
        unused = dict(sides)
        for dimensions in zip(*(v.type.tensor_type.shape.dim for v in values), strict=False):
            lengths = [dimension.dim_value for dimension in dimensions]
            if len(set(lengths)) == 1:
                continue
            name = next((side for side, own in unused.items() if own == lengths), "")
            unused.pop(name, None)
            for dimension in dimensions:
                dimension.Clear()
                if name:
                    dimension.dim_param = name


def _ends(model: Any) -> Iterator[Any]:
    yield from model.graph.input
    yield from model.graph.output


def _forget_shapes(models: Sequence[Any]) -> None:
    """Leave out, in place and in every model, the declarations of values whose shapes are not the same in all."""
    declared = [{v.name: v for v in model.graph.value_info} for model in models]
    first, *others = declared
    same = [v for name, v in first.items() if all(other.get(name) == v for other in others)]
    for model in models:
        del model.graph.value_info[:]
        model.graph.value_info.extend(same)


def _check_same(one: Any, other: Any) -> None:
    """Refuse graphs that differ."""
    for mine, its in zip(one.node, other.node, strict=False):
        if mine != its:
            raise differing("ONNX", f"{mine.op_type} {mine.name}")
    for mine, its in zip(one.initializer, other.initializer, strict=False):
        if mine != its:
            raise differing("ONNX", f"what they store as {mine.name}")
    if one != other:
        raise differing("ONNX", "the number of operators, or in what goes in and out")
