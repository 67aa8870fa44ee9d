"""Rewrite: hard-swish as the multiplications, addition and ReLU6 it is made of."""

import torch
from torch.export import ExportedProgram

from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.selection import within

_ADD = torch.ops.aten.add.Tensor
_CLAMP = torch.ops.aten.hardtanh.default
_HARD_SWISH = torch.ops.aten.hardswish.default
_MULTIPLY = torch.ops.aten.mul.Tensor


def expand_hard_swish(
    program: ExportedProgram, modules: frozenset[str] | None = None
) -> ExportedProgram:
    """Turn hardswish(x) into (x / 6) ReLU6(x + 3) (arXiv 1905.02244, section 5.2).

    The factor goes to the first x: TFLite's converter puts x ReLU6(x + 3) / 6 together to a HARD_SWISH again.

    Requires: nothing.
    Ensures: no hard-swish in the modules; outputs agree up to float32 rounding of the products.
    """
    editor = ProgramEditor(program)
    for node in within(editor.calls(_HARD_SWISH), modules):
        x = node.args[0]
        sixth = editor.call(_MULTIPLY, x, 1 / 6, like=node)
        shifted = editor.call(_ADD, x, 3.0, like=sixth)
        gate = editor.call(_CLAMP, shifted, 0.0, 6.0, like=shifted)
        node.replace_all_uses_with(editor.call(_MULTIPLY, sixth, gate, like=gate))
    return editor.finish()
