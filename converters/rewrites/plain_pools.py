"""Poolings in the one form that every target computes alike: windows inside of the padded map, one divisor for all."""

from typing import Any

import torch
from torch import fx

from edge_deeplab.converters.aten import MULTIPLY, PAD
from edge_deeplab.converters.program import ProgramEditor, traced_in
from edge_deeplab.formats.operator_names import operator_name

_aten = torch.ops.aten
_AVERAGE, _MAXIMUM = _aten.avg_pool2d.default, _aten.max_pool2d.default
_TOLD = 4
"""Arguments of a pooling that says no more than its window, stride and padding."""


def average_plainly(editor: ProgramEditor, pool: fx.Node) -> None:
    """Let an average pooling count zeros around the map as pixels, in place; a constant map corrects the divisor.

    TFLite and Core AI lack padding that is not counted, ONNX and Core ML a divisor of one's own, Core AI windows that
    end outside.

    Args:
        editor: of the program.
        pool: an average pooling whose stride is told.
    """
    arguments: Any = pool.args
    if len(arguments) <= _TOLD:
        return
    image, window, stride, padding = arguments[:_TOLD]
    size_hw, pooled_hw = (node.meta["val"].shape[-2:] for node in (image, pool))
    beyond = [
        (after - 1) * step + taken - before - 2 * zeros
        for before, after, step, taken, zeros in zip(
            size_hw, pooled_hw, *map(_pair, (stride, window, padding)), strict=True
        )
    ]
    below, right = (max(0, pixels) for pixels in beyond)
    settings = [window, stride, *([padding] if any(padding) else [])]
    ones = torch.ones(1, 1, *size_hw, dtype=torch.float64)
    padded = torch.nn.functional.pad(ones, (0, right, 0, below))
    factors = (_AVERAGE(ones, *arguments[1:]) / _AVERAGE(padded, *settings)).float()
    if below or right:
        image = editor.call_before(PAD, image, [0, right, 0, below], 0.0, like=pool)
    pool.args = (image, *settings)
    if (factors != 1).any():
        same = bool((factors == factors.reshape(-1)[0]).all())
        path = f"{pool.name}_factors.map"
        factor = factors.reshape(-1)[0].item() if same else editor.add_constant(path, factors)
        _multiply_after(editor, pool, factor)


def _multiply_after(editor: ProgramEditor, pool: fx.Node, factor: Any) -> None:
    """Multiply what a pooling gives, in place; the product has its name."""
    readers, path = list(pool.users), traced_in(pool)
    product = editor.call(MULTIPLY, pool, factor, like=pool)
    for reader in readers:
        reader.replace_input_with(pool, product)
    editor.name(pool, operator_name(path, "window_mean"))
    editor.name(product, operator_name(path, "avg_pool2d"))


def _pair(value: Any) -> tuple[int, int]:
    first, *rest = value
    return first, rest[0] if rest else first


def maximum_plainly(editor: ProgramEditor, pool: fx.Node) -> None:
    """Write an adaptive maximum as poolings of fixed windows, in place: few targets know it.

    Args:
        editor: of the program.
        pool: an adaptive maximum pooling; one whose indices are read is left alone.
    """
    image: Any = pool.args[0]
    if any(reader.args[1:] != (0,) for reader in pool.users):
        return
    sides = zip(image.meta["val"].shape[-2:], _pair(pool.args[1]), strict=True)
    windows = [_windows(*side) for side in sides]
    if all(_tile(each) for each in windows):
        window = [each[0][1] for each in windows]
        result = editor.call_before(_MAXIMUM, image, window, window, like=pool)
    else:
        result = image
        for axis, spans in enumerate(windows, start=-2):
            parts = [
                editor.call_before(
                    _aten.amax.default,
                    editor.call_before(_aten.slice.Tensor, result, axis, start, end, like=pool),
                    [axis],
                    True,
                    like=pool,
                )
                for start, end in spans
            ]
            result = editor.call_before(_aten.cat.default, parts, axis, like=pool)
    for reader in list(pool.users):
        reader.replace_all_uses_with(result)


def _windows(size: int, pooled: int) -> list[tuple[int, int]]:
    """Return where the windows of an adaptive pooling begin and end along one axis."""
    return [(i * size // pooled, -(-(i + 1) * size // pooled)) for i in range(pooled)]


def _tile(spans: list[tuple[int, int]]) -> bool:
    """Whether windows lie side by side, all of one size."""
    (_, side), *_ = spans
    return spans == [(i * side, (i + 1) * side) for i in range(len(spans))]
