"""Seeded operations that quantize, dequantize and decompress, at each of the targets that define them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.runtimes.mil.inference import Array, Operation

Random = np.random.Generator
FLOATS = (np.float32, np.float16)


def numbers(random: Random, shape: Any, dtype: Any = np.float32) -> Array:
    """Return values around zero that every type holds exactly, from the type's own range."""
    low = 0 if np.dtype(dtype).kind in "ub" else -40
    whole = random.integers(low, 40, shape)
    if np.dtype(dtype).kind == "f":
        whole = whole / 8
    return np.asarray(whole, dtype)


def by_axis(random: Random, dtype: Any, stored: Any) -> dict[str, Any]:
    """Return (3, 4, 5) values' scale and zero point: one for all, or one a slice along an axis."""
    if random.random() < 0.4:
        return {"scale": dtype(0.25), "zero_point": stored(random.integers(0, 20))}
    axis = int(random.integers(0, 3))
    count = (3, 4, 5)[axis]
    scale = np.asarray(2.0 ** random.integers(-3, 3, count), dtype)
    zero_point = random.integers(0, 20, count).astype(stored)
    return {"scale": scale, "zero_point": zero_point, "axis": np.int32(axis - 3 * (count % 2))}


def quantize(random: Random) -> Operation:
    dtype, stored = random.choice(FLOATS), random.choice([np.int8, np.uint8])
    values = numbers(random, (3, 4, 5), dtype) * dtype(8)
    name = np.dtype(stored).name
    return Operation(
        "quantize", {"input": values, **by_axis(random, dtype, stored), "output_dtype": name}
    )


def dequantize(random: Random) -> Operation:
    dtype, stored = random.choice(FLOATS), random.choice([np.int8, np.uint8])
    values = random.integers(np.iinfo(stored).min, np.iinfo(stored).max + 1, (3, 4, 5))
    return Operation(
        "dequantize", {"input": values.astype(stored), **by_axis(random, dtype, stored)}
    )


def constexpr_affine_dequantize(random: Random) -> Operation:
    dequantized = dict(dequantize(random).arguments)
    arguments = {"axis": np.int32(1), **dequantized, "quantized_data": dequantized["input"]}
    arguments.pop("input")
    return Operation("constexpr_affine_dequantize", arguments, "iOS16")


def constexpr_blockwise_shift_scale(random: Random) -> Operation:
    from coremltools.converters.mil.mil import types

    stored = random.choice([np.int8, np.uint8, types.np_int4_dtype, types.np_uint4_dtype])
    data = random.integers(0, 8, (4, 6)).astype(stored)
    blocks = random.choice([1, 2, 4]), random.choice([1, 3, 6])
    scale = numbers(random, blocks, random.choice(FLOATS))
    arguments = {"data": data, "scale": scale}
    if random.random() < 0.6:
        arguments["offset"] = random.integers(0, 8, blocks).astype(stored)
    return Operation("constexpr_blockwise_shift_scale", arguments, "iOS18")


def constexpr_lut_to_dense(random: Random) -> Operation:
    from coremltools.converters.mil.mil import types

    bits = int(random.choice([1, 2, 4, 6, 8]))
    dtype = random.choice([np.float32, np.float16, np.int8, np.uint8])
    if random.random() < 0.5:
        packed = random.integers(0, 256, -(-bits * 12 // 8), np.uint8)
        lut, shape = numbers(random, 2**bits, dtype), np.array([3, 4], np.uint32)
        arguments = {"indices": packed, "lut": lut, "shape": shape}
        return Operation("constexpr_lut_to_dense", arguments, "iOS16")
    vector = int(random.integers(1, 3))
    stored = np.uint8 if bits == 8 else getattr(types, f"np_uint{bits}_dtype")
    blocks = random.choice([1, 2, 4]), random.choice([1, 3, 6])
    arguments = {
        "indices": random.integers(0, 2**bits, (4, 6)).astype(stored),
        "lut": numbers(random, (*blocks, 2**bits, vector), dtype),
        "vector_axis": np.int32(random.integers(-2, 2)),
    }
    return Operation("constexpr_lut_to_dense", arguments, "iOS18")


def constexpr_sparse_to_dense(random: Random) -> Operation:
    from coremltools.converters.mil.mil import types

    kept = random.random((3, 5)) < 0.5
    kept[0, 0] = True
    values = numbers(random, int(kept.sum()), random.choice([np.float32, np.float16, np.int8]))
    if random.random() < 0.5:
        mask = kept.astype(types.np_uint1_dtype)
        arguments = {"nonzero_data": values, "mask": mask}
        return Operation("constexpr_sparse_to_dense", arguments, "iOS18")
    mask = np.packbits(kept.ravel(), bitorder="little")
    arguments = {"nonzero_data": values, "mask": mask, "shape": np.array(kept.shape, np.uint32)}
    return Operation("constexpr_sparse_to_dense", arguments, "iOS16")


QUANTIZATION: dict[str, Callable[[Random], Operation]] = {
    "constexpr_affine_dequantize": constexpr_affine_dequantize,
    "constexpr_blockwise_shift_scale": constexpr_blockwise_shift_scale,
    "constexpr_lut_to_dense": constexpr_lut_to_dense,
    "constexpr_sparse_to_dense": constexpr_sparse_to_dense,
    "dequantize": dequantize,
    "quantize": quantize,
}
"""What makes an operation of each of these operators from a generator."""
