"""Writes networks of one operator behind a convolution as TFLite files: operators in many settings, float and int8.

    python benchmarks/single_operators_tflite.py FOLDER [OPERATOR...]
    python benchmarks/lab_cells.py FOLDER/*

Rules are held against tools with them before a user's network does. A file that LiteRT's own kernels refuse is not
written, and said.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edge_deeplab.checker.tflite.opcodes import give_lowest_versions

HEIGHT, WIDTH, CHANNELS = 24, 32, 16
MAP = (1, HEIGHT, WIDTH, CHANNELS)
SAME, VALID = schema.Padding.SAME, schema.Padding.VALID
PLAIN = (
    *("ABS", "CEIL", "COS", "ELU", "EXP", "FLOOR", "GELU", "HARD_SWISH", "LOG", "LOGISTIC", "LOG_SOFTMAX", "NEG"),
    *("L2_NORMALIZATION", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "ROUND", "RSQRT", "SIGN", "SIN", "SQRT"),
    *("SQUARE", "TANH"),
)  # fmt: skip
ARITHMETIC = (
    "ADD",
    "SUB",
    "MUL",
    "DIV",
    "MAXIMUM",
    "MINIMUM",
    "POW",
    "SQUARED_DIFFERENCE",
    "FLOOR_DIV",
)
SCALE = 0.05
"""Of every int8 map, at zero point 0, but of these results, which TFLite prescribes."""
PRESCRIBED = {
    "LOGISTIC": (1 / 256, -128),
    "SOFTMAX": (1 / 256, -128),
    "TANH": (1 / 128, 0),
    "L2_NORMALIZATION": (1 / 128, 0),
    "LOG_SOFTMAX": (16 / 256, 127),
}
COMPARISONS = ("EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL")


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


def cases() -> Iterator[Case]:
    """Yield every case."""
    for operator in PLAIN:
        yield Case(operator, options="GeluOptions" if operator == "GELU" else None)
    yield Case("LEAKY_RELU", options="LeakyReluOptions", settings={"alpha": 0.1})
    yield Case("PRELU", stored=[numbers(1, 1, CHANNELS)])
    for beta in (1.0, 0.5):
        yield Case("SOFTMAX", options="SoftmaxOptions", settings={"beta": beta})
    yield from arithmetic()
    yield from windows()
    yield from resizes()
    yield from shapes()
    yield from reductions()


def arithmetic() -> Iterator[Case]:
    """Yield sums and their like, of two maps, of a map and a number a channel, of a map and one; and comparisons."""
    for operator in ARITHMETIC:
        tables = {
            "FLOOR_DIV": None,
            "POW": "PowOptions",
            "SQUARED_DIFFERENCE": "SquaredDifferenceOptions",
        }
        table = tables.get(
            operator,
            "MaximumMinimumOptions" if "IMUM" in operator else f"{operator.title()}Options",
        )
        yield Case(operator, options=table, pair=True)
        yield Case(operator, options=table, stored=[numbers(CHANNELS)])
        yield Case(operator, options=table, stored=[np.float32(2)])
    for operator in COMPARISONS:
        yield Case(operator, pair=True, dtype="BOOL")


def windows() -> Iterator[Case]:
    """Yield convolutions, transposed ones, products and pools."""
    for rate, stride, padding, size in (
        (1, 2, SAME, 3),
        (2, 1, SAME, 3),
        (12, 1, SAME, 3),
        (1, 4, VALID, 4),
    ):
        sides = {
            "strideW": stride,
            "strideH": stride,
            "padding": padding,
            "dilationWFactor": rate,
            "dilationHFactor": rate,
        }
        out = (1, *(pooled(n, size, stride, padding) for n in (HEIGHT, WIDTH)))
        bias = [numbers(8)]
        yield Case(
            "CONV_2D",
            [(*out, 8)],
            "Conv2DOptions",
            sides,
            [numbers(8, size, size, CHANNELS), *bias],
        )
        yield Case(
            "DEPTHWISE_CONV_2D", [(*out, CHANNELS)], "DepthwiseConv2DOptions", {**sides, "depthMultiplier": 1},
            [numbers(1, size, size, CHANNELS), numbers(CHANNELS)],
        )  # fmt: skip
    for size, padding in ((2, SAME), (3, SAME), (4, SAME), (2, VALID)):
        twice = (1, 2 * HEIGHT, 2 * WIDTH, 8)
        yield Case(
            "TRANSPOSE_CONV", [twice], "TransposeConvOptions", {"strideW": 2, "strideH": 2, "padding": padding},
            [np.array(twice, np.int32), numbers(8, size, size, CHANNELS)], map_at=2,
        )  # fmt: skip
    dense = [numbers(8, CHANNELS), numbers(8)]
    yield Case("FULLY_CONNECTED", [(HEIGHT * WIDTH, 8)], "FullyConnectedOptions", {}, dense)
    yield Case(
        "FULLY_CONNECTED", [(*MAP[:3], 8)], "FullyConnectedOptions", {"keepNumDims": True}, dense
    )
    yield Case(
        "BATCH_MATMUL", [(1, HEIGHT, WIDTH, WIDTH)], "BatchMatMulOptions", {"adjY": True}, pair=True
    )
    for operator, size, padding in itertools.product(
        ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"), (2, 3, 13), (SAME, VALID)
    ):
        stride = 1 if size > 3 else 2
        out = (1, *(pooled(n, size, stride, padding) for n in (HEIGHT, WIDTH)), CHANNELS)
        settings = {
            "strideW": stride,
            "strideH": stride,
            "filterWidth": size,
            "filterHeight": size,
            "padding": padding,
        }
        yield Case(operator, [out], "Pool2DOptions", settings)


def resizes() -> Iterator[Case]:
    """Yield enlargements and reductions in every sampling that TFLite has."""
    for kind, (corners, centres), (above, below) in itertools.product(
        ("Bilinear", "NearestNeighbor"),
        ((0, 0), (1, 0), (0, 1)),
        ((2, 1), (4, 1), (3, 1), (3, 2), (1, 2)),
    ):
        size = (HEIGHT * above // below, WIDTH * above // below)
        operator = "RESIZE_BILINEAR" if kind == "Bilinear" else "RESIZE_NEAREST_NEIGHBOR"
        settings = {"alignCorners": bool(corners), "halfPixelCenters": bool(centres)}
        yield Case(
            operator,
            [(1, *size, CHANNELS)],
            f"Resize{kind}Options",
            settings,
            [np.array(size, np.int32)],
        )


def shapes() -> Iterator[Case]:
    """Yield what moves numbers and computes none."""
    for axis in (1, 2, 3):
        joined = tuple(2 * size if place == axis else size for place, size in enumerate(MAP))
        halved = tuple(size // 2 if place == axis else size for place, size in enumerate(MAP))
        yield Case("CONCATENATION", [joined], "ConcatenationOptions", {"axis": axis}, pair=True)
        yield Case(
            "SPLIT", [halved] * 2, "SplitOptions", {"numSplits": 2}, [np.int32(axis)], map_at=1
        )
        yield Case(
            "GATHER",
            [(*MAP[:axis], 3, *MAP[axis + 1 :])],
            "GatherOptions",
            {"axis": axis},
            [ints(0, 2, 4)],
        )
        yield Case("REVERSE_V2", [MAP], "ReverseV2Options", {}, [ints(axis)])
        yield Case("CUMSUM", [MAP], "CumsumOptions", {}, [np.int32(axis)])
    yield Case("PACK", [(2, *MAP)], "PackOptions", {"valuesCount": 2}, pair=True)
    yield Case("UNPACK", [MAP[1:]], "UnpackOptions", {"num": 1})
    for order in ((0, 2, 1, 3), (0, 3, 1, 2), (0, 1, 3, 2), (0, 2, 3, 1)):
        yield Case(
            "TRANSPOSE",
            [tuple(MAP[axis] for axis in order)],
            "TransposeOptions",
            {},
            [ints(*order)],
        )
    for shape in (
        (1, HEIGHT * WIDTH, CHANNELS),
        (1, 4, 4, HEIGHT * WIDTH),
        (1, HEIGHT, WIDTH, 4, 4),
    ):
        yield Case("RESHAPE", [shape], "ReshapeOptions", {"newShape": shape}, [ints(*shape)])
    yield Case("EXPAND_DIMS", [(1, *MAP)], "ExpandDimsOptions", {}, [np.int32(0)])
    yield Case("SQUEEZE", [MAP[1:]], "SqueezeOptions", {"squeezeDims": [0]})
    yield Case("SLICE", [(1, 8, 9, 4)], "SliceOptions", {}, [ints(0, 1, 2, 3), ints(1, 8, 9, 4)])
    for step in (1, 2):
        sizes = (1, HEIGHT // step, WIDTH // step, CHANNELS)
        edges = [ints(0, 0, 0, 0), ints(*MAP), ints(1, step, step, 1)]
        yield Case("STRIDED_SLICE", [sizes], "StridedSliceOptions", {}, edges)
    border = np.array([[0, 0], [1, 2], [3, 1], [0, 0]], np.int32)
    padded = (1, HEIGHT + 3, WIDTH + 4, CHANNELS)
    yield Case("PAD", [padded], "PadOptions", {}, [border])
    yield Case("PADV2", [padded], "PadV2Options", {}, [border, np.float32(-1)])
    yield Case(
        "PAD",
        [(*MAP[:3], CHANNELS + 4)],
        "PadOptions",
        {},
        [np.array([[0, 0]] * 3 + [[0, 4]], np.int32)],
    )
    for mode in (0, 1):
        yield Case("MIRROR_PAD", [padded], "MirrorPadOptions", {"mode": mode}, [border])
    half, twice = (
        (1, HEIGHT // 2, WIDTH // 2, 4 * CHANNELS),
        (1, 2 * HEIGHT, 2 * WIDTH, CHANNELS // 4),
    )
    yield Case("SPACE_TO_DEPTH", [half], "SpaceToDepthOptions", {"blockSize": 2})
    yield Case("DEPTH_TO_SPACE", [twice], "DepthToSpaceOptions", {"blockSize": 2})
    blocks = [ints(2, 2), np.zeros((2, 2), np.int32)]
    yield Case(
        "SPACE_TO_BATCH_ND",
        [(4, HEIGHT // 2, WIDTH // 2, CHANNELS)],
        "SpaceToBatchNDOptions",
        {},
        blocks,
    )
    yield Case(
        "TILE", [(1, 2 * HEIGHT, 2 * WIDTH, CHANNELS)], "TileOptions", {}, [ints(1, 2, 2, 1)]
    )
    yield Case("BROADCAST_TO", [(2, *MAP[1:])], "BroadcastToOptions", {}, [ints(2, *MAP[1:])])
    yield Case("TOPK_V2", [(*MAP[:3], 3)] * 2, "TopKV2Options", {}, [np.int32(3)])
    yield Case("QUANTIZE", [MAP], "QuantizeOptions", dtype="INT8")
    yield Case("DEQUANTIZE", [MAP], "DequantizeOptions", dtype="FLOAT32")
    for dtype in ("INT32", "FLOAT32"):
        types = {
            "inDataType": schema.TensorType.FLOAT32,
            "outDataType": getattr(schema.TensorType, dtype),
        }
        yield Case("CAST", [MAP], "CastOptions", types, dtype=dtype)


def reductions() -> Iterator[Case]:
    """Yield what leaves an axis out."""
    for operator, axes, kept in itertools.product(
        ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"),
        ((1, 2), (3,), (1,)),
        (True, False),
    ):
        whole = tuple(1 if axis in axes else size for axis, size in enumerate(MAP))
        shape = whole if kept else tuple(size for axis, size in enumerate(MAP) if axis not in axes)
        yield Case(operator, [shape], "ReducerOptions", {"keepDims": kept}, [ints(*axes)])
    for operator, dtype in itertools.product(("ARG_MAX", "ARG_MIN"), ("INT32", "INT64")):
        settings = {"outputType": getattr(schema.TensorType, dtype)}
        yield Case(
            operator,
            [MAP[:3]],
            f"{operator.title().replace('_', '')}Options",
            settings,
            [np.int32(3)],
            dtype=dtype,
        )


def pooled(size: int, window: int, stride: int, padding: int) -> int:
    """Return how many windows fit along a side."""
    return -(-size // stride) if padding == SAME else (size - window) // stride + 1


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


def main() -> None:
    """Write the files that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("operators", nargs="*")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(cases()):
        if arguments.operators and case.operator not in arguments.operators:
            continue
        for precision in ("fp32", "int8"):
            path = arguments.folder / f"{case.operator}{number:03}-{precision}.tflite"
            content = give_lowest_versions(Network(precision == "int8").build(case))
            try:
                interpreter = Interpreter(
                    model_content=content,
                    experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                )
                interpreter.allocate_tensors()
            except (RuntimeError, ValueError) as error:
                sys.stdout.write(
                    f"{path.name}: LiteRT refuses it: {' '.join(str(error).split())}\n"
                )
                continue
            path.write_bytes(content)


if __name__ == "__main__":
    main()
