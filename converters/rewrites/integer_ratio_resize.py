"""Rewrite: a bilinear resize that targets do not share, as two multiplications by constant matrices.

Half-pixel centres at whole ratios mean the same everywhere. Other ratios and align-corners sampling do not: Core ML
keeps a ratio as a float that is nudged upwards, NNAPI below 30 and TFLite's Core ML delegate refuse the modes. Padding
or cropping to a whole ratio would move the sampling points. Interpolation is linear in each axis, so its two matrices
give the same values up to rounding, on every target that multiplies matrices.
"""

from typing import Any

from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import DEQUANTIZE, RESIZE
from edge_deeplab.converters.rewrites.interpolation import resize_by_matrices, sides_of


def integer_ratio_resize(
    program: ExportedProgram, modules: frozenset[str] | None = None
) -> ExportedProgram:
    """Turn resize(x) into R x C, R (H, h) and C (w, W) the weights of its rows and columns.

    Requires: resizes that go by their size (`unite_forms`); a bilinear one of floats whose ratio is not whole or that
        aligns corners; at whole ratios with half-pixel centres, and of int8 maps, whose products would have no scale,
        it is left alone.
    Ensures: no such resize in the modules; outputs agree up to float32 rounding of the sums.
    """
    return resize_by_matrices(program, (RESIZE,), _is_apart, modules)


def _is_apart(resize: fx.Node) -> bool:
    arguments: Any = resize.args
    image, _, align_corners = arguments[:3]
    is_whole = all(to % of == 0 for of, to in sides_of(resize))
    return image.target is not DEQUANTIZE and (align_corners or not is_whole)
