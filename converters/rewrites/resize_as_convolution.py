"""Rewrite: a bilinear resize by an even ratio, as depthwise convolutions of repeated rows.

Accelerators that have convolutions alone still interpolate. With half-pixel centres and a ratio r, linear interpolation
of an axis is each element written r times and then smoothed by (1, 2, ..., 2, 1) / 2r, edges repeated: for 4 that is
(1, 1, 1, 1) * (1, 2, 2, 2, 1) = (1, 3, 5, 7, 7, 5, 3, 1), the triangle that the resize samples.

The idea to hold: rows are written r times, which moves integers and rounds nothing; columns are not, because each of
the r results between two columns is a convolution of its own, and side by side in the channels of a channels-last map
they lie as they must. So no map of the full size is made but the result, and it is rounded once.
"""

from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import (
    CONCATENATE,
    CONVOLUTION,
    DEQUANTIZE,
    DEQUANTIZE_CHANNELS,
    PERMUTE,
    QUANTIZE,
    RESIZE,
    SLICE,
)
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.models.quantization import WEIGHT_LEVELS

_RESHAPE = torch.ops.aten.reshape.default
_ROWS, _COLUMNS = 1, 2
_TO_LAST, _TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]

LARGEST_RATIO = 32
"""Above it a product of weights, at most 2 (2 r - 1), is no 8-bit integer."""


def resize_as_convolution(
    program: ExportedProgram, modules: frozenset[str] | None = None
) -> ExportedProgram:
    """Turn resize(x) into depthwise convolutions whose integer weights are exact in int8.

    Requires: a bilinear resize with half-pixel centres of one map of more than a pixel, by even ratios of at most
        `LARGEST_RATIO` (others are left alone).
    Ensures: no such resize in the modules; within float32 rounding of the sums. In int8, where input and result have
        one scale, every integer is the exact sum rounded once: it differs from the resize's by one where the sum lies
        in the middle of two integers and the two round it to different sides, and nowhere else.
    """
    editor = ProgramEditor(program)
    for resize in editor.calls(RESIZE, modules):
        ratio_hw = _even_ratios(resize)
        if ratio_hw is not None:
            _rewrite(editor, resize, *ratio_hw)
    return editor.finish()


def row_weights(ratio: int) -> torch.Tensor:
    """Return the (ratio + 1,) whole weights over rows that are written ratio times; their sum is 2 ratio."""
    return torch.tensor([1] + [2] * (ratio - 1) + [1])


def column_weights(ratio: int) -> torch.Tensor:
    """Return the (ratio, 3) whole weights of a column's left neighbour, itself and its right one, by result.

    The results of a column lie ratio to it, their centres 1 / 2 ratio, 3 / 2 ratio, ... from its edge; each row of
    weights has the sum 2 ratio.
    """
    from_left = torch.arange(ratio) * 2 + 1  # in 1 / 2 ratio of a column
    left, right = (ratio - from_left).clamp(min=0), (from_left - ratio).clamp(min=0)
    return torch.stack([left, 2 * ratio - left - right, right], 1)


def _even_ratios(resize: fx.Node) -> tuple[int, int] | None:
    arguments: Any = resize.args
    image, _, align_corners = arguments[:3]
    (batch, _, *before), after = image.meta["val"].shape, resize.meta["val"].shape[2:]
    ratios = [new // old for old, new in zip(before, after, strict=True)]
    whole = all(new == ratio * old for old, new, ratio in zip(before, after, ratios, strict=True))
    even = all(ratio % 2 == 0 and ratio <= LARGEST_RATIO for ratio in ratios)
    if batch != 1 or align_corners or not whole or not even or max(before) == 1:
        return None
    return ratios[0], ratios[1]


def _rewrite(editor: ProgramEditor, resize: fx.Node, ratio_h: int, ratio_w: int) -> None:
    image: Any = resize.args[0]
    _, channels, height, width = image.meta["val"].shape

    def stored(node: fx.Node) -> fx.Node:
        """Return a map as it is stored: of a dequantized one's kind, through quantizers of the same scale."""
        if image.target is not DEQUANTIZE:
            return node
        settings = image.args[1:]
        integers = editor.call_before(QUANTIZE, node, *settings, like=resize)
        return editor.call_before(DEQUANTIZE, integers, *settings, like=resize)

    def move(target: Any, *arguments: Any) -> fx.Node:
        return stored(editor.call_before(target, *arguments, like=resize))

    pixels = move(PERMUTE, image, _TO_LAST)
    first, last = (move(SLICE, pixels, _COLUMNS, at, at + 1) for at in (0, width - 1))
    padded = move(CONCATENATE, [first, pixels, last], _COLUMNS)  # (1, h, w + 2, C)
    top, bottom = (move(SLICE, padded, _ROWS, at, at + 1) for at in (0, height - 1))
    padded = move(CONCATENATE, [top, padded, bottom], _ROWS)  # (1, h + 2, w + 2, C)
    lines = move(_RESHAPE, padded, [1, height + 2, 1, (width + 2) * channels])
    above, below = (move(SLICE, lines, _ROWS, at, at + height + 1) for at in (0, 1))
    half = ratio_h // 2
    repeated = move(CONCATENATE, [above] * half + [below] * half, 2)  # edges half as often
    rows = [1, ratio_h * (height + 1), width + 2, channels]
    planes = move(PERMUTE, move(_RESHAPE, repeated, rows), _TO_FIRST)
    kernels = column_weights(ratio_w)[:, None, :] * row_weights(ratio_h)[:, None]  # (r, r + 1, 3)
    results = [
        move(PERMUTE, stored(_convolve(editor, planes, kernel, resize)), _TO_LAST)
        for kernel in kernels
    ]
    enlarged = [1, ratio_h * height, ratio_w * width, channels]
    joined = move(_RESHAPE, move(CONCATENATE, results, 3), enlarged)
    result = editor.call_before(PERMUTE, joined, _TO_FIRST, like=resize)
    resize.replace_all_uses_with(result)


def _convolve(
    editor: ProgramEditor, planes: fx.Node, weight: torch.Tensor, resize: fx.Node
) -> fx.Node:
    """Convolve every channel with whole weights (h, w), divided by their sum."""
    image: Any = resize.args[0]
    channels, path = int(image.meta["val"].shape[1]), f"{resize.name}_interpolation"
    integers, scale = weight.expand(channels, 1, *weight.shape).contiguous(), 1 / int(weight.sum())
    if image.target is DEQUANTIZE:
        constants = (
            editor.add_constant(f"{path}.quantized_weight", integers.to(torch.int8)),
            editor.add_constant(f"{path}.weight_scale", torch.full((channels,), scale)),
            editor.add_constant(f"{path}.weight_zero_point", torch.zeros(channels).long()),
        )
        filters = editor.call_before(
            DEQUANTIZE_CHANNELS, *constants, 0, *WEIGHT_LEVELS, torch.int8, like=resize
        )
    else:
        filters = editor.add_constant(f"{path}.weight", integers * scale)
    bias = editor.add_constant(f"{path}.bias", torch.zeros(channels))
    settings: tuple[Any, ...] = ([1, 1], [0, 0], [1, 1], channels)
    return editor.call_before(CONVOLUTION, planes, filters, bias, *settings, like=resize)
