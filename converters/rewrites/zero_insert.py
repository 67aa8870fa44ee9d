"""Rewrite: an atrous convolution as a dense one, zeros between its taps.

DeepLabV2's first way (arXiv 1606.00915, section 3.1): k taps at rate r become a filter of k + (k - 1)(r - 1).
"""

from typing import Any

import torch
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import CONVOLUTION
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.atrous import AtrousConvolution, Pair, atrous_convolutions


def zero_insert(program: ExportedProgram, modules: frozenset[str] | None = None) -> ExportedProgram:
    """Put zeros between the taps of atrous convolutions and convolve at rate 1.

    Requires: weights that are constants, in float or in integers with zero point 0 (others are left alone).
    Ensures: no rate above 1 in the modules; the same products are summed, and zeros: bit-equal in int8.
    """
    editor = ProgramEditor(program)
    for convolution in atrous_convolutions(editor, modules):
        _rewrite(editor, convolution)
    return editor.finish()


def upsample_filter(weight: torch.Tensor, rate_hw: Pair) -> torch.Tensor:
    """Return a filter with rate - 1 zeros between its taps.

    Args:
        weight: (K, C, h, w) of any type.
        rate_hw: atrous rates.

    Returns:
        (K, C, (h - 1) rate_h + 1, (w - 1) rate_w + 1) of the same type.
    """
    outputs, channels, *kernel = weight.shape
    sides = [(taps - 1) * rate + 1 for taps, rate in zip(kernel, rate_hw, strict=True)]
    spread = weight.new_zeros(outputs, channels, *sides)
    spread[:, :, :: rate_hw[0], :: rate_hw[1]] = weight
    return spread


def _rewrite(editor: ProgramEditor, convolution: AtrousConvolution) -> None:
    node, weight = convolution.node, convolution.weight
    path = f"{editor.module_path(weight)}.zero_inserted_weight"
    spread: Any = editor.add_constant(
        path, upsample_filter(editor.constant(weight), convolution.rate_hw)
    )
    if convolution.is_quantized:
        dequantize: Any = node.args[1]
        settings = dequantize.args[1:]
        spread = editor.call_before(dequantize.target, spread, *settings, like=node)
    dense = editor.call(
        CONVOLUTION,
        convolution.image,
        spread,
        convolution.bias,
        list(convolution.stride_hw),
        list(convolution.padding_hw),
        [1, 1],
        convolution.groups,
        like=node,
    )
    node.replace_all_uses_with(dense)
