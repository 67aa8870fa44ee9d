"""Rewrite: ReLU6 and hard-tanh as a clamp."""

from typing import Any

import torch
from torch.export import ExportedProgram

from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.selection import within

_CLAMP = torch.ops.aten.clamp.default
_HARD_TANH = torch.ops.aten.hardtanh.default
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
    for operator in (_HARD_TANH, _RELU6):
        for node in within(editor.calls(operator), modules):
            arguments: Any = node.args
            given = (0.0, 6.0) if operator is _RELU6 else arguments[1:]
            bounds = (*given, *_DEFAULTS[len(given) :])
            node.replace_all_uses_with(editor.call(_CLAMP, arguments[0], *bounds, like=node))
    return editor.finish()
