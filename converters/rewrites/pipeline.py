"""The rewrites, in the order they run: the one list to read."""

from collections.abc import Callable

from torch.export import ExportedProgram

from edge_deeplab.converters.rewrites.add_pooled_features import add_pooled_features
from edge_deeplab.converters.rewrites.fold_batch_norm import fold_batch_norm
from edge_deeplab.converters.rewrites.name_operators import name_operators
from edge_deeplab.converters.rewrites.remove_no_ops import remove_no_ops

Rewrite = Callable[[ExportedProgram], ExportedProgram]

REWRITES: tuple[Rewrite, ...] = (
    remove_no_ops,
    fold_batch_norm,
    add_pooled_features,
    name_operators,
)


def apply_rewrites(program: ExportedProgram) -> ExportedProgram:
    """Return the program after every rewrite; each leaves what it computes the same, up to float rounding."""
    for rewrite in REWRITES:
        program = rewrite(program)
    return program
