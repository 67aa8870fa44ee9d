"""Rewrite: one form of what a network can say in several, so that later rewrites and the converters know one.

A convolution's padding is numbers, a pooling's stride is told, a factor within a sum is a product before it, a crop is
no negative padding, a resize goes by the size of its result. Told by a factor, torch samples by that: 5 pixels times
1.5 are 7 that lie 1 / 1.5 apart, and 7 of 5 lie 5 / 7 apart. TFLite's lowering takes the size alone, and Core ML's
refuses.
"""

from operator import getitem
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import (
    ADD,
    BATCH_NORM,
    BICUBIC,
    CONVOLUTION,
    HARD_TANH,
    MULTIPLY,
    NEAREST,
    NEAREST_EXACT,
    PAD,
    RESIZE,
    SLICE,
    SUBTRACT,
)
from edge_deeplab.converters.program import ProgramEditor, traced_in
from edge_deeplab.converters.rewrites.interpolation import SMOOTHED
from edge_deeplab.converters.rewrites.plain_pools import average_plainly, maximum_plainly
from edge_deeplab.errors import CaptureError
from edge_deeplab.formats.operator_names import operator_name
from edge_deeplab.text import size_text

_aten = torch.ops.aten
_AVERAGE = _aten.avg_pool2d.default
_POOLS = (_aten.max_pool2d.default, _AVERAGE)
_SUMS = (ADD, SUBTRACT, _aten.rsub.Tensor, _aten.rsub.Scalar)
_FROM = (_aten.rsub.Tensor, _aten.rsub.Scalar)
"""Subtractions of their first argument from the second."""
_PADDED_BY_WORD = _aten.conv2d.padding
_RESIZES = (
    RESIZE,
    NEAREST,
    BICUBIC,
    NEAREST_EXACT,
    *SMOOTHED,
)
_ROUNDING = 1e-6
"""Largest difference of two places, as a share of the larger side, that float32 makes."""
_UNTOLD = (None, [1, 1], "valid", [1, 1], 1)
"""Bias, stride, padding, rate and groups of a convolution that is told none."""
_DEFAULTS = (None, [1, 1], [0, 0], [1, 1], 1)


def unite_forms(program: ExportedProgram) -> ExportedProgram:
    """Write functions as their modules are traced, the form that later rewrites and the converters look for.

    Requires: operators that are not named yet.
    Ensures: no relu6, no pooling whose stride is left to its window or whose windows divide by numbers of their own, no
        adaptive maximum, no convolution whose padding is a word, no sum with a factor, no instance norm by running
        statistics, no batch norm without gain and shift, no negative padding by a constant, no resize by factors;
        outputs agree up to float32 rounding.

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
    for node in editor.calls(_AVERAGE):
        average_plainly(editor, node)
    for node in editor.calls(_aten.adaptive_max_pool2d.default):
        maximum_plainly(editor, node)
    for sum_ in _SUMS:
        for node in editor.calls(sum_):
            _multiply_before(editor, node)
    for node in editor.calls(_aten.instance_norm.default):
        _norm_by_statistics(editor, node)
    for node in editor.calls(BATCH_NORM):
        _tell_gain_and_shift(editor, node)
    for node in editor.calls(_aten.pad.default):
        _crop(editor, node)
    for node in editor.calls(_PADDED_BY_WORD):
        _pad_by_numbers(editor, node)
    for resize in _RESIZES:
        for node in editor.calls(resize):
            if node.args[-1] is not None:
                _go_by_size(node)
    return editor.finish()


def _multiply_before(editor: ProgramEditor, node: fx.Node) -> None:
    """Let a sum or difference with a factor ("alpha") be of a product, in place; one from a number is a sum too.

    litert-torch takes a difference from a number for one of the number.
    """
    arguments: Any = node.args
    factor: Any = {"alpha": 1, **node.kwargs}["alpha"]
    first, second, *told = arguments
    if node.target in _FROM:
        first, second = second, first
        factor = told[0] if told else factor
        node.target = SUBTRACT
    if not isinstance(first, fx.Node):
        node.target, factor = ADD, -factor
    if factor != 1 and isinstance(second, fx.Node):
        second = editor.call_before(MULTIPLY, second, factor, like=node)
        editor.name(second, operator_name(traced_in(node), "alpha"))
    elif factor != 1:
        second = second * factor
    node.args = (first, second) if isinstance(first, fx.Node) else (second, first)
    node.kwargs = {}


def _norm_by_statistics(editor: ProgramEditor, norm: fx.Node) -> None:
    """Let an instance norm that takes no statistics of its input be a batch norm, in place."""
    image, weight, bias, mean, variance, of_input, momentum, epsilon, _ = norm.args
    if not of_input:
        settings = (weight, bias, mean, variance, momentum, epsilon)
        batch_norm = editor.call_before(BATCH_NORM, image, *settings, like=norm)
        norm.replace_all_uses_with(editor.call_before(getitem, batch_norm, 0, like=norm))


def _tell_gain_and_shift(editor: ProgramEditor, norm: fx.Node) -> None:
    """Let a batch norm that has none multiply by 1 and add 0, in place: Core AI's converter wants both."""
    arguments: Any = norm.args
    image, *told, mean = arguments[:4]
    channels, path = mean.meta["val"].shape[0], editor.module_path(mean)
    for place, (name, value) in enumerate((("weight", 1.0), ("bias", 0.0))):
        if told[place] is None:
            told[place] = editor.add_constant(
                f"{path or 'norm'}.{name}", torch.full((channels,), value)
            )
    norm.args = (image, *told, *arguments[3:])


def _crop(editor: ProgramEditor, pad: fx.Node) -> None:
    """Let a negative padding by a constant be slices, in place, and what is left of it a padding."""
    arguments: Any = pad.args
    image, widths, *mode = arguments
    if min(widths, default=0) >= 0 or (mode and mode[0] != "constant"):
        return
    for axis, first in enumerate(range(0, len(widths), 2), start=1):
        cut_before, cut_behind = (max(0, -width) for width in widths[first : first + 2])
        if cut_before or cut_behind:
            end = pad.args[0].meta["val"].shape[-axis] - cut_behind  # type: ignore[union-attr]
            image = editor.call_before(SLICE, image, -axis, cut_before, end, like=pad)
    left = [max(0, width) for width in widths]
    if any(left):
        value = next(iter(mode[1:]), None) or 0.0
        image = editor.call_before(PAD, image, left, value, like=pad)
    pad.replace_all_uses_with(image)


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
