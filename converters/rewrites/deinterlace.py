"""Rewrite: an atrous convolution as a dense one over the phases of its map.

DeepLabV2's second way (arXiv 1606.00915, section 3.1): at rate r an output pixel only reads pixels of its own phase,
those r apart. So the map is cut into r x r phases, each is convolved at rate 1, and the results are interlaced again.

The idea to hold: phases lie in the batch, every tensor has four axes (GPU delegates and the Neural Engine take no
more), and cutting and interlacing are channels-last, as TFLite and ONNX Runtime's integer kernels are: their
transposes cancel, and whole pixels are moved. In a quantized graph every move lies between dequantize and quantize of
the same scale, so that it moves integers.
"""

from dataclasses import dataclass
from math import gcd
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import (
    DEQUANTIZE,
    HARD_SWISH,
    HARD_TANH,
    PAD,
    PERMUTE,
    QUANTIZE,
    RELU,
    SLICE,
)
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.atrous import AtrousConvolution, atrous_convolutions

_RESHAPE = torch.ops.aten.reshape.default

_POINTWISE = (
    RELU,
    HARD_TANH,
    torch.ops.aten.clamp.default,
    HARD_SWISH,
    QUANTIZE,
    DEQUANTIZE,
)
"""What may follow a convolution before its phases are interlaced: runtimes fuse it, and phases mean nothing to it."""


Step = tuple[Any, ...]
"""An operator and its arguments behind the tensor."""

Made = dict[tuple[fx.Node, str], fx.Node]
"""Moves that were inserted, by what they move and how: convolutions of one map share what they can."""


@dataclass(frozen=True)
class Phases:
    """How one axis is cut and put together again.

    Args:
        first: index of the first element that is read.
        step: distance of those that are read; above 1 where stride and rate have a common divisor.
        read: how many are read.
        count: phases; 1 leaves the axis whole.
        before: zeros put before the axis.
        after: zeros put after it, so that all phases are of one length.
        length: of each phase.
        padding: zeros that the convolution puts on both sides of a phase.
        stride: of the convolution within a phase.
        outputs: results of each phase.
        end: where the interlaced axis is cut off.
        every: which of its elements are kept: what is left of the stride.
    """

    first: int
    step: int
    read: int
    count: int
    before: int
    after: int
    length: int
    padding: int
    stride: int
    outputs: int
    end: int
    every: int

    @property
    def size(self) -> int:
        """Length of the axis when it is put together again, before it is cut off."""
        return self.outputs * self.count


