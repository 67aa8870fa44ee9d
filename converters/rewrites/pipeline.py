"""The rewrites, in the order they run: the one list to read; and those that keep house, first and last of it."""

from collections.abc import Callable, Sequence
from functools import partial
from operator import getitem
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import BATCH_NORM
from edge_deeplab.converters.program import NAMED, ProgramEditor, traced_in
from edge_deeplab.converters.rewrites.add_pooled_features import add_pooled_features
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite, get_rewrite
from edge_deeplab.converters.rewrites.fold_batch_norm import fold_batch_norm
from edge_deeplab.converters.rewrites.fold_constants import fold_constants
from edge_deeplab.converters.rewrites.int8_forms import take_int8_forms
from edge_deeplab.converters.rewrites.interpolation import smooth_by_matrices
from edge_deeplab.converters.rewrites.normalise_in_int8 import normalise_in_int8
from edge_deeplab.converters.rewrites.quantizers import insert_quantizers, round_biases
from edge_deeplab.converters.rewrites.unite_forms import unite_forms
from edge_deeplab.formats.operator_names import WRAPPER, operator_name
from edge_deeplab.models.quantization import Quantization

Rewrite = Callable[[ExportedProgram], ExportedProgram]


def rewrites(quantization: Quantization | None) -> tuple[Rewrite, ...]:
    """Return the rewrites of a float graph, or of one with these quantizers."""
    if quantization is None:
        return (
            remove_no_ops,
            fold_constants,
            unite_forms,
            smooth_by_matrices,
            fold_batch_norm,
            add_pooled_features,
            name_operators,
        )
    return (
        remove_no_ops,
        fold_constants,
        unite_forms,
        smooth_by_matrices,
        name_operators,
        partial(take_int8_forms, quantization=quantization),
        partial(insert_quantizers, quantization=quantization),
        normalise_in_int8,
        fold_batch_norm,
        round_biases,
        name_operators,
    )


def apply_rewrites(
    program: ExportedProgram,
    quantization: Quantization | None = None,
    asked: Sequence[AskedRewrite] = (),
) -> ExportedProgram:
    """Return the program after every rewrite, those that were asked for last.

    Each leaves what it computes the same, up to float rounding; `insert_quantizers` makes it compute
    what the quantized checkpoint means, and what one that was asked for changes stands in the catalogue.
    """
    for rewrite in rewrites(quantization):
        program = rewrite(program)
    return apply_asked(program, asked)


def apply_asked(program: ExportedProgram, asked: Sequence[AskedRewrite]) -> ExportedProgram:
    """Return a canonical graph's program after rewrites that were asked for, in order."""
    for request in asked:
        program = name_operators(get_rewrite(request.name).apply(program, request.modules))
    return program


_COPIES = (torch.ops.aten.clone.default, torch.ops.aten.alias.default)
_VIEWS = (torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default)
_RESHAPE = torch.ops.aten.reshape.default
_TYPE_CHECK = torch.ops.aten._assert_tensor_metadata.default


def remove_no_ops(program: ExportedProgram) -> ExportedProgram:
    """Drop copies (dropout leaves one in evaluation mode) and run-time checks of types.

    Requires: a functional program, so that a copy and its source never diverge.
    Ensures: no alias, clone or type check; a view, which may have needed a clone's order in memory, is a reshape; every
        output bit is the same.
    """
    editor = ProgramEditor(program)
    for operator in _COPIES:
        for copy in editor.calls(operator):
            source = copy.args[0]
            assert isinstance(source, fx.Node)
            copy.replace_all_uses_with(source)
    for view in _VIEWS:
        for reshape in editor.calls(view):
            reshape.target = _RESHAPE
    for check in editor.calls(_TYPE_CHECK):
        editor.graph.erase_node(check)
    return editor.finish()


def name_operators(program: ExportedProgram) -> ExportedProgram:
    """Name operators after module and operation, constants after their path in the checkpoint.

    Operators that would be called the same, or as a constant, are numbered.

    Requires: nothing; an operator outside of any module is named by its operation alone.
    Ensures: the same graph under names that `formats.operator_names.module_of` reads back.
    """
    editor = ProgramEditor(program)
    unnamed = [
        node
        for node in editor.graph.nodes
        if node.op == "call_function" and not node.meta.get(NAMED)
    ]
    editor.forget_names(unnamed)
    # constants first: an operator called like one is numbered, whoever called it so
    editor.shorten_paths(WRAPPER)
    for node in unnamed:
        editor.name(node, operator_name(traced_in(node), _operation(node)))
    return editor.finish()


def _operation(node: fx.Node) -> str:
    """Return the operator's name without its overload, "conv2d"; of batch norm's several results "batch_norm"."""
    target: Any = node.target
    source = node.args[0] if target is getitem else None
    if isinstance(source, fx.Node) and source.target is BATCH_NORM:
        return "batch_norm"
    name: str = getattr(target, "overloadpacket", target).__name__
    return name
