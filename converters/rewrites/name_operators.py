"""Rewrite: names that tell where in the model an operator stands."""

from typing import Any

from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.formats.operator_names import operator_name

_WRAPPED = "model."
"""What the export wrapper holds the model under; no part of the model's own paths."""

_NAMED = "edge_deeplab_named"
"""Mark of operators that carry their name, which a second naming leaves alone."""


def name_operators(program: ExportedProgram) -> ExportedProgram:
    """Name operators after module and operation, constants after their path in the checkpoint.

    Operators that would be called the same are numbered.

    Requires: nothing; an operator outside of any module is named by its operation alone.
    Ensures: the same graph under names that `formats.operator_names.module_of` reads back.
    """
    editor = ProgramEditor(program)
    editor.shorten_paths(_WRAPPED)
    unnamed = [
        node
        for node in editor.graph.nodes
        if node.op == "call_function" and not node.meta.get(_NAMED)
    ]
    editor.forget_names(unnamed)
    for node in unnamed:
        node._rename(operator_name(_module_path(node), _operation(node)))
        node.meta[_NAMED] = True
    return editor.finish()


def _module_path(node: fx.Node) -> str:
    """Return the path of the innermost module that the node was traced in."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    path: str = stack[-1][0] if stack else ""
    return f"{path}.".removeprefix(_WRAPPED)


def _operation(node: fx.Node) -> str:
    """Return the operator's name without its overload, "conv2d"."""
    target: Any = node.target
    name: str = getattr(target, "overloadpacket", target).__name__
    return name
