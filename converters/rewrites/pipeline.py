"""The rewrites, in the order they run: the one list to read."""

from collections.abc import Callable, Sequence
from functools import partial

from torch.export import ExportedProgram

from edge_deeplab.converters.rewrites.add_pooled_features import add_pooled_features
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite, get_rewrite
from edge_deeplab.converters.rewrites.fold_batch_norm import fold_batch_norm
from edge_deeplab.converters.rewrites.name_operators import name_operators
from edge_deeplab.converters.rewrites.normalise_in_int8 import normalise_in_int8
from edge_deeplab.converters.rewrites.quantizers import insert_quantizers, round_biases
from edge_deeplab.converters.rewrites.remove_no_ops import remove_no_ops
from edge_deeplab.models.quantization import Quantization

Rewrite = Callable[[ExportedProgram], ExportedProgram]


def rewrites(quantization: Quantization | None) -> tuple[Rewrite, ...]:
    """Return the rewrites of a float graph, or of one with these quantizers."""
    if quantization is None:
        return (remove_no_ops, fold_batch_norm, add_pooled_features, name_operators)
    return (
        remove_no_ops,
        name_operators,
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
