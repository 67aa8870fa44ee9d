"""Rewrite: ASPP's image-level features as a term added after the projection, not a concatenated map."""

from typing import Any

from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import ADD, CONCATENATE, CONVOLUTION, RESIZE
from edge_deeplab.converters.program import ProgramEditor


def add_pooled_features(program: ExportedProgram) -> ExportedProgram:
    """Turn conv1x1(cat(maps, resize(pixel))) into conv1x1(cat(maps)) + conv1x1(pixel).

    A 1x1 convolution of a concatenation is the sum of one 1x1 convolution a part, and resizing one pixel
    is a broadcast. So the pooled branch needs no resize (Core ML writes it as an upsampling by the size of
    the map; the broadcast fails in TFLite) and is projected once instead of at every pixel.

    Requires: a resized pixel as the last of several parts of a concatenation over channels that only a plain 1x1
        convolution of constant weight reads (others are left alone).
    Ensures: no such resize; outputs agree up to the order of float additions.
    """
    editor = ProgramEditor(program)
    for convolution in editor.calls(CONVOLUTION):
        parts = _concatenated(convolution)
        if len(parts) > 1 and _is_resized_pixel(parts[-1]) and _is_plain_1x1(editor, convolution):
            _split(editor, convolution, parts)
    return editor.finish()


def _concatenated(convolution: fx.Node) -> list[fx.Node]:
    """Return the parts of the channel concatenation that only this convolution reads, else nothing."""
    source: Any = convolution.args[0]
    if source.target is not CONCATENATE or len(source.users) != 1 or source.args[1:] != (1,):
        return []
    return list(source.args[0])


def _is_resized_pixel(node: fx.Node) -> bool:
    return node.target is RESIZE and _size_hw(node.args[0]) == (1, 1)


def _is_plain_1x1(editor: ProgramEditor, convolution: fx.Node) -> bool:
    weight, settings = convolution.args[1], convolution.args[3:]  # stride, padding, rate, groups
    return editor.is_constant(weight) and _size_hw(weight) == (1, 1) and settings in ((), ([1, 1],))


def _size_hw(node: Any) -> tuple[int, int]:
    height, width = node.meta["val"].shape[2:]
    return height, width


def _split(editor: ProgramEditor, convolution: fx.Node, parts: list[fx.Node]) -> None:
    concatenation: Any = convolution.args[0]
    pixel: Any = parts[-1].args[0]
    weight, path = editor.constant(convolution.args[1]), editor.module_path(convolution.args[1])
    map_channels = weight.shape[1] - pixel.meta["val"].shape[1]
    map_weight = editor.add_constant(f"{path}.map_weight", weight[:, :map_channels].clone())
    pixel_weight = editor.add_constant(f"{path}.pixel_weight", weight[:, map_channels:].clone())

    *maps, _ = parts
    alone = len(maps) == 1
    joined = maps[0] if alone else editor.call(CONCATENATE, maps, 1, like=concatenation)
    bias = convolution.args[2:3]
    projected = editor.call(CONVOLUTION, joined, map_weight, *bias, like=convolution)
    pooled = editor.call(CONVOLUTION, pixel, pixel_weight, like=projected)  # (N, K, 1, 1)
    convolution.replace_all_uses_with(editor.call(ADD, projected, pooled, like=pooled))
