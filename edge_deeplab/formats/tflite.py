"""Reads a TFLite flatbuffer into a `FileGraph` through TFLite's own schema; weights are never touched.

A flatbuffer is offsets all the way down, and the schema module follows them unchecked: every length is bounded here
before anything loops over it.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.errors import require
from edge_deeplab.formats.foreign_kinds import refuse_edge_tpu_file
from edge_deeplab.formats.graph import (
    Attribute,
    Convolution,
    FileGraph,
    Operator,
    TensorQuantization,
    TensorSpec,
    check_wiring,
)
from edge_deeplab.formats.operator_names import find_module
from edge_deeplab.formats.sizes import Size
from edge_deeplab.formats.source import (
    ENTRY_BYTES,
    LONGEST_SETTING,
    RECORD_BYTES,
    ReadingBudget,
    read_bytes,
    unreadable,
)
from edge_deeplab.formats.tflite_sizes import listed_sizes
from edge_deeplab.text import size_text

_IDENTIFIER = b"TFL3"
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_PADDING = {0: "SAME", 1: "VALID"}
_WHOLE_NUMBERS = {"int32": "<i4", "int64": "<i8"}
_LAST_PLACEHOLDER_CODE = 127
"""Operators above it stand in the newer, wider field of their code."""

Specs = tuple[TensorSpec | None, ...]


def read_tflite(path: Path, size_hw: Size | None = None) -> FileGraph:
    """Return what a TFLite file holds: its first subgraph, which is the one that runs.

    Args:
        path: a `.tflite` file.
        size_hw: of a file that lists several sizes, the one whose subgraph is told; None: its default.

    Raises:
        ArtifactError: when it is not a TFLite flatbuffer, is compiled for the Edge TPU, or does not list that size.
        MissingDependencyError: without ai-edge-litert.
    """
    schema = require("ai_edge_litert.schema_py_generated", package="ai-edge-litert", extra="tflite")
    content = read_bytes(path)
    refuse_edge_tpu_file(path, content)
    with reading_flatbuffer(path):
        if content[4:8] != _IDENTIFIER:
            raise ValueError("the TFL3 identifier is missing")
        return ModelReader(schema, content, size_hw).read(path)


@contextmanager
def reading_flatbuffer(path: Path) -> Iterator[None]:
    """Turn what the schema's classes raise on a damaged flatbuffer into one sentence.

    Raises:
        ArtifactError: in place of any of these.
    """
    try:
        yield
    except (
        struct.error,
        ValueError,
        TypeError,
        IndexError,
        AttributeError,
        OverflowError,
    ) as error:
        raise unreadable(path, "a TFLite flatbuffer", str(error)) from error


class ModelReader:
    """One flatbuffer, with its tables of codes and tensors read once.

    Args:
        schema: TFLite's own.
        content: the file.
        size_hw: of several sizes that it lists, the one whose subgraph is read; None: its default.

    Raises:
        ValueError: when it is damaged, or does not list that size.
    """

    def __init__(self, schema: Any, content: bytes, size_hw: Size | None = None) -> None:
        self._schema = schema
        self._model = schema.Model.GetRootAs(content, 0)
        self._budget = ReadingBudget.for_file(len(content))
        self._builtin_names = _names_of(schema.BuiltinOperator)
        self._type_names = _names_of(schema.TensorType)
        if not self._model.SubgraphsLength():
            raise ValueError("it has no subgraph")
        self._sizes = listed_sizes(content)
        self._size_hw = size_hw or next(iter(self._sizes), None)
        if size_hw is not None and size_hw not in self._sizes:
            raise ValueError(f"it does not list the size {size_text(size_hw)}")
        self._place = self._sizes[self._size_hw] if self._size_hw else 0
        self._graph = self._model.Subgraphs(self._place)
        self._ours = METADATA_KEY in self._metadata_names()
        self._rates_before: dict[int, tuple[int, int]] = {}

    def read(self, path: Path) -> FileGraph:
        self._codes = [self._code(i) for i in self._range(self._model.OperatorCodesLength())]
        self._tensors = [self._tensor(i) for i in self._range(self._graph.TensorsLength())]
        operators = tuple(self._operator(i) for i in self._range(self._graph.OperatorsLength()))
        if not operators:
            raise ValueError("its graph has no operators")
        check_wiring(operators)
        others = 0 if self._sizes else self._model.SubgraphsLength() - 1
        notes = (f"{others} further subgraphs are not listed",) if others else ()
        versions = {"schema": self._model.Version()}
        return FileGraph(path, "tflite", versions, operators, notes, self._size_hw)

    def _operator(self, index: int) -> Operator:
        flat = self._graph.Operators(index)
        kind, domain, version = self._codes[flat.OpcodeIndex()]
        reads = self._indices(flat, "Inputs")
        writes = [i for i in self._indices(flat, "Outputs") if i >= 0]
        inputs = tuple(self._tensors[i] if i >= 0 else None for i in reads)
        outputs = tuple(self._tensors[i] for i in writes)
        attributes = self._attributes(flat)
        rate_before = self._rates_before.get(reads[0]) if reads else None
        self._remember(kind, reads, writes)
        return Operator(
            index=index,
            type=kind,
            name=outputs[0].name if outputs else f"operator {index}",
            version=version,
            inputs=inputs,
            outputs=outputs,
            attributes=attributes,
            module=self._module(kind, inputs, outputs),
            convolution=_convolution(kind, attributes, inputs, rate_before),
            domain=domain,
            reads=tuple(str(i) if i >= 0 else "" for i in reads),
            writes=tuple(str(i) for i in writes),
        )

    def _remember(self, kind: str, reads: list[int], writes: list[int]) -> None:
        """Note what later operators must know of an earlier one.

        What a DEQUANTIZE makes of a constant counts as that constant, as it is stored. The block of a SPACE_TO_BATCH_ND
        is the atrous rate of the convolution that follows.
        """
        if not writes or min(reads, default=-1) < 0:
            return
        if kind in ("DEQUANTIZE", "DENSIFY") and self._tensors[reads[0]].constant:
            read_as = self._tensors[writes[0]].dtype
            self._tensors[writes[0]] = replace(self._tensors[reads[0]], read_as=read_as)
        if kind == "SPACE_TO_BATCH_ND":
            self._rates_before[writes[0]] = self._block_of(reads)

    def _code(self, index: int) -> tuple[str, str, int]:
        """Return (type, domain, version) of an operator code."""
        code = self._model.OperatorCodes(index)
        number = code.DeprecatedBuiltinCode()
        if number >= _LAST_PLACEHOLDER_CODE or number < code.BuiltinCode():
            number = code.BuiltinCode()
        name = self._builtin_names.get(number, f"BUILTIN_{number}")
        if name == "CUSTOM":
            return self._text(code.CustomCode()), "custom", code.Version()
        return name, "", code.Version()

    def _tensor(self, index: int) -> TensorSpec:
        flat = self._graph.Tensors(index)
        signature = self._vector(flat, "ShapeSignature")
        sizes = signature if len(signature) else self._vector(flat, "Shape")
        shape = tuple(int(size) if size >= 0 else None for size in sizes)
        dtype = self._type_names.get(flat.Type(), f"type {flat.Type()}").lower()
        data = self._model.Buffers(flat.Buffer()) if flat.Buffer() else None
        apart = data is not None and data.Offset() > 1
        constant = apart or (data is not None and data.DataLength() > 0)
        return TensorSpec(
            name=self._text(flat.Name()) or f"tensor {index}",
            dtype=dtype,
            shape=shape,
            constant=constant,
            apart=apart,
            quantization=self._quantization(flat.Quantization()),
            values=self._values(data, dtype) if constant else None,
        )

    def _quantization(self, flat: Any) -> TensorQuantization | None:
        if flat is None or not flat.ScaleLength():
            return None
        scales = self._vector(flat, "Scale")
        zero_points = self._vector(flat, "ZeroPoint")
        given = len(zero_points) > 0
        return TensorQuantization(
            scales=(float(np.min(scales)), float(np.max(scales))),
            zero_points=(int(np.min(zero_points)), int(np.max(zero_points))) if given else (0, 0),
            channels=len(scales),
            axis=int(flat.QuantizedDimension()),
        )

    def _values(self, buffer: Any, dtype: str) -> tuple[int, ...] | None:
        """Return the whole numbers of a short constant: sizes, axes, paddings."""
        kind = _WHOLE_NUMBERS.get(dtype)
        size = np.dtype(kind).itemsize
        if kind is None or not 0 < buffer.DataLength() <= LONGEST_SETTING * size:
            return None
        content = bytes(self._vector(buffer, "Data"))
        return tuple(np.frombuffer(content[: len(content) // size * size], kind).tolist())

    def _module(self, kind: str, inputs: Specs, outputs: tuple[TensorSpec, ...]) -> str | None:
        weights = [spec.name for spec in inputs if spec and spec.constant]
        own = [spec.name for spec in outputs]
        names = [*weights, *own] if kind in _CONVOLUTIONS else [*own, *weights]
        return find_module(names, ours=self._ours)

    def _block_of(self, reads: list[int]) -> tuple[int, int]:
        """Return the constant block (h, w) of a SPACE_TO_BATCH_ND; (1, 1) where it is computed or not of two axes."""
        if len(reads) < 2:
            return 1, 1
        block = self._tensors[reads[1]].values or ()
        return (int(block[0]), int(block[1])) if len(block) == 2 else (1, 1)

    def _attributes(self, flat: Any) -> dict[str, Attribute]:
        kind = flat.BuiltinOptionsType()
        options = self._schema.BuiltinOptionsCreator(kind, flat.BuiltinOptions())
        fields = vars(options) if options else {}
        settings = {_snake_case(key): _setting(value) for key, value in fields.items()}
        if isinstance(padding := settings.get("padding"), int):
            settings["padding"] = _PADDING.get(padding, padding)
        return {key: value for key, value in settings.items() if value is not None}

    def _metadata_names(self) -> set[str]:
        entries = self._range(self._model.MetadataLength())
        return {self._text(self._model.Metadata(i).Name()) for i in entries}

    def _indices(self, flat: Any, field: str) -> list[int]:
        """Return an operator's tensor indices; -1 for an absent optional input."""
        indices = [int(i) for i in self._vector(flat, field)]
        if any(i >= len(self._tensors) or i < -1 for i in indices):
            raise ValueError("an operator names a tensor that does not exist")
        return indices

    def _vector(self, flat: Any, field: str) -> Any:
        """Return a numeric vector, its length taken off the budget; empty where it is absent."""
        self._budget.spend(getattr(flat, f"{field}Length")(), ENTRY_BYTES)
        vector = getattr(flat, f"{field}AsNumpy")()
        return () if isinstance(vector, int) else vector

    def _range(self, length: int) -> range:
        return range(self._budget.spend(length, RECORD_BYTES))

    def _text(self, content: bytes | None) -> str:
        text = (content or b"").decode(errors="replace")
        self._budget.spend(len(text))
        return text