def plan_phases(size: int, kernel: int, stride: int, padding: int, rate: int) -> Phases:
    """Return how an axis is cut so that a convolution at rate 1 computes what was asked.

    Stride s and rate r with a common divisor g only read every g-th element: that is a convolution of stride s / g
    and rate r / g on a map of a g-th. What then is left of the stride, beside a rate, is taken after interlacing.
    Zeros that the convolution pads with are whole columns of phases where r divides them, and the convolution of the
    phases pads those; the rest is put before the map.

    Args:
        size: of the axis.
        kernel: taps along it.
        stride: stride along it.
        padding: zeros on each side.
        rate: atrous rate along it.
    """
    results = (size + 2 * padding - (kernel - 1) * rate - 1) // stride + 1
    step = gcd(stride, rate)
    count, stride, padding_read = rate // step, stride // step, -(-padding // step)
    first = padding_read * step - padding
    read = max(0, -(-(size - first) // step))
    within, before = divmod(padding_read, count)
    dense_results = (results - 1) * stride + 1
    needed = -(-dense_results // count) - 2 * within + kernel - 1
    length = max(-(-(before + read) // count), needed)
    convolution_stride = stride if count == 1 else 1
    outputs = (length + 2 * within - kernel) // convolution_stride + 1
    kept_whole = count == 1
    return Phases(
        first=first,
        step=step,
        read=read,
        count=count,
        before=before,
        after=length * count - before - read,
        length=length,
        padding=within,
        stride=convolution_stride,
        outputs=outputs,
        end=results if kept_whole else dense_results,
        every=1 if kept_whole else stride,
    )


def deinterlace(program: ExportedProgram, modules: frozenset[str] | None = None) -> ExportedProgram:
    """Cut the maps of atrous convolutions into phases, convolve those at rate 1, and interlace the results.

    Requires: weights that are constants (others are left alone).
    Ensures: no rate above 1 in the modules; every output sums the same products: bit-equal in int8.
    """
    editor = ProgramEditor(program)
    made: Made = {}
    for convolution in atrous_convolutions(editor, modules):
        _rewrite(editor, convolution, made)
    return editor.finish()


def phases_of(convolution: AtrousConvolution) -> tuple[Phases, Phases]:
    """Return how a convolution's height and width are cut."""
    height, width = (
        plan_phases(*axis)
        for axis in zip(
            convolution.image_shape[2:],
            convolution.kernel_hw,
            convolution.stride_hw,
            convolution.padding_hw,
            convolution.rate_hw,
            strict=True,
        )
    )
    return height, width


def _rewrite(editor: ProgramEditor, convolution: AtrousConvolution, made: Made) -> None:
    node, (height, width) = convolution.node, phases_of(convolution)
    end = _end_of_fused(node)
    readers = list(end.users)
    batch, channels, *_ = convolution.image_shape
    cut = convolution.image
    for step in _moving(cut, _cutting(batch, channels, height, width)):
        place = cut, repr(step)
        if place not in made:
            made[place] = editor.call_before(step[0], cut, *step[1:], like=node)
        cut = made[place]
    node.args = (
        cut,
        node.args[1],
        convolution.bias,
        [height.stride, width.stride],
        [height.padding, width.padding],
        [1, 1],
        convolution.groups,
    )
    results = node.meta["val"].shape[1]
    joined = end
    for step in _moving(end, _interlacing(batch, results, height, width)):
        joined = editor.call(step[0], joined, *step[1:], like=joined)
    for reader in readers:
        reader.replace_input_with(end, joined)


def _end_of_fused(node: fx.Node) -> fx.Node:
    """Return the last of the operators that a convolution is fused with: what it stores."""
    end = node
    while len(end.users) == 1 and end.target is not DEQUANTIZE:
        (reader,) = end.users
        if reader.target not in _POINTWISE:
            break
        end = reader
    return end


def _moving(tensor: fx.Node, steps: list[Step]) -> list[Step]:
    """Return moves of a tensor; of a dequantized one, each with the quantize and dequantize that keep it integers."""
    if tensor.target is not DEQUANTIZE:
        return steps
    settings = tensor.args[1:]
    return [
        each for step in steps for each in (step, (QUANTIZE, *settings), (DEQUANTIZE, *settings))
    ]


def _cutting(batch: int, channels: int, height: Phases, width: Phases) -> list[Step]:
    """Return the moves from (N, C, H, W) to its phases, (rates N, C, h, w)."""
    steps: list[Step] = [(PERMUTE, [0, 2, 3, 1])]
    steps += [
        _every(axis, p.first, p.first + p.step * p.read, p.step)
        for axis, p in ((1, height), (2, width))
        if p.first or p.step > 1
    ]
    zeros = [0, 0, width.before, width.after, height.before, height.after]
    if any(zeros):
        steps.append((PAD, zeros, 0.0))
    row = width.count * width.length * channels
    if height.count > 1:
        steps += [(_RESHAPE, [batch, height.length, height.count, row]), (PERMUTE, [2, 0, 1, 3])]
    rows = height.count * batch * height.length
    if width.count > 1:
        steps += [(_RESHAPE, [rows, width.length, width.count, channels]), (PERMUTE, [2, 0, 1, 3])]
    phases = width.count * height.count * batch
    steps += [(_RESHAPE, [phases, height.length, width.length, channels]), (PERMUTE, [0, 3, 1, 2])]
    return steps


def _interlacing(batch: int, channels: int, height: Phases, width: Phases) -> list[Step]:
    """Return the moves from phases, (rates N, K, h, w), to the one map of them, (N, K, H, W)."""
    steps: list[Step] = [(PERMUTE, [0, 2, 3, 1])]
    rows = height.count * batch * height.outputs
    if width.count > 1:
        steps += [
            (_RESHAPE, [width.count, rows, width.outputs, channels]),
            (PERMUTE, [1, 2, 0, 3]),
        ]
    row = width.size * channels
    if height.count > 1:
        steps += [(_RESHAPE, [height.count, batch, height.outputs, row]), (PERMUTE, [1, 2, 0, 3])]
    steps.append((_RESHAPE, [batch, height.size, width.size, channels]))
    steps += [
        _every(axis, 0, p.end, p.every)
        for axis, p in ((1, height), (2, width))
        if p.end < p.size or p.every > 1
    ]
    return [*steps, (PERMUTE, [0, 3, 1, 2])]


def _every(axis: int, first: int, end: int, step: int) -> Step:
    return SLICE, axis, first, end, step
