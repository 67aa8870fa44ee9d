"""Rewrite: biases of int8 convolutions as the integers that the runtimes store."""

from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.insert_quantizers import DEQUANTIZE, DEQUANTIZE_CHANNELS

_CONVOLUTION = torch.ops.aten.conv2d.default


def round_biases(program: ExportedProgram) -> ExportedProgram:
    """Round each bias to a whole multiple of input scale times weight scale.

    TFLite and ONNX Runtime store a bias as such an int32. Rounded here, the canonical graph adds the same number, and
    results that lie near a rounding boundary fall to the same side.

    Requires: convolutions of a dequantized tensor with a dequantized weight (others are left alone).
    Ensures: each bias moves by at most half of that product.
    """
    editor = ProgramEditor(program)
    for convolution in editor.calls(_CONVOLUTION):
        arguments: Any = convolution.args
        if len(arguments) > 2 and editor.is_constant(arguments[2]) and _is_int8(*arguments[:2]):
            image, weight, bias, *_ = arguments
            step = image.args[1] * editor.constant(weight.args[1]).double()
            whole = torch.round(editor.constant(bias).double() / step) * step
            rounded = editor.add_constant(f"{editor.module_path(bias)}.bias", whole.float())
            convolution.replace_input_with(bias, rounded)
    return editor.finish()


def _is_int8(image: fx.Node, weight: fx.Node) -> bool:
    return image.target is DEQUANTIZE and weight.target is DEQUANTIZE_CHANNELS
