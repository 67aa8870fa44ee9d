"""Rewrite: ASPP's pooled pixel spread over its map by an addition, which names no size.

A resize of one pixel to the size of a map has that size in it, so that it alone makes the program of a network another
at each size of the picture. Adding the pixel to a map of zeros does the same and leaves one program for all.
"""

from typing import Any

from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import (
    ADD,
    AVERAGE_POOL,
    MEAN,
    MULTIPLY,
    RESIZE,
)
from edge_deeplab.converters.program import ProgramEditor

_MEANS = (MEAN, AVERAGE_POOL)
_FURTHEST = 16
"""Operators between a pooling and the resize of its pixel, at most: a convolution, its activation, quantizers."""


def spread_pooled_pixel(
    program: ExportedProgram, modules: frozenset[str] | None = None
) -> ExportedProgram:
    """Turn resize(pixel) into pixel + 0 * mean, the mean over channels of the map that was pooled.

    Requires: a pixel resized to the size of the map that it was pooled from, in one of the modules (others are left
        alone); maps without infinities.
    Ensures: the pixel's own values, which a resize may round in the last bit; the same integers between quantizers of
        one scale; no operator that names the size of the map.
    """
    editor = ProgramEditor(program)
    for resize in editor.calls(RESIZE, modules):
        pixel: Any = resize.args[0]
        pooled = _pooled_from(pixel) if _size_hw(pixel) == (1, 1) else None
        if pooled is not None and _size_hw(pooled) == _size_hw(resize):
            mean = editor.call_before(MEAN, pooled, [1], True, like=resize)
            zeros = editor.call_before(MULTIPLY, mean, 0.0, like=resize)
            editor.replace(resize, editor.call_before(ADD, pixel, zeros, like=resize), resize.name)
    return editor.finish()


def _pooled_from(pixel: fx.Node) -> fx.Node | None:
    """Return the map whose mean a pixel is made of; None where it is made of something else."""
    node: Any = pixel
    for _ in range(_FURTHEST):
        if not isinstance(node, fx.Node) or node.op != "call_function":
            return None
        node, target = node.args[0], node.target
        if target in _MEANS:
            return node if isinstance(node, fx.Node) else None
    return None


def _size_hw(node: fx.Node) -> tuple[int, ...]:
    return tuple(node.meta["val"].shape[2:])
