"""Rewrite: operators that some target has no int8 kernel for, as others that all have.

A hard-sigmoid, relu6(x + 3) / 6, is the 1x1 depthwise convolution x / 6 + 1/2 whose result is quantized to 0..1:
integers saturate at both ends of their range, which cuts it there. TFLite has no hard-sigmoid, XNNPACK takes hard-swish
in float alone, and ONNX Runtime computes both in float. Hard-swish (arXiv 1905.02244, section 5.2) and SiLU are
products of x and a gate of x, and all targets multiply in int8. The parts that a split gives have no names that all
files would call their integers by; slices have.
"""

from itertools import accumulate
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import (
    AVERAGE_POOL,
    HARD_SIGMOID,
    HARD_SWISH,
    MEAN,
    MULTIPLY,
    SIGMOID,
    SILU,
    SLICE,
    SPLITS,
)
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.channel_factors import scale_channels
from edge_deeplab.formats.operator_names import module_of, operator_name
from edge_deeplab.models.quantization import GATE, Quantization

_GATES = {HARD_SWISH: HARD_SIGMOID, SILU: SIGMOID}
_SPATIAL = [2, 3]


def take_int8_forms(program: ExportedProgram, quantization: Quantization) -> ExportedProgram:
    """Write hard-sigmoid as a convolution, hard-swish and SiLU as products, pooling of the whole map as its mean.

    So are splits, as slices.

    Requires: operators named after their modules; quantizers not yet inserted, gates among what they quantize. Modules
        kept in float are left alone, but for their splits.
    Ensures: the same values once gates are quantized, but for a factor within 3e-5 of 1/6; what gives a result has the
        name of the operator whose place it takes.
    """
    editor = ProgramEditor(program)

    def calls(target: Any) -> list[fx.Node]:
        nodes = editor.calls(target)
        return [n for n in nodes if not _is_below(module_of(n.name), quantization.keep_float)]

    for activation, gate in _GATES.items():
        for node in calls(activation):
            _write_product(editor, node, gate)
    for node in calls(HARD_SIGMOID):
        _write_convolution(editor, node)
    for node in calls(AVERAGE_POOL):
        if tuple(node.meta["val"].shape[2:]) == (1, 1):
            mean = editor.call(MEAN, node.args[0], _SPATIAL, True, like=node)
            editor.replace(node, mean, operator_name(module_of(node.name), "mean"))
    for split in SPLITS:
        for node in editor.calls(split):
            _write_slices(editor, node)
    return editor.finish()


def _is_below(path: str, modules: tuple[str, ...]) -> bool:
    return any(f"{path}.".startswith(f"{module}.") for module in modules)


def _write_product(editor: ProgramEditor, node: fx.Node, gate: Any) -> None:
    source = node.args[0]
    opened = editor.call(gate, source, like=node)
    editor.name(opened, node.name + GATE)
    opened.meta["val"] = node.meta["val"]
    editor.replace(node, editor.call(MULTIPLY, source, opened, like=opened), node.name)


def _write_slices(editor: ProgramEditor, split: fx.Node) -> None:
    told: Any = split.args
    source, axis = told[0], told[2] if len(told) > 2 else 0
    ends = list(accumulate(part.shape[axis] for part in split.meta["val"]))
    for part in list(split.users):
        index: Any = part.args[1]
        first = ends[index - 1] if index else 0
        piece = editor.call(SLICE, source, axis, first, ends[index], like=part)
        editor.replace(part, piece, operator_name(module_of(part.name), "slice"))


def _write_convolution(editor: ProgramEditor, node: fx.Node) -> None:
    source: Any = node.args[0]
    channels = node.meta["val"].shape[1]
    factors, shifts = torch.full((channels,), 1 / 6), torch.full((channels,), 0.5)
    path = node.name.replace("__", ".")
    convolution = scale_channels(editor, path, source, factors, shifts, before=node)
    editor.replace(node, convolution, node.name)
