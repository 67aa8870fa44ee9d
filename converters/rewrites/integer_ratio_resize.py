"""Rewrite: a bilinear resize that targets do not share, as two multiplications by constant matrices.

Half-pixel centres at whole ratios mean the same everywhere. Other ratios and align-corners sampling do not: Core ML
keeps a ratio as a float that is nudged upwards, NNAPI below 30 and TFLite's Core ML delegate refuse the modes. Padding
or cropping to a whole ratio would move the sampling points. Interpolation is linear in each axis, so its two matrices
give the same values up to rounding, on every target that multiplies matrices.
"""

from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import DEQUANTIZE, RESIZE
from edge_deeplab.converters.program import ProgramEditor

_MULTIPLY = torch.ops.aten.matmul.default
_Sides = tuple[tuple[int, int], ...]


def integer_ratio_resize(
    program: ExportedProgram, modules: frozenset[str] | None = None
) -> ExportedProgram:
    """Turn resize(x) into R x C, R (H, h) and C (w, W) the weights of its rows and columns.

    Requires: resizes that go by their size (`unite_forms`); a bilinear one of floats whose ratio is not whole or that
        aligns corners; at whole ratios with half-pixel centres, and of int8 maps, whose products would have no scale,
        it is left alone.
    Ensures: no such resize in the modules; outputs agree up to float32 rounding of the sums.
    """
    editor = ProgramEditor(program)
    resizes = editor.calls(RESIZE, modules)
    sides = {resize: _sides(resize) for resize in resizes if not _is_shared(resize)}
    for resize in sides:
        _multiply(editor, resize, sides[resize])
    return editor.finish()


def interpolation_matrix(source: int, target: int, *, align_corners: bool) -> torch.Tensor:
    """Return the (target, source) weights of linear interpolation, as torch's own resize of the identity."""
    identity = torch.eye(source)[None, None]
    resized: torch.Tensor = torch.ops.aten.upsample_bilinear2d.vec(
        identity, [target, source], align_corners, None
    )
    return resized[0, 0]


def _is_shared(resize: fx.Node) -> bool:
    arguments: Any = resize.args
    image, _, align_corners = arguments[:3]
    whole = all(to % of == 0 for of, to in _sides(resize))
    return image.target is DEQUANTIZE or (whole and not align_corners)


def _sides(resize: fx.Node) -> _Sides:
    """Return (before, after) of height and width."""
    image: Any = resize.args[0]
    before, after = image.meta["val"].shape[2:], resize.meta["val"].shape[2:]
    return tuple(zip(before, after, strict=True))


def _multiply(editor: ProgramEditor, resize: fx.Node, sides: _Sides) -> None:
    image, align_corners = resize.args[0], bool(resize.args[2])
    rows, columns = (interpolation_matrix(*side, align_corners=align_corners) for side in sides)
    path = f"{resize.name}_matrix"
    row_weights = editor.add_constant(f"{path}.rows", rows)
    column_weights = editor.add_constant(f"{path}.columns", columns.T.contiguous())
    widened = editor.call(_MULTIPLY, image, column_weights, like=resize)  # (N, C, h, W)
    resize.replace_all_uses_with(editor.call(_MULTIPLY, row_weights, widened, like=widened))