def _names_of(enumeration: Any) -> dict[int, str]:
    return {v: k for k, v in vars(enumeration).items() if isinstance(v, int)}


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()


def _setting(value: Any) -> Attribute | None:
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray) and value.size <= LONGEST_SETTING:
        return tuple(value.tolist())
    return None


def _convolution(
    kind: str,
    attributes: dict[str, Attribute],
    inputs: Specs,
    rate_before: tuple[int, int] | None,
) -> Convolution | None:
    """Return the geometry of CONV_2D and DEPTHWISE_CONV_2D; `rate_before` is a SPACE_TO_BATCH_ND's block."""
    image, weight = (*inputs, None, None)[:2]
    if kind not in _CONVOLUTIONS or image is None or weight is None:
        return None
    if not weight.shape or len(weight.shape) != 4 or not all(weight.shape):
        return None
    first, height, width, last = (int(size or 0) for size in weight.shape)
    if kind == "DEPTHWISE_CONV_2D":  # weight (1, h, w, channels * multiplier)
        channels = (image.shape or (0,))[-1] or last
        groups, multiplier = channels, last // channels
    else:  # weight (outputs, h, w, channels / groups)
        channels = (image.shape or (0,))[-1] or last
        groups = max(1, channels // last)
        multiplier = first // groups
    native = _whole(attributes, "dilation_hfactor"), _whole(attributes, "dilation_wfactor")
    return Convolution(
        kernel_hw=(height, width),
        rate_hw=rate_before or native,
        stride_hw=(_whole(attributes, "stride_h"), _whole(attributes, "stride_w")),
        channels=channels,
        groups=groups,
        multiplier=multiplier,
        form="space-to-batch" if rate_before else "native",
    )


def _whole(attributes: dict[str, Attribute], key: str) -> int:
    value = attributes.get(key, 1)
    return int(value) if isinstance(value, (int, float)) else 1
