"""Rewrite: one form of what a network can say in several, so that later rewrites and the converters know one.

A convolution's padding is numbers, a pooling's stride is told, a resize goes by the size of its result.
"""

from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import CONVOLUTION, HARD_TANH, PAD
from edge_deeplab.converters.program import ProgramEditor

_aten = torch.ops.aten
_POOLS = (_aten.max_pool2d.default, _aten.avg_pool2d.default)
_PADDED_BY_WORD = _aten.conv2d.padding
_UNTOLD = (None, [1, 1], "valid", [1, 1], 1)
"""Bias, stride, padding, rate and groups of a convolution that is told none."""
_DEFAULTS = (None, [1, 1], [0, 0], [1, 1], 1)


def unite_forms(program: ExportedProgram) -> ExportedProgram:
    """Write functions as their modules are traced, the form that later rewrites and the converters look for.

    Requires: operators that are not named yet.
    Ensures: no relu6, no pooling whose stride is left to its window, and no convolution whose padding is a word; every
        output bit is the same.
    """
    editor = ProgramEditor(program)
    for node in editor.calls(_aten.relu6.default):
        node.target, node.args = HARD_TANH, (node.args[0], 0.0, 6.0)
    for pool in _POOLS:
        for node in editor.calls(pool):
            image, window, *settings = node.args
            stride, rest = settings[:1], settings[1:]
            node.args = (image, window, *(stride if stride and stride[0] else [window]), *rest)
    for node in editor.calls(_PADDED_BY_WORD):
        _pad_by_numbers(editor, node)
    return editor.finish()


def _pad_by_numbers(editor: ProgramEditor, convolution: fx.Node) -> None:
    """Let a convolution pad by what its word means, in place; the odd zero stands behind, in a pad of its own."""
    told: Any = convolution.args
    image, weight, bias, stride, word, rate, groups = (*told, *_UNTOLD[len(told) - 2 :])
    kernel_hw = weight.meta["val"].shape[2:] if word == "same" else (1, 1)
    totals = [step * (side - 1) for side, step in zip(kernel_hw, rate, strict=True)]
    odd_h, odd_w = (total % 2 for total in totals)
    if odd_h or odd_w:
        image = editor.call_before(PAD, image, [0, odd_w, 0, odd_h], 0.0, like=convolution)
    settings = [bias, stride, [total // 2 for total in totals], rate, groups]
    while settings and settings[-1] == _DEFAULTS[len(settings) - 1]:
        settings.pop()
    convolution.target, convolution.args = CONVOLUTION, (image, weight, *settings)
