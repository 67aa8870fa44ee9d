"""Writes networks of one operator behind a convolution as TFLite files: operators in many settings, float and int8.

    python benchmarks/single_operators_tflite.py FOLDER [OPERATOR...]
    python benchmarks/lab_cells.py FOLDER/*

Rules are held against tools with them before a user's network does. A file that LiteRT's own kernels refuse is not
written, and said.
"""

import itertools
from collections.abc import Iterator

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from operator_files import write_cases
from tflite_network import CHANNELS, HEIGHT, MAP, SAME, VALID, WIDTH, Case, Network, ints, numbers

from edge_deeplab.checker.tflite.opcodes import give_lowest_versions

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
COMPARISONS = ("EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL")


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
    yield from layouts()
    yield from parts()
    yield from conversions()
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


def layouts() -> Iterator[Case]:
    """Yield what joins, splits and orders axes."""
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


def parts() -> Iterator[Case]:
    """Yield what cuts a map out, borders it or repeats it."""
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


def conversions() -> Iterator[Case]:
    """Yield what gives other numbers or element types of a map's own."""
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


def main() -> None:
    """Write the files that are asked for."""
    write_cases(__doc__.splitlines()[0], cases(), ".tflite", build_content, open_file)


def build_content(case: Case, quantized: bool) -> bytes:
    """Return the file of a case."""
    return give_lowest_versions(Network(quantized).build(case))


def open_file(content: bytes) -> None:
    """Open a file with LiteRT's own kernels."""
    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    Interpreter(model_content=content, experimental_op_resolver_type=kernels).allocate_tensors()


if __name__ == "__main__":
    main()
