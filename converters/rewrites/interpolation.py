"""A resize as multiplications by the constant matrices of its rows and columns: every target multiplies alike.

Each mode of `interpolate` is linear in the map and goes axis by axis, so that the matrix of an axis is torch's own
resize of the identity.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.program import ProgramEditor

SMOOTHED = (
    torch.ops.aten._upsample_bilinear2d_aa.vec,
    torch.ops.aten._upsample_bicubic2d_aa.vec,
)
"""Resizes that take the mean of the pixels that a smaller one stands for ("antialias")."""

_MULTIPLY = torch.ops.aten.matmul.default
Sides = tuple[tuple[int, int], ...]


def resize_by_matrices(
    program: ExportedProgram,
    functions: tuple[Any, ...],
    is_wanted: Callable[[fx.Node], bool] = lambda resize: True,
    modules: frozenset[str] | None = None,
) -> ExportedProgram:
    """Turn resizes by some of torch's functions into R x C, R (H, h) and C (w, W) the weights of rows and columns.

    Args:
        program: the graph.
        functions: torch's resizes.
        is_wanted: which of them; told each.
        modules: whose resizes; None for all.

    Requires: resizes that go by their size (`unite_forms`).
    Ensures: outputs agree up to float32 rounding of the sums.
    """
    editor = ProgramEditor(program)
    resizes = [node for function in functions for node in editor.calls(function, modules)]
    sides = {resize: sides_of(resize) for resize in resizes if is_wanted(resize)}
    for resize in sides:
        _interpolate(editor, resize, sides[resize])
    return editor.finish()


def smooth_by_matrices(program: ExportedProgram) -> ExportedProgram:
    """Turn each resize that smooths into multiplications: few targets have one, and not all of those smooth as torch.

    Requires: resizes that go by their size (`unite_forms`).
    Ensures: no such resize; outputs agree up to float32 rounding of the sums.
    """
    return resize_by_matrices(program, SMOOTHED)


def sides_of(resize: fx.Node) -> Sides:
    """Return (before, after) of height and width."""
    image: Any = resize.args[0]
    before, after = image.meta["val"].shape[2:], resize.meta["val"].shape[2:]
    return tuple(zip(before, after, strict=True))


def _interpolate(editor: ProgramEditor, resize: fx.Node, sides: Sides) -> None:
    """Put two products in a resize's place; its sides are those of before others were replaced."""
    rows, columns = (_matrix(resize, *side) for side in sides)
    path = f"{resize.name}_matrix"
    row_weights = editor.add_constant(f"{path}.rows", rows)
    column_weights = editor.add_constant(f"{path}.columns", columns.T.contiguous())
    widened = editor.call(_MULTIPLY, resize.args[0], column_weights, like=resize)  # (N, C, h, W)
    resize.replace_all_uses_with(editor.call(_MULTIPLY, row_weights, widened, like=widened))


def _matrix(resize: fx.Node, source: int, target: int) -> torch.Tensor:
    """Return the (target, source) weights of one axis."""
    function: Any = resize.target
    _, _, *modes, _ = resize.args
    resized: torch.Tensor = function(torch.eye(source)[None, None], [target, source], *modes, None)
    return resized[0, 0]
