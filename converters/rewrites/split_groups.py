"""Rewrite: a grouped convolution as a depthwise one, or as one convolution a group."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import (
    ACTIVATIONS,
    CONCATENATE,
    CONVOLUTION,
    DEQUANTIZE,
    DEQUANTIZE_CHANNELS,
    GROUPS,
    QUANTIZE,
    SLICE,
    groups_of,
    stored_weight,
)
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.requantize import requantize


def split_groups(
    program: ExportedProgram, modules: frozenset[str] | None = None
) -> ExportedProgram:
    """Turn a convolution in groups into a depthwise one where each filter reads one channel, else cut it by groups.

    The parts are joined again behind the convolution. In int8 every part carries the scale of what it was cut from and
    the parts of the result are quantized one by one, so that each convolution is an int8 operator of its own.

    Requires: a constant weight, in float or in integers; depthwise and ungrouped convolutions are left alone.
    Ensures: no other groups in the modules; the same products are summed: bit-equal in int8.
    """
    editor = ProgramEditor(program)
    for node in editor.calls(CONVOLUTION):
        grouped = _describe(editor, node)
        if grouped and (modules is None or editor.module_path(grouped.stored) in modules):
            (_make_depthwise if grouped.is_depthwise else _cut)(editor, grouped)
    return editor.finish()


@dataclass(frozen=True)
class _Grouped:
    """A convolution in groups of more than one channel.

    Args:
        node: the call.
        stored: placeholder of the weight: the floats, or the integers under a dequantize operator.
        weight: (K, C / groups, h, w), as stored.
        groups: more than one, fewer than channels.
    """

    node: fx.Node
    stored: fx.Node
    weight: torch.Tensor
    groups: int

    @property
    def is_quantized(self) -> bool:
        return self.node.args[1] is not self.stored

    @property
    def is_depthwise(self) -> bool:
        """Whether output k reads channel k // multiplier alone: all other weights are 0."""
        filters, per_group = self.weight.shape[:2]
        channels = per_group * self.groups
        if filters % channels:
            return False
        read = self.weight.clone()
        read[torch.arange(filters), self._own_channel] = 0
        return not read.any()

    @property
    def _own_channel(self) -> torch.Tensor:
        """Return, by output, the place in its group of the channel that a depthwise convolution reads."""
        filters, per_group = self.weight.shape[:2]
        multiplier = filters // (per_group * self.groups)
        return torch.arange(filters) // multiplier % per_group

    def own_weights(self) -> torch.Tensor:
        """Return the (K, 1, h, w) weights of the depthwise convolution."""
        return self.weight[torch.arange(len(self.weight)), self._own_channel][:, None]


def _describe(editor: ProgramEditor, node: fx.Node) -> _Grouped | None:
    groups, stored = groups_of(node), stored_weight(node)
    if groups == 1 or not editor.is_constant(stored):
        return None
    weight = editor.constant(stored)
    return None if weight.shape[1] == 1 else _Grouped(node, stored, weight, groups)


def _make_depthwise(editor: ProgramEditor, grouped: _Grouped) -> None:
    node, weight = grouped.node, grouped.own_weights()
    path = f"{editor.module_path(grouped.stored)}.depthwise_weight"
    constant: Any = editor.add_constant(path, weight)
    if grouped.is_quantized:
        dequantize: Any = node.args[1]
        constant = editor.call_before(
            DEQUANTIZE_CHANNELS, constant, *dequantize.args[1:], like=node
        )
    channels = grouped.weight.shape[1] * grouped.groups
    image, _, *settings = node.args
    settings[GROUPS - 2] = channels
    node.replace_all_uses_with(editor.call(CONVOLUTION, image, constant, *settings, like=node))


def _cut(editor: ProgramEditor, grouped: _Grouped) -> None:
    tail = _tail(grouped)
    parts, last = [], tail[-1]
    for group in range(grouped.groups):
        last = _convolve_group(editor, grouped, group, like=last)
        for follower in tail[1:]:  # activation, quantize, dequantize: once a part
            last = editor.call(follower.target, last, *follower.args[1:], like=last)
        parts.append(last)
    joined = editor.call(CONCATENATE, parts, 1, like=last)
    if tail[-1].target is DEQUANTIZE:
        joined = requantize(editor, joined, tail[-1].args[1:])
    tail[-1].replace_all_uses_with(joined)


def _tail(grouped: _Grouped) -> list[fx.Node]:
    """Return the convolution and what one operator of the parts holds with it: activation, quantize and dequantize."""
    chain = [grouped.node]
    for targets in (ACTIVATIONS, (QUANTIZE,), (DEQUANTIZE,)):
        (reader, *others) = chain[-1].users
        if not others and reader.target in targets:
            chain.append(reader)
    while chain[-1].target is QUANTIZE:
        chain.pop()
    return chain


def _convolve_group(
    editor: ProgramEditor, grouped: _Grouped, group: int, *, like: fx.Node
) -> fx.Node:
    """Add the convolution of one group, with its slices of channels, weight and bias."""
    arguments: Any = grouped.node.args
    image, weight, *settings = arguments
    per_group, filters = grouped.weight.shape[1], len(grouped.weight) // grouped.groups
    outputs = slice(group * filters, (group + 1) * filters)
    ends = (group * per_group, (group + 1) * per_group)
    part = editor.call(SLICE, image, 1, *ends, like=like)
    if image.target is DEQUANTIZE:
        part = requantize(editor, part, image.args[1:])
    if settings and settings[0] is not None:
        settings[0] = _slice_of(editor, settings[0], outputs)
    settings[GROUPS - 2] = 1
    own = _slice_of(editor, grouped.stored, outputs)
    if grouped.is_quantized:
        scales = [_slice_of(editor, constant, outputs) for constant in weight.args[1:3]]
        own = editor.call(DEQUANTIZE_CHANNELS, own, *scales, *weight.args[3:], like=part)
        return editor.call(CONVOLUTION, part, own, *settings, like=own)
    return editor.call(CONVOLUTION, part, own, *settings, like=part)


def _slice_of(editor: ProgramEditor, constant: Any, outputs: slice) -> fx.Node:
    """Add a constant with some of the first axis of another."""
    path = f"{editor.module_path(constant)}.group_{constant.name.rpartition('__')[2]}"
    return editor.add_constant(path, editor.constant(constant)[outputs].clone())
