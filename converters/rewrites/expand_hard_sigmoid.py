"""Rewrite: hard-sigmoid as the addition, ReLU6 and multiplication it is made of."""

import torch
from torch.export import ExportedProgram

from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.selection import within

_ADD = torch.ops.aten.add.Tensor
_CLAMP = torch.ops.aten.hardtanh.default
_HARD_SIGMOID = torch.ops.aten.hardsigmoid.default
_MULTIPLY = torch.ops.aten.mul.Tensor


def expand_hard_sigmoid(
    program: ExportedProgram, modules: frozenset[str] | None = None
) -> ExportedProgram:
    """Turn hardsigmoid(x) into ReLU6(x + 3) / 6 (arXiv 1905.02244, section 5.2).

    TFLite has no such operator and always gets this form; ONNX's HardSigmoid and Core ML's sigmoid_hard become it.

    Requires: nothing.
    Ensures: no hard-sigmoid in the modules; outputs agree up to float32 rounding of the quotient.
    """
    editor = ProgramEditor(program)
    for node in within(editor.calls(_HARD_SIGMOID), modules):
        shifted = editor.call(_ADD, node.args[0], 3.0, like=node)
        clamped = editor.call(_CLAMP, shifted, 0.0, 6.0, like=shifted)
        node.replace_all_uses_with(editor.call(_MULTIPLY, clamped, 1 / 6, like=clamped))
    return editor.finish()
