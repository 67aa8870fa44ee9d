"""TFLite files that take pictures of several sizes: which these are, and the file of one of them alone.

Such a file has a subgraph for each size, under a signature that is named by it, as "368x480", and nothing else; the
first subgraph is of its default size. A file whose signatures mean anything else lists no sizes.
"""

import re
import struct
from pathlib import Path

from edge_deeplab.formats.sizes import Size, check_count
from edge_deeplab.formats.source import RECORD_BYTES, ReadingBudget, read_bytes, unreadable
from edge_deeplab.formats.tflite_tables import TFLiteTable, edited, root_table

_IDENTIFIER = b"TFL3"
_MODEL_GRAPHS, _MODEL_SIGNATURES = 2, 7
_GRAPH_TENSORS, _GRAPH_INPUTS, _GRAPH_OUTPUTS = 0, 1, 2
_TENSOR_SHAPE, _RANK = 0, 4
_SIGNATURE_INPUTS, _SIGNATURE_OUTPUTS, _SIGNATURE_KEY, _SIGNATURE_GRAPH = 0, 1, 2, 4
_ENTRY_TENSOR = 1
_ENDS = ((_SIGNATURE_INPUTS, _GRAPH_INPUTS), (_SIGNATURE_OUTPUTS, _GRAPH_OUTPUTS))
_NAME = re.compile(rb"([1-9]\d{0,5})x([1-9]\d{0,5})")
_LONGEST_NAME = 13


def tflite_sizes(path: Path) -> tuple[Size, ...]:
    """Return the sizes of the picture that a file lists, the default first; none where it takes one.

    Raises:
        ArtifactError: when it cannot be read, or lists too many.
    """
    content = read_bytes(path)
    try:
        return tuple(listed_sizes(content))
    except ValueError as error:
        raise unreadable(path, "a TFLite flatbuffer", str(error)) from error


def listed_sizes(content: bytes) -> dict[Size, int]:
    """Return the sizes of the picture that a file lists, each with the index of its subgraph.

    Args:
        content: a .tflite file, damaged or not.

    Returns:
        The default first; nothing where the file's signatures are not of sizes, or cannot be followed.

    Raises:
        ValueError: when it lists more than are read.
    """
    if content[4:8] != _IDENTIFIER:
        return {}
    try:
        found = _follow(root_table(content))
    except (struct.error, IndexError):
        return {}
    check_count(len(found))
    return dict(sorted(found.items(), key=lambda entry: entry[1] > 0))


def size_alone(content: bytes, size_hw: Size) -> bytes:
    """Return the file that takes one of several sizes: its subgraph and signature alone, on the same weights.

    Args:
        content: a .tflite file; one that does not list the size is returned as it is.
        size_hw: height and width.
    """
    index = listed_sizes(content).get(size_hw)
    if index is None:
        return content
    model = root_table(content)
    place, signature = next(
        (place, signature)
        for place, signature in enumerate(model.tables(_MODEL_SIGNATURES))
        if signature.unsigned(_SIGNATURE_GRAPH) == index
    )
    edits = {
        **model.keeping(_MODEL_GRAPHS, index),
        **model.keeping(_MODEL_SIGNATURES, place),
        **signature.clearing(_SIGNATURE_GRAPH),
    }
    return edited(content, edits)


def _follow(model: TFLiteTable) -> dict[Size, int]:
    """Return sizes and subgraphs where each subgraph has one signature, named by the picture that it takes."""
    count = model.count(_MODEL_SIGNATURES)
    if count < 2 or count != model.count(_MODEL_GRAPHS):
        return {}
    budget = ReadingBudget.for_file(len(model.buffer))
    found: dict[Size, int] = {}
    for signature in model.tables(_MODEL_SIGNATURES):
        budget.spend(1, RECORD_BYTES)
        index = signature.unsigned(_SIGNATURE_GRAPH)
        size_hw = _size_of(signature, model.table(_MODEL_GRAPHS, index))
        if size_hw is None or size_hw in found:
            return {}
        found[size_hw] = index
    return found if len({*found.values()}) == count else {}


def _size_of(signature: TFLiteTable, graph: TFLiteTable) -> Size | None:
    """Return the size that a signature is named by; None where its subgraph does not map a picture of it to one map."""
    if signature.count(_SIGNATURE_KEY) > _LONGEST_NAME:
        return None
    name = _NAME.fullmatch(signature.bytes(_SIGNATURE_KEY))
    if name is None or not all(_is_the_one(signature, own, graph, its) for own, its in _ENDS):
        return None
    size_hw = int(name[1]), int(name[2])
    picture = graph.table(_GRAPH_TENSORS, graph.integer(_GRAPH_INPUTS, 0))
    if picture.count(_TENSOR_SHAPE) != _RANK:
        return None
    shape = [picture.integer(_TENSOR_SHAPE, axis) for axis in range(_RANK)]
    return size_hw if shape in ([1, *size_hw, 3], [1, 3, *size_hw]) else None


def _is_the_one(signature: TFLiteTable, own: int, graph: TFLiteTable, its: int) -> bool:
    """Whether both have one entry at an end, and mean the same tensor by it."""
    if (signature.count(own), graph.count(its)) != (1, 1):
        return False
    return signature.table(own, 0).unsigned(_ENTRY_TENSOR) == graph.integer(its, 0)
