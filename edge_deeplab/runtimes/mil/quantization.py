"""Affine quantization: of activations while the program runs, and of stored weights, once."""

import torch
from torch import Tensor

_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}
_DTYPES = {"int8": torch.int8, "uint8": torch.uint8}


def quantize(
    input: Tensor,  # MIL's own parameter name
    scale: Tensor | float,
    output_dtype: str,
    zero_point: Tensor | int = 0,
    axis: int | None = None,
) -> Tensor:
    """Return clip(round(input / scale) + zero_point); halves are rounded to even."""
    low, high = _RANGES[output_dtype]
    scaled = torch.round(input / _along(scale, axis, input.ndim)) + _along(
        zero_point, axis, input.ndim
    )
    return scaled.clamp(low, high).to(_DTYPES[output_dtype])


def dequantize(
    input: Tensor,  # MIL's own parameter name
    scale: Tensor | float,
    zero_point: Tensor | int = 0,
    axis: int | None = None,
) -> Tensor:
    """Return scale * (input - zero_point), float32."""
    shifted = input.float() - _along(zero_point, axis, input.ndim)
    return shifted * _along(scale, axis, input.ndim)


def constexpr_affine_dequantize(
    quantized_data: Tensor, scale: Tensor | float, zero_point: Tensor | int, axis: int
) -> Tensor:
    """Return the weights that stored integers mean, as `dequantize` does."""
    return dequantize(quantized_data, scale, zero_point, axis)


def constexpr_blockwise_shift_scale(
    data: Tensor, scale: Tensor, offset: Tensor | None = None
) -> Tensor:
    """Return scale * (data - offset), where each entry of scale and offset holds for a block of data."""
    shifted = data.float() if offset is None else data.float() - _over_blocks(offset, data.shape)
    return shifted * _over_blocks(scale, data.shape)


def constexpr_lut_to_dense(
    indices: Tensor,
    lut: Tensor,
    shape: Tensor | None = None,
    vector_axis: int | None = None,
) -> Tensor:
    """Look palettized weights up.

    Args:
        indices: iOS 16: bytes of packed indices, lowest bits first; iOS 18: one index an element.
        lut: iOS 16: (P,); iOS 18: (*blocks, P, V), one palette a block of indices, each entry a vector of V weights.
        shape: iOS 16: shape of the weights.
        vector_axis: iOS 18: the axis that vectors lie along.
    """
    if shape is not None:
        sides = shape.tolist()
        return lut[_unpack_bits(indices, lut.numel(), shape.prod())].reshape(sides)
    palettes, vector = lut.shape[-2:]
    block = torch.zeros((), dtype=torch.long)
    for axis, (size, blocks) in enumerate(zip(indices.shape, lut.shape, strict=False)):
        along = torch.arange(size) // (size // blocks)
        block = block * blocks + _along(along, axis, indices.ndim)
    vectors = lut.reshape(-1, palettes, vector)[block, indices.long()]  # (*indices.shape, V)
    axis = 0 if vector_axis is None else vector_axis % indices.ndim
    return vectors.movedim(-1, axis + 1).flatten(axis, axis + 1)


def constexpr_sparse_to_dense(
    nonzero_data: Tensor, mask: Tensor, shape: Tensor | None = None
) -> Tensor:
    """Put the values that stay where the mask is set; the rest is zero.

    Args:
        nonzero_data: (N,).
        mask: iOS 16: bytes of packed bits, lowest first; iOS 18: 0 or 1 an element.
        shape: iOS 16: shape of the weights.
    """
    if shape is not None:
        mask = _unpack_bits(mask, 2, shape.prod()).reshape(shape.tolist())
    dense = torch.zeros(mask.shape, dtype=nonzero_data.dtype)
    dense[mask != 0] = nonzero_data
    return dense


def _unpack_bits(packed: Tensor, palettes: int, count: Tensor) -> Tensor:
    """Return the indices in a string of bytes."""
    width = (palettes - 1).bit_length()
    bits = (packed.long()[:, None] >> torch.arange(8)) & 1  # (bytes, 8), lowest first
    used = bits.flatten()[: int(count) * width].reshape(-1, width)
    return (used << torch.arange(width)).sum(dim=1)


def _over_blocks(values: Tensor, shape: torch.Size) -> Tensor:
    """Repeat each entry over its block, up to `shape`."""
    values = values.float()
    for axis, size in enumerate(shape):
        values = values.repeat_interleave(size // values.shape[axis], dim=axis)
    return values


def _along(parameter: Tensor | float, axis: int | None, rank: int) -> Tensor | float:
    """Return a vector parameter shaped to lie along `axis`; a scalar as it is."""
    if not isinstance(parameter, Tensor) or parameter.ndim == 0 or axis is None:
        return parameter
    shape = [1] * rank
    shape[axis] = -1
    return parameter.reshape(shape)
