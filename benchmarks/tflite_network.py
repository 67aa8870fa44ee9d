"""A TFLite file of one operator behind a convolution, written through the format's own schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

HEIGHT, WIDTH, CHANNELS = 24, 32, 16
MAP = (1, HEIGHT, WIDTH, CHANNELS)
SAME, VALID = schema.Padding.SAME, schema.Padding.VALID
SCALE = 0.05
"""Of every int8 map, at zero point 0, but of these results, which TFLite prescribes."""
PRESCRIBED = {
    "LOGISTIC": (1 / 256, -128),
    "SOFTMAX": (1 / 256, -128),
    "TANH": (1 / 128, 0),
    "L2_NORMALIZATION": (1 / 128, 0),
    "LOG_SOFTMAX": (16 / 256, 127),
}


@dataclass(frozen=True)
class Case:
    """One operator in one setting.

    Args:
        operator: TFLite's name.
        result: shape of each of its outputs.
        options: name of the table of its settings; None for one without.
        settings: what stands in it.
        stored: its further inputs, which stand in the file: integers as they are, floats as the map's own type.
        pair: whether it reads a second map, of the same shape.
        map_at: place of the map among its inputs.
        dtype: element type of its outputs where it is not the map's.
    """

    operator: str
    result: Sequence[tuple[int, ...]] = (MAP,)
    options: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    stored: Sequence[np.ndarray] = ()
    pair: bool = False
    map_at: int = 0
    dtype: str | None = None


def numbers(*shape: int) -> np.ndarray:
    """Return weights, the same ones for a shape each time."""
    return np.random.default_rng(0).normal(0, 0.2, shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    """Return 32-bit integers."""
    return np.array(values, np.int32)


class Network:
    """A file under construction: an operator behind a convolution.

    Args:
        quantized: whether maps and weights are int8.
    """

    def __init__(self, quantized: bool) -> None:
        self._kind = "INT8" if quantized else "FLOAT32"
        self._model = schema.ModelT()
        self._model.version, self._model.buffers = 3, [schema.BufferT()]
        self._model.operatorCodes = []
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._model.subgraphs = [self._graph]

    def build(self, case: Case) -> bytes:
        """Return the file of a case."""
        image = self._tensor("image", (1, HEIGHT, WIDTH, 3), self._kind)
        maps = [self._convolved(image) for _ in range(2 if case.pair else 1)]
        convolves = case.operator in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
        stored = (
            self._convolution_weights(case.stored)
            if convolves
            else [self._stored(a) for a in case.stored]
        )
        inputs = [*stored[: case.map_at], *maps, *stored[case.map_at :]]
        scale = PRESCRIBED.get(case.operator, (SCALE, 0)) if self._kind == "INT8" else (None, 0)
        results = [
            self._tensor(f"result{place}", shape, self._kind_of(case, place), None, *scale)
            for place, shape in enumerate(case.result)
        ]
        self._add(case.operator, inputs, results, case.options, case.settings)
        self._graph.inputs, self._graph.outputs = (
            np.array([image], np.int32),
            np.array(results, np.int32),
        )
        builder = flatbuffers.Builder(1 << 12)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _convolved(self, image: int) -> int:
        value = self._tensor(f"convolution{len(self._graph.operators)}", MAP, self._kind)
        filters = self._convolution_weights((numbers(CHANNELS, 3, 3, 3), numbers(CHANNELS)))
        settings = {"strideW": 1, "strideH": 1, "padding": SAME}
        self._add("CONV_2D", [image, *filters], [value], "Conv2DOptions", settings)
        return value

    def _kind_of(self, case: Case, place: int) -> str:
        if case.operator == "TOPK_V2" and place == 1:
            return "INT32"
        return case.dtype or self._kind

    def _add(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        table: str | None,
        settings: Any,
    ) -> None:
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
        operator.opcodeIndex = len(self._model.operatorCodes)
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        if table:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            operator.builtinOptions = getattr(schema, f"{table}T")()
            for name, value in settings.items():
                setattr(operator.builtinOptions, name, value)
        self._model.operatorCodes.append(code)
        self._graph.operators.append(operator)

    def _convolution_weights(self, arrays: Sequence[np.ndarray]) -> list[int]:
        """Return a filter, with a scale of its own, and a bias, with that scale times the map's."""
        filters, bias = arrays
        if self._kind == "FLOAT32":
            return [self._stored(filters), self._stored(bias)]
        scale = float(np.abs(filters).max()) / 127
        integers = np.round(filters / scale).astype(np.int8)
        sums = np.round(bias / (scale * SCALE)).astype(np.int32)
        return [
            self._tensor(
                f"filter{len(self._graph.tensors)}", filters.shape, "INT8", integers, scale, 0
            ),
            self._tensor(
                f"bias{len(self._graph.tensors)}", bias.shape, "INT32", sums, scale * SCALE, 0
            ),
        ]

    def _stored(self, array: np.ndarray) -> int:
        name = f"stored{len(self._graph.tensors)}"
        if array.dtype == np.int32:
            return self._tensor(name, array.shape, "INT32", array)
        if self._kind == "FLOAT32":
            return self._tensor(name, array.shape, "FLOAT32", array)
        integers = np.clip(np.round(array / SCALE), -128, 127).astype(np.int8)
        return self._tensor(name, array.shape, "INT8", integers, SCALE, 0)

    def _tensor(
        self,
        name: str,
        shape: Sequence[int],
        kind: str,
        data: Any = None,
        scale: float | None = None,
        zero: int = 0,
    ) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.hasRank = name.encode(), np.array(shape, np.int32), True
        tensor.type, tensor.buffer = getattr(schema.TensorType, kind), 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            tensor.buffer = len(self._model.buffers)
            self._model.buffers.append(buffer)
        if kind in ("INT8", "INT32") and (scale is not None or kind == "INT8"):
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.array([scale or SCALE], np.float32)
            tensor.quantization.zeroPoint = np.array([zero], np.int64)
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1
