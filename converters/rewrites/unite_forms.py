"""Rewrite: one form of what a network can say in several, so that later rewrites and the converters know one.

A convolution's padding is numbers, a pooling's stride is told, a resize goes by the size of its result. Told by a
factor, torch samples by that: 5 pixels times 1.5 are 7 that lie 1 / 1.5 apart, and 7 of 5 lie 5 / 7 apart. TFLite's
lowering takes the size alone, and Core ML's refuses.
"""

from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import CONVOLUTION, HARD_TANH, PAD
from edge_deeplab.converters.program import ProgramEditor, traced_in
from edge_deeplab.errors import CaptureError
from edge_deeplab.formats.operator_names import operator_name
from edge_deeplab.text import size_text

_aten = torch.ops.aten
_POOLS = (_aten.max_pool2d.default, _aten.avg_pool2d.default)
_PADDED_BY_WORD = _aten.conv2d.padding
_RESIZES = (
    _aten.upsample_bilinear2d.vec,
    _aten.upsample_nearest2d.vec,
    _aten.upsample_bicubic2d.vec,
    _aten._upsample_nearest_exact2d.vec,
    _aten._upsample_bilinear2d_aa.vec,
    _aten._upsample_bicubic2d_aa.vec,
)
_ROUNDING = 1e-6
"""Largest difference of two places, as a share of the larger side, that float32 makes."""
_UNTOLD = (None, [1, 1], "valid", [1, 1], 1)
"""Bias, stride, padding, rate and groups of a convolution that is told none."""
_DEFAULTS = (None, [1, 1], [0, 0], [1, 1], 1)


def unite_forms(program: ExportedProgram) -> ExportedProgram:
    """Write functions as their modules are traced, the form that later rewrites and the converters look for.

    Requires: operators that are not named yet.
    Ensures: no relu6, no pooling whose stride is left to its window, no convolution whose padding is a word, and no
        resize by factors; every output bit is the same, up to float32 rounding of where a resize samples.

    Raises:
        CaptureError: for a resize that samples otherwise than one to the size of its result.
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
    for resize in _RESIZES:
        for node in editor.calls(resize):
            if node.args[-1] is not None:
                _go_by_size(node)
    return editor.finish()


def _pad_by_numbers(editor: ProgramEditor, convolution: fx.Node) -> None:
    """Let a convolution pad by what its word means, in place; the odd zero stands behind, in a pad of its own."""
    arguments: list[Any] = [*convolution.args]
    arguments += _UNTOLD[len(arguments) - 2 :]
    image, weight, bias, stride, word, rate, groups = arguments
    kernel_hw = weight.meta["val"].shape[2:] if word == "same" else (1, 1)
    totals = [step * (side - 1) for side, step in zip(kernel_hw, rate, strict=True)]
    odd_h, odd_w = (total % 2 for total in totals)
    if odd_h or odd_w:
        image = editor.call_before(PAD, image, [0, odd_w, 0, odd_h], 0.0, like=convolution)
    settings = [bias, stride, [total // 2 for total in totals], rate, groups]
    while settings and settings[-1] == _DEFAULTS[len(settings) - 1]:
        settings.pop()
    convolution.target, convolution.args = CONVOLUTION, (image, weight, *settings)


def _go_by_size(resize: fx.Node) -> None:
    """Let a resize by factors be one to the size of its result, in place."""
    target: Any = resize.target
    told: Any = resize.args
    image, _, *modes, factors = told
    before, after = ((*node.meta["val"].shape[2:],) for node in (image, resize))
    rows, columns = (torch.arange(float(side)) for side in before)
    places = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None]  # (1, 2, h, w)
    by_factors, by_size = (
        target(places, None, *modes, factors),
        target(places, list(after), *modes, None),
    )
    if (by_factors - by_size).abs().max() > _ROUNDING * max(*before, *after):
        name = operator_name(traced_in(resize), target.overloadpacket.__name__)
        raise CaptureError(
            f"{name} resizes {size_text(before)} by {', '.join(f'{f:g}' for f in factors)} to {size_text(after)}, less "
            "than that, and samples by the factor, which not every target can; sides that the factor makes whole were "
            "expected; choose another size of the picture, or pass interpolate the size (or recompute_scale_factor)"
        )
    resize.args = (image, list(after), *modes, None)
