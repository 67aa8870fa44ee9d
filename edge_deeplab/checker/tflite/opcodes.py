"""Splits the opcode table of a TFLite flatbuffer, so that operators of one builtin can have different versions.

The model is unpacked into the schema's object form, changed and packed again. Whether anything else changed is not
taken on trust: the result is unpacked once more and compared with the original, field by field.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from edge_deeplab.checker.tflite.operator_signatures import parse_signatures
from edge_deeplab.checker.tflite.versions import lowest_version
from edge_deeplab.errors import ArtifactError, require

_IDENTIFIER = b"TFL3"
_BUFFER_ALIGNMENT = 16
"""Bytes; the schema asks it of every buffer, which the object form forgets."""

Place = tuple[int, int]
"""Index of a subgraph, and of an operator in it."""


def give_lowest_versions(content: bytes) -> bytes:
    """Return a copy of a flatbuffer in which each operator has the lowest version that it needs, where that is known.

    Args:
        content: a TFLite flatbuffer whose vectors are sound.

    Raises:
        ArtifactError: as for `split_opcodes`.
    """
    lowest = {(s.subgraph, s.index): lowest_version(s) for s in parse_signatures(content)}
    return split_opcodes(content, {place: v for place, v in lowest.items() if v is not None})


def split_opcodes(content: bytes, versions: Mapping[Place, int]) -> bytes:
    """Return a copy of a flatbuffer in which operators have the versions that are given.

    Args:
        content: a TFLite flatbuffer whose vectors were found to be sound (`read_signatures`).
        versions: the version of each operator that gets another one.

    Raises:
        ArtifactError: when the copy would lose something: a field that does not come through the installed schema,
            weights that the file does not hold, or options of custom operators that it keeps behind the flatbuffer.
    """
    schema: Any = require(
        "ai_edge_litert.schema_py_generated", package="ai-edge-litert", extra="tflite"
    )
    model = _unpack(schema, content)
    _give_versions(model, versions)
    mended = pack_model(schema, model)
    changed = next(_differences(_unpack(schema, content), _unpack(schema, mended), "model"), "")
    if changed:
        raise ArtifactError(
            f"{changed} would not be the same in a copy; a file of the installed schema was expected; "
            "install the ai-edge-litert that belongs to its converter"
        )
    return mended


def _unpack(schema: Any, content: bytes) -> Any:
    """Return the object form; buffers that the file keeps behind the flatbuffer are taken into it."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for index, buffer in enumerate(model.buffers or ()):
        if buffer.offset > 1:
            if buffer.offset + buffer.size > len(content):
                raise ArtifactError(
                    f"its buffer {index} ends at byte {buffer.offset + buffer.size} of {len(content)}; a whole file "
                    "was expected; download or convert it again"
                )
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    if any(operator.largeCustomOptionsOffset > 1 for _, operator in _operators(model)):
        raise ArtifactError(
            "a custom operator keeps its options behind the flatbuffer; options inside it were expected; "
            "convert the model without it"
        )
    return model


def _give_versions(model: Any, versions: Mapping[Place, int]) -> None:
    """Change in place the opcode of each operator that gets another version; entries that nobody uses are dropped."""
    table: dict[tuple[int, int], int] = {}
    codes: list[Any] = []
    for place, operator in _operators(model):
        old = model.operatorCodes[operator.opcodeIndex]
        key = operator.opcodeIndex, versions.get(place, old.version)
        if key not in table:
            table[key] = len(codes)
            codes.append(copy.copy(old))
            codes[-1].version = key[1]
        operator.opcodeIndex = table[key]
    model.operatorCodes = codes


def _operators(model: Any) -> Iterator[tuple[Place, Any]]:
    for subgraph, graph in enumerate(model.subgraphs):
        for index, operator in enumerate(graph.operators or ()):
            yield (subgraph, index), operator


def pack_model(schema: Any, model: Any) -> bytes:
    """Return the flatbuffer of a model's object form, its buffers on the boundary that the schema asks for.

    Equal constants of its subgraphs, which their weights already share, are one table.

    Args:
        schema: TFLite's own.
        model: a `ModelT`; how its buffers and constants pack themselves changes in place.

    Raises:
        MissingDependencyError: without flatbuffers.
    """
    flatbuffers: Any = require("flatbuffers", package="flatbuffers", extra="tflite")
    for buffer in model.buffers or ():
        buffer.Pack = _aligned_packer(schema, buffer)
    known: dict[tuple[Any, ...], int] = {}
    for graph in model.subgraphs or ():
        for tensor in graph.tensors or ():
            if tensor.buffer:
                tensor.Pack = _packer_once(tensor, known)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def _aligned_packer(schema: Any, buffer: Any) -> Any:
    """Return a buffer's Pack that puts its data on the boundary that the schema asks for."""

    def pack(builder: Any) -> Any:
        data = None
        if buffer.data is not None:
            content = np.asarray(buffer.data, np.uint8).tobytes()
            builder.StartVector(1, len(content), _BUFFER_ALIGNMENT)
            builder.head -= len(content)
            builder.Bytes[builder.head : builder.head + len(content)] = content
            data = builder.EndVector()
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        schema.BufferAddOffset(builder, buffer.offset)
        schema.BufferAddSize(builder, buffer.size)
        return schema.BufferEnd(builder)

    return pack


def _packer_once(tensor: Any, known: dict[tuple[Any, ...], int]) -> Callable[[Any], int]:
    """Return a constant's Pack that gives the place of an equal one, where one is packed already.

    What is said of the weights beside their numbers, above all a scale and zero point for each channel, would otherwise
    take a quarter of one size's bytes for every further size.
    """

    def pack(builder: Any) -> int:
        key = (*_content(tensor),)
        if key not in known:
            known[key] = type(tensor).Pack(tensor, builder)
        return known[key]

    return pack


def _content(value: Any) -> Iterator[Any]:
    """Yield the settings in an object of the schema, in one order."""
    if isinstance(value, np.ndarray):
        yield value.dtype.str, value.tobytes()
    elif hasattr(value, "__dict__"):
        for name, own in vars(value).items():
            if name != "Pack":
                yield (name, *_content(own))
    elif isinstance(value, list):
        yield tuple((*_content(own),) for own in value)
    else:
        yield value


def _differences(one: Any, other: Any, where: str) -> Iterator[str]:
    """Yield the paths of the fields in which two objects of the schema differ, opcodes left out."""
    if type(one) is not type(other):
        yield where
    elif isinstance(one, np.ndarray):
        if one.shape != other.shape or one.tobytes() != other.tobytes():
            yield where
    elif isinstance(one, list):
        if len(one) != len(other):
            yield where
        for index, (left, right) in enumerate(zip(one, other, strict=False)):
            yield from _differences(left, right, f"{where}[{index}]")
    elif hasattr(one, "__dict__"):
        for name, value in vars(one).items():
            if name not in ("operatorCodes", "opcodeIndex"):
                yield from _differences(value, getattr(other, name), f"{where}.{name}")
    elif one != other and not (one != one and other != other):
        yield where
