"""Seeded operations of every kind that the evaluator knows: what the comparison with coremltools runs."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.runtimes.mil.inference import Operation
from tests.runtimes.mil.seeded_quantization import FLOATS, QUANTIZATION, Random, numbers

NUMBERS = (*FLOATS, np.int32)
ELEMENTS = (*NUMBERS, np.int8, np.uint8, np.int16, np.uint16, np.bool_)


def shape_of(random: Random, rank: int, largest: int = 4) -> tuple[int, ...]:
    return tuple(int(side) for side in random.integers(1, largest + 1, rank))


def any_shape(random: Random, least: int = 1, most: int = 4) -> tuple[int, ...]:
    return shape_of(random, int(random.integers(least, most + 1)))


def binary(operator: str) -> Callable[[Random], Operation]:
    def make(random: Random) -> Operation:
        shape, dtype = any_shape(random), random.choice(NUMBERS)
        other = tuple(random.choice([side, 1]) for side in shape[random.integers(0, len(shape)) :])
        x, y = numbers(random, shape, dtype), numbers(random, other, dtype)
        if operator == "real_div":
            y = np.where(y == 0, np.asarray(3, dtype), y)
        return Operation(operator, {"x": x, "y": y} if random.random() < 0.5 else {"x": y, "y": x})

    return make


def unary(operator: str, **constants: float) -> Callable[[Random], Operation]:
    def make(random: Random) -> Operation:
        dtype = random.choice(FLOATS)
        x = numbers(random, any_shape(random), dtype)
        return Operation(operator, {"x": x, **{n: dtype(v) for n, v in constants.items()}})

    return make


def prelu(random: Random) -> Operation:
    x = numbers(random, any_shape(random, 3), random.choice(FLOATS))
    alpha = numbers(random, x.shape[1], x.dtype)
    if x.ndim != 4:  # MIL wants one value for all channels then
        alpha = np.full_like(alpha, alpha[0])
    return Operation("prelu", {"x": x, "alpha": alpha})


def positive(operator: str) -> Callable[[Random], Operation]:
    def make(random: Random) -> Operation:
        x = numbers(random, any_shape(random), random.choice(FLOATS))
        return Operation(operator, {"x": np.abs(x) + x.dtype.type(0.25)})

    return make


def gelu(random: Random) -> Operation:
    modes = ("EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION")
    return Operation(
        "gelu", {"x": numbers(random, any_shape(random)), "mode": str(random.choice(modes))}
    )


def layer_norm(random: Random) -> Operation:
    x = numbers(random, (2, *shape_of(random, 3)))
    axes = np.sort(random.permutation(4)[: random.integers(1, 5)])
    sides = [x.shape[axis] for axis in axes]
    parameters = {name: numbers(random, sides) for name in ("gamma", "beta")}
    arguments = {"x": x, "axes": axes.astype(np.int32), "epsilon": np.float32(1e-2)}
    return Operation("layer_norm", arguments | (parameters if random.random() < 0.7 else {}))


def instance_norm(random: Random) -> Operation:
    x = numbers(random, (2, 3, *random.integers(2, 5, 2)))
    parameters = {name: numbers(random, 3) for name in ("gamma", "beta")}
    return Operation("instance_norm", {"x": x, **parameters, "epsilon": np.float32(1e-2)})


def split(random: Random) -> Operation:
    x = numbers(random, (2, 6, 3), random.choice(NUMBERS))
    if random.random() < 0.5:
        return Operation(
            "split",
            {"x": x, "axis": np.int32(1), "num_splits": np.int32(random.choice([1, 2, 3, 6]))},
        )
    first = int(random.integers(1, 5))
    sizes = np.array([first, 6 - first], np.int32)
    return Operation("split", {"x": x, "axis": np.int32(-2), "split_sizes": sizes})


def crop(random: Random) -> Operation:
    height, width = random.integers(0, 2, 2), random.integers(0, 2, 2)
    x = numbers(random, (1, 2, *random.integers(3, 6, 2)))
    arguments = {"crop_height": height.astype(np.int32), "crop_width": width.astype(np.int32)}
    return Operation("crop", {"x": x, **arguments})


def pixel_shuffle(random: Random) -> Operation:
    factor = int(random.integers(1, 4))
    x = numbers(random, (1, 2 * factor**2, *random.integers(1, 4, 2)))
    return Operation("pixel_shuffle", {"x": x, "upscale_factor": np.int32(factor)})


def conv_transpose(random: Random) -> Operation:
    axes, groups = int(random.integers(1, 3)), int(random.choice([1, 2]))
    pad_type = str(random.choice(["valid", "custom", "same"]))
    kernel, stride = random.integers(1, 5, axes), random.integers(1, 4, axes)
    if pad_type == "same":
        kernel = np.maximum(kernel, stride)
    arguments = {
        "x": numbers(random, (1, 4, *random.integers(3, 6, axes))),
        "weight": numbers(random, (4, 6 // groups, *kernel)),
        "strides": stride.astype(np.int32),
        "dilations": np.ones(axes, np.int32),
        "groups": np.int32(groups),
        "pad_type": pad_type,
        "pad": (random.integers(0, 2, 2 * axes) * (pad_type == "custom")).astype(np.int32),
    }
    return Operation("conv_transpose", arguments)


def softmax(random: Random) -> Operation:
    x = numbers(random, any_shape(random), random.choice(FLOATS))
    return Operation("softmax", {"x": x, "axis": np.int32(random.integers(-x.ndim, x.ndim))})


def cast(random: Random) -> Operation:
    source = random.choice(ELEMENTS)
    x = numbers(random, 80, source)  # longer than a vector register: such casts take another path
    if source in (np.float32, np.int32):
        x = x * 5000  # beyond 16 bits
    names = ("int8", "uint8", "int16", "uint16", "int32", "fp16", "fp32", "bool")
    return Operation("cast", {"x": x, "dtype": str(random.choice(names))})


def linear(random: Random) -> Operation:
    dtype, width, out = random.choice(NUMBERS), *shape_of(random, 2)
    x, weight = numbers(random, (3, width), dtype), numbers(random, (out, width), dtype)
    return Operation("linear", {"x": x, "weight": weight, "bias": numbers(random, out, dtype)})


def matmul(random: Random) -> Operation:
    dtype, (rows, inner, columns) = random.choice(NUMBERS), shape_of(random, 3)
    turned = random.random(2) < 0.5
    left = (2, *((inner, rows) if turned[0] else (rows, inner)))
    right = (2, *((columns, inner) if turned[1] else (inner, columns)))
    arguments = {"x": numbers(random, left, dtype), "y": numbers(random, right, dtype)}
    masks = {"transpose_x": bool(turned[0]), "transpose_y": bool(turned[1])}
    return Operation("matmul", {**arguments, **masks})


def reduction(operator: str) -> Callable[[Random], Operation]:
    def make(random: Random) -> Operation:
        x = numbers(random, any_shape(random), random.choice(NUMBERS))
        arguments: dict[str, Any] = {"x": x, "keep_dims": bool(random.random() < 0.5)}
        if random.random() < 0.8:
            count = random.integers(0, x.ndim + 1)
            axes = random.permutation(x.ndim)[:count] - x.ndim * random.integers(0, 2, count)
            arguments["axes"] = axes.astype(np.int32)
        return Operation(operator, arguments)

    return make


def reduce_argmax(random: Random) -> Operation:
    x = numbers(random, any_shape(random, 2), random.choice(NUMBERS))
    axis, kept = np.int32(random.integers(-x.ndim, x.ndim)), bool(random.random() < 0.5)
    output_dtype = str(random.choice(["int32", "uint16"]))
    return Operation(
        "reduce_argmax", {"x": x, "axis": axis, "keep_dims": kept, "output_dtype": output_dtype}
    )


def concat(random: Random) -> Operation:
    shape, dtype = any_shape(random), random.choice(ELEMENTS)
    axis = int(random.integers(0, len(shape)))
    parts = []
    for _ in range(int(random.integers(1, 4))):
        sides = list(shape)
        sides[axis] = int(random.integers(1, 4))
        parts.append(numbers(random, sides, dtype))
    return Operation("concat", {"values": tuple(parts), "axis": np.int32(axis - len(shape))})


def tile(random: Random) -> Operation:
    x = numbers(random, any_shape(random), random.choice(NUMBERS))
    return Operation("tile", {"x": x, "reps": random.integers(1, 4, x.ndim).astype(np.int32)})


def transpose(random: Random) -> Operation:
    x = numbers(random, any_shape(random), random.choice(ELEMENTS))
    axes = random.permutation(x.ndim) - x.ndim * random.integers(0, 2, x.ndim)
    return Operation("transpose", {"x": x, "perm": axes.astype(np.int32)})


def reshape(random: Random) -> Operation:
    """Ask for a shape that has zeros where it agrees with x's, counted from the right, and one -1."""
    x = numbers(random, any_shape(random), random.choice(ELEMENTS))
    kept = int(random.integers(0, x.ndim + 1))
    front, back = x.shape[: x.ndim - kept], list(x.shape[x.ndim - kept :])
    ahead = [1] * int(random.integers(0, 3))
    back = [0 if random.random() < 0.6 else side for side in back]
    middle = [-1] if random.random() < 0.6 else [int(np.prod(front, dtype=int))]
    shape = np.array([*ahead, *middle, *back], np.int32)
    if len(ahead) and random.random() < 0.5 and len(shape) > x.ndim:
        shape[0] = 0  # beyond x's first dimension: 1
    same_rank = len(shape) == x.ndim and x.dtype.name in ("float32", "float16", "int32", "bool")
    return Operation("reshape", {"x": x, "shape": shape}, "iOS15" if same_rank else "iOS17")


