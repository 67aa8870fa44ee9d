"""Operators that change height and width, with MIL's definitions of where the samples lie."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def upsample_bilinear(
    x: Tensor, scale_factor_height: float, scale_factor_width: float, align_corners: bool
) -> Tensor:
    """Enlarge (*D, H, W); the size is rounded down and the samples are spaced by the sizes, not by the factors."""
    size_hw = _scaled_size(x, scale_factor_height, scale_factor_width)
    planes = x.reshape(-1, 1, *x.shape[-2:])
    resized = functional.interpolate(planes, size_hw, mode="bilinear", align_corners=align_corners)
    return resized.reshape(*x.shape[:-2], *size_hw)


def upsample_nearest_neighbor(
    x: Tensor, scale_factor_height: float, scale_factor_width: float
) -> Tensor:
    """Enlarge (*D, H, W) by repeating pixels; the size is rounded down."""
    size_hw = _scaled_size(x, scale_factor_height, scale_factor_width)
    planes = x.reshape(-1, 1, *x.shape[-2:])
    return functional.interpolate(planes, size_hw, mode="nearest").reshape(*x.shape[:-2], *size_hw)


def resize_bilinear(
    x: Tensor, target_size_height: int, target_size_width: int, sampling_mode: str
) -> Tensor:
    """Resize (*D, H, W) to a size; rows and columns are two products with interpolation matrices."""
    rows = _interpolation(x.shape[-2], target_size_height, sampling_mode)
    columns = _interpolation(x.shape[-1], target_size_width, sampling_mode)
    return rows @ x @ columns.T


def _scaled_size(x: Tensor, height: float, width: float) -> list[int]:
    """Return side times factor, rounded down in float32 as MIL declares it: 20 times 2.6 is 52, not 51.99."""
    return [
        math.floor(np.float32(side) * np.float32(factor))
        for side, factor in zip(x.shape[-2:], (height, width), strict=True)
    ]


def _interpolation(old: int, new: int, sampling_mode: str) -> Tensor:
    """Return the (new, old) float32 matrix of linear interpolation at MIL's grid points."""
    points = grid_points(old, new, sampling_mode).clamp(0, old - 1)
    distances = (points[:, None] - torch.arange(old, dtype=torch.float64)[None]).abs()
    return (1 - distances).clamp(min=0).float()


def grid_points(old: int, new: int, sampling_mode: str) -> Tensor:
    """Return where in 0..old-1 the `new` samples lie, float64, before clamping.

    Args:
        old: size before.
        new: size after.
        sampling_mode: MIL's name, as the documentation of `resize_bilinear` defines it.
    """
    index = torch.arange(new, dtype=torch.float64)
    if sampling_mode in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"):
        if new == 1:
            centre = (old - 1) / 2 if sampling_mode == "ALIGN_CORNERS" else 0.0
            return torch.full((1,), centre, dtype=torch.float64)
        return index * (old - 1) / (new - 1)
    if sampling_mode == "DEFAULT":
        return index * old / new
    if sampling_mode == "OFFSET_CORNERS":
        return (index + 0.5) * max(1, old - 1) / new
    if sampling_mode == "UNALIGN_CORNERS":
        return (index + 0.5) * old / new - 0.5
    raise ValueError(f"sampling mode {sampling_mode} is not one of MIL's")
