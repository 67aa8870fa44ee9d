"""Rewrite: what a network computes of its weights alone, or of nothing, as numbers that the file stores."""

from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.program import ProgramEditor, traced_in

_aten = torch.ops.aten
_OF_SHAPES = (
    _aten.zeros_like.default,
    _aten.ones_like.default,
    _aten.full_like.default,
    _aten.new_zeros.default,
    _aten.new_ones.default,
    _aten.new_full.default,
)
"""What reads the shape and type of a tensor and none of its values."""


def fold_constants(program: ExportedProgram) -> ExportedProgram:
    """Store what every run would compute again: masks, grids, factors of weights.

    Requires: shapes that are known.
    Ensures: every operator depends on the picture, or on chance; every output bit is the same.
    """
    editor = ProgramEditor(program)
    known: dict[fx.Node, Any] = {node: editor.constant(node) for node in editor.constants()}
    stored = set(known)
    for node in editor.graph.nodes:
        if node.op != "call_function" or _draws(node):
            continue
        if node.target in _OF_SHAPES or known.keys() >= set(node.all_input_nodes):
            known[node] = _value(node, known)
    for node, value in known.items():
        read = not known.keys() >= set(node.users)
        if node not in stored and read and isinstance(value, torch.Tensor):
            path = f"{traced_in(node) or 'made'}.{node.name}"
            node.replace_all_uses_with(editor.add_constant(path, value.contiguous()))
    return editor.finish()


def _draws(node: fx.Node) -> bool:
    """Whether an operator gives something else in each run."""
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def _value(node: fx.Node, known: dict[fx.Node, Any]) -> Any:
    def value_of(read: fx.Node) -> Any:
        if read in known:
            return known[read]
        shaped = read.meta["val"]
        return torch.empty(shaped.shape, dtype=shaped.dtype)

    arguments: Any = fx.map_arg(node.args, value_of)
    keywords: Any = fx.map_arg(node.kwargs, value_of)
    target: Any = node.target
    with torch.no_grad():
        return target(*arguments, **keywords)