def expand_dims(random: Random) -> Operation:
    x = numbers(random, any_shape(random, 1, 3), random.choice(ELEMENTS))
    count = int(random.integers(1, 3))
    rank = x.ndim + count
    axes = random.permutation(rank)[:count] - rank * random.integers(0, 2, count)
    return Operation("expand_dims", {"x": x, "axes": axes.astype(np.int32)})


def squeeze(random: Random) -> Operation:
    shape = [int(side) for side in random.choice([1, 1, 2, 3], 4)] + [2]
    x = numbers(random, shape, random.choice(ELEMENTS))
    single = [axis for axis, side in enumerate(shape) if side == 1]
    if not single or random.random() < 0.3:
        return Operation("squeeze", {"x": x})
    axes = np.array(single[: 1 + len(single) // 2], np.int32) - 5 * random.integers(0, 2)
    return Operation("squeeze", {"x": x, "axes": axes.astype(np.int32)})


def slice_by_index(random: Random) -> Operation:
    """Slice forwards and backwards, from either end, each axis with any of the three masks."""
    x = numbers(random, shape_of(random, int(random.integers(1, 4)), 6), np.float32)
    sides = np.array(x.shape)
    begin, end, stride = np.zeros(x.ndim, int), np.zeros(x.ndim, int), np.ones(x.ndim, int)
    for axis, side in enumerate(sides):
        first, last = sorted(random.integers(0, side, 2))
        stride[axis] = random.choice([1, 1, 2, 3, -1, -2])
        if stride[axis] > 0:
            begin[axis], end[axis] = first, last + 1
        else:
            begin[axis], end[axis] = last, first - 1 if first else -side - 1
    from_end = (random.random(x.ndim) < 0.4) & (end > 0) & (end < sides)
    masks = random.random((3, x.ndim)) < [[0.3], [0.3], [0.2]]
    masks[2, 0] &= x.ndim > 1  # coremltools infers no fp32 scalar of type numpy.float32 from a list
    return Operation(
        "slice_by_index",
        {
            "x": x,
            "begin": np.where(from_end, begin - sides, begin).astype(np.int32),
            "end": np.where(from_end, end - sides, end).astype(np.int32),
            "stride": stride.astype(np.int32),
            "begin_mask": masks[0],
            "end_mask": masks[1],
            "squeeze_mask": masks[2],
        },
    )


def slice_by_size(random: Random) -> Operation:
    x = numbers(random, any_shape(random), random.choice(NUMBERS))
    sides = np.array(x.shape)
    begin = random.integers(0, sides)
    size = np.where(random.random(x.ndim) < 0.4, -1, random.integers(1, sides - begin + 1))
    begin = np.where(random.random(x.ndim) < 0.4, begin - sides, begin)
    # coremltools takes x.shape - begin for the size of "the rest", also where begin counts from the end
    size = np.where((begin < 0) & (size == -1), -begin, size)
    arguments = {"x": x, "begin": begin.astype(np.int32), "size": size.astype(np.int32)}
    return Operation("slice_by_size", arguments)


def pad(random: Random) -> Operation:
    x = numbers(random, shape_of(random, 4, 5), random.choice(FLOATS))
    mode = str(random.choice(["constant", "reflect", "replicate"]))
    last = x.shape[-int(random.integers(1, 5)) :]
    most = [side - 1 if mode == "reflect" else 3 for side in last]
    amounts = np.array([random.integers(0, limit + 1, 2) for limit in most], np.int32).ravel()
    return Operation(
        "pad", {"x": x, "pad": amounts, "mode": mode, "constant_val": x.dtype.type(1.5)}
    )


def pool(operator: str) -> Callable[[Random], Operation]:
    def make(random: Random) -> Operation:
        """Pool one or two axes; without padding a last window may lie beyond the edge in ceil mode."""
        axes = int(random.integers(1, 3))
        x = numbers(random, (1, 2, *random.integers(5, 10, axes)))
        kernel = random.integers(1, 5, axes).astype(np.int32)
        pad_type = str(random.choice(["valid", "custom", "same_lower", "same"]))
        before = random.integers(0, kernel + 1).repeat(2)
        arguments = {
            "x": x,
            "kernel_sizes": kernel,
            "strides": random.integers(1, 5, axes).astype(np.int32),
            "pad_type": pad_type,
            "pad": (before if pad_type == "custom" else 0 * before).astype(np.int32),
            "ceil_mode": bool(random.random() < 0.6) and pad_type != "same",
        }
        if operator == "avg_pool":
            arguments["exclude_padding_from_average"] = bool(random.random() < 0.5)
        return Operation(operator, arguments)

    return make


def conv(random: Random) -> Operation:
    axes = int(random.integers(1, 3))
    groups = int(random.choice([1, 2]))
    pad_type = str(random.choice(["valid", "custom", "same_lower", "same"]))
    arguments = {
        "x": numbers(random, (1, 4, *random.integers(9, 14, axes))),
        "weight": numbers(random, (6, 4 // groups, *random.integers(1, 4, axes))),
        "strides": random.integers(1, 4, axes).astype(np.int32),
        "dilations": random.integers(1, 4, axes).astype(np.int32),
        "groups": np.int32(groups),
        "pad_type": pad_type,
        "pad": (random.integers(0, 3, 2 * axes) * (pad_type == "custom")).astype(np.int32),
    }
    return Operation("conv", arguments)


def batch_norm(random: Random) -> Operation:
    x = numbers(random, shape_of(random, 4))
    names = ("mean", "variance", "gamma", "beta")
    parameters = {name: np.abs(numbers(random, x.shape[1])) for name in names}
    return Operation("batch_norm", {"x": x, **parameters, "epsilon": np.float32(1e-3)})


def upsample(operator: str, **options: Any) -> Callable[[Random], Operation]:
    def make(random: Random) -> Operation:
        """Enlarge by factors in tenths, whose products with a side are whole only after rounding."""
        factors = {
            f"scale_factor_{axis}": np.float32(random.integers(10, 40) / 10)
            for axis in ("height", "width")
        }
        x = numbers(random, (1, 1, *random.choice([3, 7, 10, 20, 30], 2)))
        return Operation(operator, {"x": x, **factors, **options})

    return make


def resize_bilinear(random: Random) -> Operation:
    height, width = (np.int32(side) for side in random.integers(1, 9, 2))
    modes = ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "DEFAULT", "OFFSET_CORNERS")
    arguments = {
        "x": numbers(random, (1, 2, 4, 5)),
        "target_size_height": height,
        "target_size_width": width,
        "sampling_mode": str(random.choice([*modes, "UNALIGN_CORNERS"])),
    }
    return Operation("resize_bilinear", arguments)


MAKERS: dict[str, Callable[[Random], Operation]] = {
    **QUANTIZATION,
    **{name: binary(name) for name in ("add", "maximum", "minimum", "mul", "real_div", "sub")},
    **{name: unary(name) for name in ("identity", "relu", "relu6", "sigmoid", "silu", "tanh")},
    **{name: unary(name) for name in ("abs", "exp", "softplus", "square")},
    **{name: positive(name) for name in ("rsqrt", "sqrt")},
    **{name: reduction(name) for name in ("reduce_max", "reduce_mean", "reduce_min", "reduce_sum")},
    "avg_pool": pool("avg_pool"),
    "batch_norm": batch_norm,
    "cast": cast,
    "clip": unary("clip", alpha=-1.5, beta=2.25),
    "concat": concat,
    "conv": conv,
    "conv_transpose": conv_transpose,
    "crop": crop,
    "elu": unary("elu", alpha=0.5),
    "expand_dims": expand_dims,
    "gelu": gelu,
    "instance_norm": instance_norm,
    "layer_norm": layer_norm,
    "leaky_relu": unary("leaky_relu", alpha=0.25),
    "linear": linear,
    "matmul": matmul,
    "max_pool": pool("max_pool"),
    "pad": pad,
    "pixel_shuffle": pixel_shuffle,
    "prelu": prelu,
    "reduce_argmax": reduce_argmax,
    "reshape": reshape,
    "resize_bilinear": resize_bilinear,
    "sigmoid_hard": unary("sigmoid_hard", alpha=0.25, beta=0.5),
    "slice_by_index": slice_by_index,
    "slice_by_size": slice_by_size,
    "softmax": softmax,
    "split": split,
    "squeeze": squeeze,
    "thresholded_relu": unary("thresholded_relu", alpha=0.75),
    "tile": tile,
    "transpose": transpose,
    "upsample_bilinear": upsample("upsample_bilinear", align_corners=False),
    "upsample_nearest_neighbor": upsample("upsample_nearest_neighbor"),
}
"""What makes an operation of each operator from a generator."""
