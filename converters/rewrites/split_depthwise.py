"""Rewrite: a depthwise convolution of concatenated maps as one of each map, concatenated after it.

Channels are convolved alone, so it does not matter whether they are put together before or after. It does to an
accelerator whose convolutions write their place in a larger map themselves, while a map that is moved is copied.
"""

from typing import Any

from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import (
    ACTIVATIONS,
    CONCATENATE,
    CONVOLUTION,
    DEQUANTIZE,
    DEQUANTIZE_CHANNELS,
    GROUPS,
    QUANTIZE,
    stored_weight,
)
from edge_deeplab.converters.program import ProgramEditor

_QUANTIZERS = (QUANTIZE, DEQUANTIZE)


def split_depthwise(
    program: ExportedProgram, modules: frozenset[str] | None = None
) -> ExportedProgram:
    """Convolve the parts of a concatenation before it.

    Requires: a depthwise convolution of constant weight, one filter a channel, that alone reads a concatenation over
        channels in one of the modules; in int8 with one scale for the parts and the whole (others are left alone).
    Ensures: the same products in the same sums: bit-equal in int8 and float.
    """
    editor = ProgramEditor(program)
    found = [
        (concatenation, convolution, _channels(concatenation))
        for concatenation in editor.calls(CONCATENATE, modules)
        if (convolution := _depthwise_behind(editor, concatenation))
    ]
    for each in found:
        _split(editor, *each)
    return editor.finish()


def _depthwise_behind(editor: ProgramEditor, concatenation: fx.Node) -> fx.Node | None:
    """Return the depthwise convolution that alone reads a concatenation, through quantizers if any."""
    parts: Any = concatenation.args[0]
    scales = {part.args[1:] for part in parts if part.target is DEQUANTIZE}
    node = concatenation
    while len(node.users) == 1 and node.target in (CONCATENATE, *_QUANTIZERS):
        scales |= {node.args[1:]} if node.target in _QUANTIZERS else set()
        (node,) = node.users
    if node.target is not CONVOLUTION or concatenation.args[1:] != (1,) or len(scales) > 1:
        return None
    channels = concatenation.meta["val"].shape[1]
    weight = stored_weight(node)
    alone = editor.is_constant(weight) and editor.constant(weight).shape[:2] == (channels, 1)
    return node if alone else None


def _channels(concatenation: fx.Node) -> list[int]:
    parts: Any = concatenation.args[0]
    return [part.meta["val"].shape[1] for part in parts]


def _split(
    editor: ProgramEditor, concatenation: fx.Node, convolution: fx.Node, channels: list[int]
) -> None:
    followers = _followers(convolution)
    end = followers[-1] if followers else convolution
    readers = list(end.users)
    parts: Any = concatenation.args[0]
    results, first = [], 0
    for part, count in zip(parts, channels, strict=True):
        result = _convolve_part(editor, convolution, part, slice(first, first + count))
        for follower in followers:
            result = editor.call_before(follower.target, result, *follower.args[1:], like=follower)
        results.append(result)
        first += count
    joined = editor.call(CONCATENATE, results, 1, like=end)
    joined.meta["nn_module_stack"] = concatenation.meta.get("nn_module_stack", {})
    if end.target is DEQUANTIZE:
        for target in _QUANTIZERS:
            joined = editor.call(target, joined, *end.args[1:], like=joined)
    for reader in readers:
        reader.replace_input_with(end, joined)


def _followers(convolution: fx.Node) -> list[fx.Node]:
    """Return what follows a convolution up to what it stores."""
    followers, node = [], convolution
    while len(node.users) == 1 and node.target is not DEQUANTIZE:
        (node,) = node.users
        if node.target not in (*ACTIVATIONS, *_QUANTIZERS):
            break
        followers.append(node)
    return followers


def _convolve_part(
    editor: ProgramEditor, convolution: fx.Node, part: fx.Node, channels: slice
) -> fx.Node:
    arguments: Any = convolution.args
    _, weight, *settings = arguments
    path = editor.module_path(stored_weight(convolution))

    def cut(constant: fx.Node, name: str) -> fx.Node:
        return editor.add_constant(f"{path}.{name}", editor.constant(constant)[channels].clone())

    if weight.target is DEQUANTIZE_CHANNELS:
        names = ("quantized_weight", "weight_scale", "weight_zero_point")
        constants = [cut(each, name) for each, name in zip(weight.args[:3], names, strict=True)]
        own = editor.call_before(
            DEQUANTIZE_CHANNELS, *constants, *weight.args[3:], like=convolution
        )
    else:
        own = cut(weight, "weight")
    if settings and settings[0] is not None:
        settings[0] = cut(settings[0], "bias")
    settings[GROUPS - 2] = channels.stop - channels.start
    return editor.call_before(CONVOLUTION, part, own, *settings, like=convolution)
