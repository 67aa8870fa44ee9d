"""Tiny programs for the rewrites: a layer between quantizers, and what is asked of a rewritten program."""

from collections import OrderedDict

import torch
from torch import nn
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import DEQUANTIZE, DEQUANTIZE_CHANNELS, QUANTIZE
from edge_deeplab.converters.program import ProgramEditor
from tests.converters.test_rewrites import trace

IMAGE_SCALE, RESULT_SCALE, WEIGHT_SCALE = 2.0**-5, 2.0**-4, 2.0**-7
"""Powers of two: products and sums of such integers are exact in float32, whatever their order."""


def in_order(**layers: nn.Module) -> nn.Sequential:
    """Return named layers one after the other."""
    return nn.Sequential(OrderedDict(layers))


def seeded(*shape: int) -> torch.Tensor:
    """Return values around 0 that are the same in each run."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)) * 2


def quantized(layer: nn.Conv2d, image: torch.Tensor, *, relu: bool = True) -> ExportedProgram:
    """Return image -> quantizer -> convolution of integers -> ReLU, if asked -> quantizer, as a program."""
    editor = ProgramEditor(trace(nn.Sequential(layer, *[nn.ReLU()] * relu), image))
    (convolution,) = editor.calls(torch.ops.aten.conv2d.default)
    _quantize_after(editor, editor.input(), IMAGE_SCALE, 3)
    weight, bias = convolution.args[1:3]
    filters = len(editor.constant(weight))
    integers = torch.round(editor.constant(weight) / WEIGHT_SCALE).clamp(-127, 127).to(torch.int8)
    scales = WEIGHT_SCALE / 2.0 ** (torch.arange(filters) % 2)
    constants = (
        editor.add_constant("0.quantized_weight", integers),
        editor.add_constant("0.weight_scale", scales),
        editor.add_constant("0.weight_zero_point", torch.zeros(filters, dtype=torch.int64)),
    )
    restored = editor.call_before(
        DEQUANTIZE_CHANNELS, *constants, 0, -127, 127, torch.int8, like=convolution
    )
    convolution.replace_input_with(weight, restored)  # type: ignore[arg-type]
    step = scales * IMAGE_SCALE
    rounded = torch.round(editor.constant(bias) / step) * step
    convolution.replace_input_with(bias, editor.add_constant("0.rounded_bias", rounded))  # type: ignore[arg-type]
    _quantize_after(editor, editor.output(), RESULT_SCALE, -128)
    return editor.finish()


def _quantize_after(editor: ProgramEditor, node: torch.fx.Node, scale: float, zero: int) -> None:
    readers = list(node.users)
    settings = (scale, zero, -128, 127, torch.int8)
    stored = editor.call(QUANTIZE, node, *settings, like=node)
    restored = editor.call(DEQUANTIZE, stored, *settings, like=stored)
    for reader in readers:
        reader.replace_input_with(node, restored)
