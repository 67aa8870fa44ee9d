"""Rewrites: hard-swish, hard-sigmoid and ReLU6 as the plainer operators that they are made of."""

from typing import Any

import torch
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import ADD, HARD_SIGMOID, HARD_SWISH, HARD_TANH, MULTIPLY
from edge_deeplab.converters.program import ProgramEditor


def expand_hard_swish(
    program: ExportedProgram, modules: frozenset[str] | None = None
) -> ExportedProgram:
    """Turn hardswish(x) into (x / 6) ReLU6(x + 3) (arXiv 1905.02244, section 5.2).

    The factor goes to the first x: TFLite's converter puts x ReLU6(x + 3) / 6 together to a HARD_SWISH again.

    Requires: nothing.
    Ensures: no hard-swish in the modules; outputs agree up to float32 rounding of the products.
    """
    editor = ProgramEditor(program)
    for node in editor.calls(HARD_SWISH, modules):
        x = node.args[0]
        sixth = editor.call(MULTIPLY, x, 1 / 6, like=node)
        shifted = editor.call(ADD, x, 3.0, like=sixth)
        gate = editor.call(HARD_TANH, shifted, 0.0, 6.0, like=shifted)
        node.replace_all_uses_with(editor.call(MULTIPLY, sixth, gate, like=gate))
    return editor.finish()


def expand_hard_sigmoid(
    program: ExportedProgram, modules: frozenset[str] | None = None
) -> ExportedProgram:
    """Turn hardsigmoid(x) into ReLU6(x + 3) / 6 (arXiv 1905.02244, section 5.2).

    TFLite has no such operator and always gets this form; ONNX's HardSigmoid and Core ML's sigmoid_hard become it.

    Requires: nothing.
    Ensures: no hard-sigmoid in the modules; outputs agree up to float32 rounding of the quotient.
    """
    editor = ProgramEditor(program)
    for node in editor.calls(HARD_SIGMOID, modules):
        shifted = editor.call(ADD, node.args[0], 3.0, like=node)
        clamped = editor.call(HARD_TANH, shifted, 0.0, 6.0, like=shifted)
        node.replace_all_uses_with(editor.call(MULTIPLY, clamped, 1 / 6, like=clamped))
    return editor.finish()


_CLAMP = torch.ops.aten.clamp.default
_RELU6 = torch.ops.aten.relu6.default
_DEFAULTS = (-1.0, 1.0)
"""Bounds of a hard-tanh that is called without them."""


def clamp_relu6(program: ExportedProgram, modules: frozenset[str] | None = None) -> ExportedProgram:
    """Turn ReLU6 and hard-tanh into clamp(x, low, high), one operator with both bounds as its arguments.

    The three converters write the same for both forms: Core ML a clip, ONNX a Clip, TFLite the RELU6 that is fused into
    the convolution before it. The clamp is the form that a lowering of one's own need know only.

    Requires: nothing.
    Ensures: no ReLU6 and no hard-tanh in the modules; every output bit is the same.
    """
    editor = ProgramEditor(program)
    for operator in (HARD_TANH, _RELU6):
        for node in editor.calls(operator, modules):
            arguments: Any = node.args
            given = (0.0, 6.0) if operator is _RELU6 else arguments[1:]
            bounds = (*given, *_DEFAULTS[len(given) :])
            node.replace_all_uses_with(editor.call(_CLAMP, arguments[0], *bounds, like=node))
    return editor.finish()
