"""Rewrite: the picture's normalisation as an int8 depthwise convolution of its pixels."""

from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import (
    CONVOLUTION,
    DEQUANTIZE,
    DEQUANTIZE_CHANNELS,
    MULTIPLY,
    QUANTIZE,
)
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.models.quantization import ACTIVATION_LEVELS, WEIGHT_LEVELS, half_scales

_SUBTRACT = torch.ops.aten.sub.Tensor

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
    weight, scales = integer_factors(inverse_std)
    zeros = torch.zeros(len(scales), dtype=torch.int64)
    constants = (
        editor.add_constant(f"{_NAME}.quantized_weight", weight.reshape(-1, 1, 1, 1)),
        editor.add_constant(f"{_NAME}.weight_scale", scales),
        editor.add_constant(f"{_NAME}.weight_zero_point", zeros),
    )
    bias = editor.add_constant(f"{_NAME}.bias", -mean * inverse_std)
    factors = editor.call_before(
        DEQUANTIZE_CHANNELS, *constants, 0, *WEIGHT_LEVELS, torch.int8, like=subtract
    )
    settings: tuple[Any, ...] = ([1, 1], [0, 0], [1, 1], len(scales))
    normalised = editor.call_before(CONVOLUTION, pixels, factors, bias, *settings, like=subtract)
    normalised.meta["nn_module_stack"] = {_NAME: (_NAME, "torch.nn.Conv2d")}
    quantize.replace_input_with(multiply, normalised)
    return editor.finish()


def normalisation_of(editor: ProgramEditor) -> tuple[fx.Node, fx.Node, fx.Node] | None:
    """Return the subtraction, multiplication and quantizer that the picture goes through; None where it does not."""
    chain = [editor.input()]
    for target in (_SUBTRACT, MULTIPLY, QUANTIZE):
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


def integer_factors(factors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each factor as an int8 integer and the scale, exact in half precision, whose product is nearest to it.

    Args:
        factors: (C,) positive.

    Returns:
        (C,) int8 and (C,) float32.
    """
    candidates = torch.arange(WEIGHT_LEVELS[1] // 2 + 1, WEIGHT_LEVELS[1] + 1)
    scales = half_scales(factors.double()[:, None] / candidates)  # (C, candidates)
    errors = (scales.double() * candidates - factors.double()[:, None]).abs()
    best = errors.argmin(1)
    chosen = scales[torch.arange(len(factors)), best]
    return candidates[best].to(torch.int8), chosen.float()
