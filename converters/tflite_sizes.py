"""One TFLite file that takes pictures of several sizes, made of one file a size.

The idea to hold: each size keeps the very subgraph of its own file, under a signature named by the size. What the files
share, which is nearly all of their bytes, stands once: buffers of equal content are one buffer.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.checker.tflite.opcodes import pack_model
from edge_deeplab.errors import ConversionError, require
from edge_deeplab.formats.source import read_bytes
from edge_deeplab.formats.tflite import reading_flatbuffer
from edge_deeplab.text import size_text

_IDENTIFIER = b"TFL3"


def unite_tflite(parts: Sequence[Path], path: Path) -> None:
    """Write the file that does what each of several files of one network does at its size.

    Its first subgraph and signature, which run where no size is named, are those of the first part; so is its metadata.

    Args:
        parts: `.tflite` files that `write_tflite` wrote, each of one size that no other has.
        path: file to write.

    Raises:
        ArtifactError: when a part cannot be read.
        ConversionError: when a part has not one subgraph and one signature that takes one picture, or two parts take
            one size.
        MissingDependencyError: without ai-edge-litert.
    """
    schema: Any = require(
        "ai_edge_litert.schema_py_generated", package="ai-edge-litert", extra="tflite"
    )
    models = [_read(schema, part) for part in parts]
    sizes = [_name_by_size(model, part) for model, part in zip(models, parts, strict=True)]
    if len(set(sizes)) < len(sizes):
        raise _unexpected(parts[0], f"sizes {', '.join(sizes)}", "a size that no other has")
    whole = _Whole(schema, models[0])
    for model in models:
        whole.append(model)
    path.write_bytes(whole.to_bytes())


def _read(schema: Any, part: Path) -> Any:
    content = read_bytes(part)
    with reading_flatbuffer(part):
        if content[4:8] != _IDENTIFIER:
            raise ValueError("the TFL3 identifier is missing")
        return schema.ModelT.InitFromPackedBuf(content, 0)


def _name_by_size(model: Any, part: Path) -> str:
    """Name a part's signature, in place, by the size of the picture that its subgraph takes, and return that."""
    graphs, signatures = list(model.subgraphs or ()), list(model.signatureDefs or ())
    if (len(graphs), len(signatures)) != (1, 1):
        came = f"{len(graphs)} subgraphs and {len(signatures)} signatures"
        raise _unexpected(part, came, "one of each")
    taken = [[int(side) for side in graphs[0].tensors[i].shape] for i in graphs[0].inputs]
    if len(taken) != 1 or len(taken[0]) != 4 or taken[0][::3] != [1, 3]:
        raise _unexpected(part, f"input {taken}", "one picture of shape (1, H, W, 3)")
    if any(buffer.offset > 1 for buffer in model.buffers):
        raise _unexpected(part, "weights behind the flatbuffer", "weights inside it")
    size = size_text((taken[0][1], taken[0][2]))
    signatures[0].signatureKey = size.encode()
    return size


def _unexpected(part: Path, came: str, expected: str) -> ConversionError:
    return ConversionError(
        f"{part.name}, a part of a TFLite file of several sizes, has {came}; {expected} was expected; "
        "export each size into a file of its own"
    )


class _Whole:
    """The file in the making.

    Args:
        schema: TFLite's own.
        first: object form of the first part, whose version, description and metadata stay.
    """

    def __init__(self, schema: Any, first: Any) -> None:
        self._schema = schema
        self._model = schema.ModelT()
        self._model.version, self._model.description = first.version, first.description
        self._model.subgraphs, self._model.signatureDefs = [], []
        self._model.buffers, self._model.operatorCodes = (
            [schema.BufferT()],
            [],
        )  # 0 is the empty one
        self._buffers: dict[bytes, int] = {b"": 0}
        self._codes: dict[tuple[Any, ...], int] = {}
        self._model.metadata = first.metadata
        places = [self._pooled(buffer) for buffer in first.buffers]
        for entry in first.metadata or ():
            entry.buffer = places[entry.buffer]

    def append(self, model: Any) -> None:
        """Add the subgraph and the signature of a part, whose indices change in place."""
        (graph,), (signature,) = model.subgraphs, model.signatureDefs
        used = {tensor.buffer for tensor in graph.tensors}
        buffers = {index: self._pooled(model.buffers[index]) for index in sorted(used)}
        for tensor in graph.tensors:
            tensor.buffer = buffers[tensor.buffer]
        for operator in graph.operators:
            operator.opcodeIndex = self._code(model.operatorCodes[operator.opcodeIndex])
        signature.subgraphIndex = len(self._model.subgraphs)
        self._model.subgraphs.append(graph)
        self._model.signatureDefs.append(signature)

    def to_bytes(self) -> bytes:
        """Return the flatbuffer."""
        return pack_model(self._schema, self._model)

    def _pooled(self, buffer: Any) -> int:
        content = b"" if buffer.data is None else np.asarray(buffer.data, np.uint8).tobytes()
        if content not in self._buffers:
            self._buffers[content] = len(self._model.buffers)
            self._model.buffers.append(buffer)
        return self._buffers[content]

    def _code(self, code: Any) -> int:
        key = tuple(vars(code).values())
        if key not in self._codes:
            self._codes[key] = len(self._model.operatorCodes)
            self._model.operatorCodes.append(code)
        return self._codes[key]
