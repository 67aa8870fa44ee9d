"""Rewrite: drop what computes nothing at inference."""

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.program import ProgramEditor

_COPIES = (torch.ops.aten.clone.default, torch.ops.aten.alias.default)
_TYPE_CHECK = torch.ops.aten._assert_tensor_metadata.default


def remove_no_ops(program: ExportedProgram) -> ExportedProgram:
    """Drop copies (dropout leaves one in evaluation mode) and run-time checks of types.

    Requires: a functional program, so that a copy and its source never diverge.
    Ensures: no clone, alias or type check; every output bit is the same.
    """
    editor = ProgramEditor(program)
    for operator in _COPIES:
        for copy in editor.calls(operator):
            source = copy.args[0]
            assert isinstance(source, fx.Node)
            copy.replace_all_uses_with(source)
    for check in editor.calls(_TYPE_CHECK):
        editor.graph.erase_node(check)
    return editor.finish()
