"""Operators that slide a window: convolution and pooling, with MIL's four ways of padding."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSES = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}
_MAX_POOLS = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}


def conv(
    x: Tensor,
    weight: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor,
    dilations: Tensor,
    groups: int,
    bias: Tensor | None = None,
) -> Tensor:
    """Convolve (N, C, *D) with (C_out, C / groups, *K)."""
    stride, dilation = strides.tolist(), dilations.tolist()
    padding = window_padding(x.shape[2:], weight.shape[2:], stride, dilation, pad_type, pad)
    inside = _symmetric(padding)
    if inside is None:
        x, inside = functional.pad(x, _torch_order(padding)), [0] * len(padding)
    return _CONVOLUTIONS[x.ndim - 2](x, weight, bias, stride, inside, dilation, groups)


def conv_transpose(
    x: Tensor,
    weight: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor,
    dilations: Tensor,
    groups: int,
    bias: Tensor | None = None,
    output_shape: Tensor | None = None,
) -> Tensor:
    """Spread (N, C, *D) with (C, C_out / groups, *K), and leave out at the edges what padding says.

    "same" leaves D * strides, the odd element less at the end. A shape that is told reaches beyond what is spread, with
    zeros and the bias, where padding leaves less.
    """
    stride, dilation, axes = strides.tolist(), dilations.tolist(), x.ndim - 2
    full = _TRANSPOSES[axes](x, weight, None, stride, 0, 0, groups, dilation)
    sizes = full.shape[2:]
    if pad_type == "same":
        extra = [
            have - size * step for have, size, step in zip(sizes, x.shape[2:], stride, strict=True)
        ]
        cut = [(max(each, 0) // 2, each - max(each, 0) // 2) for each in extra]
    else:
        cut = window_padding(sizes, weight.shape[2:], stride, dilation, pad_type, pad)
    if output_shape is not None:
        wanted = output_shape.tolist()[2:]
        cut = [
            (before, have - before - want)
            for (before, _), have, want in zip(cut, sizes, wanted, strict=True)
        ]
    spread = functional.pad(full, [-amount for amount in _torch_order(cut)])
    return spread if bias is None else spread + bias.reshape(1, -1, *[1] * axes)


def max_pool(
    x: Tensor, kernel_sizes: Tensor, strides: Tensor, pad_type: str, pad: Tensor, ceil_mode: bool
) -> Tensor:
    """Take the maximum of each window; padding never wins, and a window of nothing else gives -inf."""
    kernel, stride = kernel_sizes.tolist(), strides.tolist()
    padding = _pool_padding(x, kernel, stride, pad_type, pad, ceil_mode)
    padded = functional.pad(x, _torch_order(padding), value=-torch.inf)
    return _MAX_POOLS[len(kernel)](padded, kernel, stride)


def avg_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor,
    ceil_mode: bool,
    exclude_padding_from_average: bool = False,
) -> Tensor:
    """Take the mean of each window; padding counts as zeros, or does not count; a window of nothing gives NaN."""
    kernel, stride = kernel_sizes.tolist(), strides.tolist()
    given = _pool_padding(x, kernel, stride, pad_type, pad, False)
    padding = _pool_padding(x, kernel, stride, pad_type, pad, ceil_mode)
    counted = torch.ones_like(x[:1, :1])
    if not exclude_padding_from_average:
        counted = functional.pad(counted, _torch_order(given), value=1.0)
        extra = [(0, after - asked) for (_, after), (_, asked) in zip(padding, given, strict=True)]
        counted = functional.pad(counted, _torch_order(extra))
    else:
        counted = functional.pad(counted, _torch_order(padding))
    total = _window_sum(functional.pad(x, _torch_order(padding)), kernel, stride)
    return total / _window_sum(counted, kernel, stride)


def window_padding(
    sizes: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    pad_type: str,
    pad: Tensor,
) -> list[tuple[int, int]]:
    """Return the padding (before, after) of each spatial dimension.

    "same" gives ceil(size / stride) positions and puts the odd element after, "same_lower" before.
    """
    if pad_type == "valid":
        return [(0, 0)] * len(sizes)
    if pad_type == "custom":
        flat = pad.tolist()
        return list(zip(flat[::2], flat[1::2], strict=True))
    padding = []
    for size, width, step, rate in zip(sizes, kernel, stride, dilation, strict=True):
        reach = (width - 1) * rate + 1
        total = max((-(-size // step) - 1) * step + reach - size, 0)
        small, large = total // 2, total - total // 2
        padding.append((large, small) if pad_type == "same_lower" else (small, large))
    return padding


def _pool_padding(
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    pad_type: str,
    pad: Tensor,
    ceil_mode: bool,
) -> list[tuple[int, int]]:
    """Return the padding; in ceil mode what comes after is as much as the last window reaches.

    A window that would lie wholly beyond the data is left out where there is padding, and only there: so MIL defines
    the size, unlike torch, which always leaves it out.
    """
    padding = window_padding(x.shape[2:], kernel, stride, [1] * len(kernel), pad_type, pad)
    if not ceil_mode:
        return padding
    fitted = []
    for size, width, step, (before, after) in zip(
        x.shape[2:], kernel, stride, padding, strict=True
    ):
        positions = -(-(size + before + after - width) // step) + 1
        if before + after > 0 and (positions - 1) * step >= size + before:
            positions -= 1
        fitted.append((before, (positions - 1) * step + width - size - before))
    return fitted


def _window_sum(x: Tensor, kernel: list[int], stride: list[int]) -> Tensor:
    channels = x.shape[1]
    ones = x.new_ones(channels, 1, *kernel)
    return _CONVOLUTIONS[len(kernel)](x, ones, None, stride, 0, 1, channels)


def _symmetric(padding: Sequence[tuple[int, int]]) -> list[int] | None:
    """Return the padding as one number a dimension, which torch's convolutions take; None where it has two."""
    return (
        [before for before, _ in padding]
        if all(before == after for before, after in padding)
        else None
    )


def _torch_order(padding: Sequence[tuple[int, int]]) -> list[int]:
    """Return padding as `functional.pad` wants it: last dimension first."""
    return [amount for pair in reversed(padding) for amount in pair]
