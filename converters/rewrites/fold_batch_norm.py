"""Rewrite: batch norm into the convolution before it, integers included.

Folding is exact for quantized weights too: a channel of integers q under scale s, followed by gain g, is the integers
q sign(g) under scale s |g|, because the range of integers is symmetric. What training saw is what the file holds.
"""

from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import BATCH_NORM, CONVOLUTION, DEQUANTIZE_CHANNELS
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.models.quantization import half_scales


def fold_batch_norm(program: ExportedProgram) -> ExportedProgram:
    """Fold every batch norm into the convolution that it follows.

    With g = gamma / sqrt(var + eps): W' = g W and b' = g (b - mean) + beta, taken in float64 and rounded
    once. Dequantized weights keep their integers up to sign, and their scales are rounded to half precision.

    Requires: batch norm of constant statistics after a convolution of constant weight and bias, whose result
        nothing else reads (others are left alone).
    Ensures: those batch norms are gone; outputs agree up to float32 rounding of the products.
    """
    editor = ProgramEditor(program)
    for norm in editor.calls(BATCH_NORM):
        convolution = norm.args[0]
        constant = all(each is None or editor.is_constant(each) for each in norm.args[1:5])
        if constant and isinstance(convolution, fx.Node) and _can_fold(editor, convolution):
            _fold(editor, convolution, norm)
    return editor.finish()


def _can_fold(editor: ProgramEditor, node: fx.Node) -> bool:
    if node.target is not CONVOLUTION or len(node.users) > 1:
        return False
    weight, bias = (*node.args, None)[1:3]
    has_bias = bias is None or editor.is_constant(bias)
    return has_bias and (editor.is_constant(weight) or _is_dequantized(weight))


def _is_dequantized(weight: Any) -> bool:
    return isinstance(weight, fx.Node) and weight.target is DEQUANTIZE_CHANNELS


def _fold(editor: ProgramEditor, convolution: fx.Node, norm: fx.Node) -> None:
    arguments: Any = convolution.args
    image, weight, *settings = arguments
    bias = settings.pop(0) if settings else None
    gain, shift = _gain_and_shift(editor, norm)
    folded_bias = shift if bias is None else shift + gain * editor.constant(bias).double()
    quantized = _is_dequantized(weight)
    path = editor.module_path(weight.args[0] if quantized else weight)
    folded = editor.call(
        CONVOLUTION,
        image,
        (_fold_integers if quantized else _fold_floats)(editor, weight, gain),
        editor.add_constant(f"{path}.folded_bias", folded_bias.float()),
        *settings,
        like=convolution,
    )
    for first_result in list(norm.users):  # the operator gives (normalised, mean, 1 / std)
        first_result.replace_all_uses_with(folded)


def _fold_floats(editor: ProgramEditor, weight: fx.Node, gain: torch.Tensor) -> fx.Node:
    folded = editor.constant(weight).double() * gain.reshape(-1, 1, 1, 1)
    return editor.add_constant(f"{editor.module_path(weight)}.folded_weight", folded.float())


def _fold_integers(editor: ProgramEditor, weight: fx.Node, gain: torch.Tensor) -> fx.Node:
    integers, scales = weight.args[:2]
    signs = gain.sign().reshape(-1, 1, 1, 1)
    folded_scales = (editor.constant(scales).double() * gain.abs()).float()
    editor.replace_constant(integers, (editor.constant(integers) * signs).to(torch.int8))
    editor.replace_constant(scales, half_scales(folded_scales))
    return weight


def _gain_and_shift(editor: ProgramEditor, norm: fx.Node) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (K,) float64 g and beta - g mean, of y = g x + shift."""
    gamma, beta, mean, variance, _, epsilon = norm.args[1:]
    numbers: Any = epsilon
    gain = (editor.constant(variance).double() + numbers).rsqrt()
    if gamma is not None:
        gain = gain * editor.constant(gamma).double()
    shift = -gain * editor.constant(mean).double()
    return gain, shift if beta is None else shift + editor.constant(beta).double()
