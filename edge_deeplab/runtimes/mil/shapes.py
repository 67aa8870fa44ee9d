"""Operators that move elements and compute nothing."""

import torch
from torch import Tensor
from torch.nn import functional


def concat(values: tuple[Tensor, ...], axis: int, interleave: bool = False) -> Tensor:
    """Join along an axis; interleaved, channels take turns."""
    if not interleave:
        return torch.cat(values, dim=axis)
    axis %= values[0].ndim
    return torch.stack(values, dim=axis + 1).flatten(axis, axis + 1)


def tile(x: Tensor, reps: Tensor) -> Tensor:
    """Repeat the whole of x along each axis."""
    return x.tile(reps.tolist())


def transpose(x: Tensor, perm: Tensor) -> Tensor:
    """Return x with its axes reordered."""
    return x.permute(perm.tolist())


def reshape(x: Tensor, shape: Tensor) -> Tensor:
    """Return x in another shape.

    0 keeps the dimension of x as far from the last one, and is 1 where x has none (iOS 17; before, both ranks are the
    same); -1 is what is left.
    """
    sides = shape.tolist()
    kept = [1] * (len(sides) - x.ndim) + list(x.shape[max(0, x.ndim - len(sides)) :])
    return x.reshape([old if side == 0 else side for side, old in zip(sides, kept, strict=True)])


def expand_dims(x: Tensor, axes: Tensor) -> Tensor:
    """Insert axes of length 1; positions are those in the result."""
    rank = x.ndim + axes.numel()
    for axis in sorted(a % rank for a in axes.tolist()):
        x = x.unsqueeze(axis)
    return x


def squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Drop axes of length 1 (None: all of them)."""
    return x.squeeze() if axes is None else x.squeeze(axes.tolist())


def slice_by_index(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    """Return x[begin:end:stride].

    `begin_mask` and `end_mask` put the edge in the place of begin or end; `squeeze_mask` takes the one element at begin
    (or at the edge, where both masks are set) and drops the axis.
    """
    squeezed: list[int] = []
    for axis in range(x.ndim):
        size = x.shape[axis]
        start = None if _masked(begin_mask, axis) else int(begin[axis])
        if _masked(squeeze_mask, axis):
            x, squeezed = x.narrow(axis, start or 0, 1), [*squeezed, axis]
            continue
        stop = None if _masked(end_mask, axis) else int(end[axis])
        positions = range(size)[start : stop : 1 if stride is None else int(stride[axis])]
        if positions != range(size):
            x = x.index_select(axis, torch.tensor(positions, dtype=torch.long))
    return x.squeeze(squeezed) if squeezed else x


def slice_by_size(x: Tensor, begin: Tensor, size: Tensor) -> Tensor:
    """Return `size` elements (-1: the rest) from `begin` on, along each axis; a negative begin counts from the end."""
    for axis, (first, count) in enumerate(zip(begin.tolist(), size.tolist(), strict=True)):
        start = first + x.shape[axis] if first < 0 else first
        x = x.narrow(axis, start, x.shape[axis] - start if count == -1 else count)
    return x


def pad(x: Tensor, pad: Tensor, mode: str, constant_val: float = 0.0) -> Tensor:
    """Pad the last axes, (before, after) each: with a constant, mirrored, or with the edge."""
    pairs = pad.reshape(-1, 2).tolist()
    if mode == "constant":
        amounts = [amount for pair in reversed(pairs) for amount in pair]
        return functional.pad(x, amounts, value=constant_val)
    for axis, (before, after) in zip(range(x.ndim - len(pairs), x.ndim), pairs, strict=True):
        positions = torch.arange(-before, x.shape[axis] + after)
        last = x.shape[axis] - 1
        if mode == "reflect":
            positions = last - (last - positions.abs()).abs()
        x = x.index_select(axis, positions.clamp(0, last))
    return x


def crop(x: Tensor, crop_height: Tensor, crop_width: Tensor) -> Tensor:
    """Leave out rows at top and bottom and columns at left and right of the last two axes."""
    (top, bottom), (left, right) = crop_height.tolist(), crop_width.tolist()
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


def split(
    x: Tensor, axis: int, num_splits: int | None = None, split_sizes: Tensor | None = None
) -> tuple[Tensor, ...]:
    """Cut along an axis into parts of equal or of given sizes."""
    if split_sizes is not None:
        return torch.split(x, split_sizes.tolist(), axis)
    assert num_splits is not None
    return torch.chunk(x, num_splits, axis)


def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """Make (N, C * f * f, H, W) (N, C, H * f, W * f): every f * f channels are the pixels of a square."""
    return functional.pixel_shuffle(x, upscale_factor)


def _masked(mask: Tensor | None, axis: int) -> bool:
    return mask is not None and bool(mask[axis])
