"""Rewrite: the picture's normalisation as an int8 depthwise convolution of its pixels."""

from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import DEQUANTIZE, MULTIPLY, QUANTIZE, SUBTRACT
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.channel_factors import scale_channels
from edge_deeplab.models.quantization import ACTIVATION_LEVELS

PIXEL_ZERO_POINT = ACTIVATION_LEVELS[0]
"""Integers of pixels under a scale of 1: 0..255 less 128."""

_NAME = "normalise"
_SAME = 1e-6


def normalise_in_int8(program: ExportedProgram) -> ExportedProgram:
    """Turn quantize((pixels - mean) / deviation) into quantize(convolution(pixels)), 1x1 and depthwise, in int8.

    In float the normalisation keeps the largest tensor of the file out of integer kernels. As a convolution it is one
    such kernel, with one integer weight a channel, whose scale carries the deviation, and a bias that carries the mean.

    Requires: a quantizer right behind the normalisation (others are left alone); one whose integers are the pixels
        less 128 already needs none.
    Ensures: the same integers, but where a value lies at a rounding boundary: factors are within 3e-5 of theirs,
        and `round_biases` moves the bias by half a weight's scale, less than 0.01 of a step of the result.
    """
    editor = ProgramEditor(program)
    chain = normalisation_of(editor)
    if chain is None or reads_shifted_pixels(editor, *chain):
        return editor.finish()
    subtract, multiply, quantize = chain
    image = editor.input()
    pixel = (1.0, PIXEL_ZERO_POINT, *ACTIVATION_LEVELS, torch.int8)
    integers = editor.call_before(QUANTIZE, image, *pixel, like=subtract)
    pixels = editor.call_before(DEQUANTIZE, integers, *pixel, like=subtract)
    mean, inverse_std = (editor.constant(node.args[1]).flatten() for node in (subtract, multiply))
    normalised = scale_channels(
        editor, _NAME, pixels, inverse_std, -mean * inverse_std, before=subtract
    )
    normalised.meta["nn_module_stack"] = {_NAME: (_NAME, "torch.nn.Conv2d")}
    quantize.replace_input_with(multiply, normalised)
    return editor.finish()


def normalisation_of(editor: ProgramEditor) -> tuple[fx.Node, fx.Node, fx.Node] | None:
    """Return the subtraction, multiplication and quantizer that the picture goes through; None where it does not."""
    chain = [editor.input()]
    for target in (SUBTRACT, MULTIPLY, QUANTIZE):
        readers = list(chain[-1].users)
        if len(readers) != 1 or readers[0].target is not target:
            return None
        chain.append(readers[0])
    return chain[1], chain[2], chain[3]


def reads_shifted_pixels(
    editor: ProgramEditor, subtract: fx.Node, multiply: fx.Node, quantize: fx.Node
) -> bool:
    """Whether the quantizer's integers are the pixels less 128; arguments as `normalisation_of` gives them."""
    mean, inverse_std = (editor.constant(node.args[1]) for node in (subtract, multiply))
    arguments: Any = quantize.args
    scale, zero_point = arguments[1:3]
    return bool(
        ((inverse_std / scale - 1).abs() < _SAME).all()
        and ((mean - zero_point + PIXEL_ZERO_POINT).abs() < _SAME).all()
    )
