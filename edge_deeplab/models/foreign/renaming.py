"""Tensors under the names of our modules: by tables of paths, theirs to ours, and nothing is dropped in silence."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from edge_deeplab.errors import CheckpointError
from edge_deeplab.models.spec import ASPPSpec, Convolution
from edge_deeplab.text import printable

Renames = Mapping[str, str]
"""Paths of modules, theirs to ours; what lies in a module goes with it, and the longest path that fits counts."""

_PLACES: Mapping[Convolution, tuple[int, ...]] = {
    "dense": (0, 1),
    "bare": (0, 1, 2),
    "normed": (0, 1, 3, 4),
}
"""Where `models.convolution` has the layers with weights of each kind of block."""
_COUNTER = "num_batches_tracked"
"""What training counts and no forward pass reads: the only tensor that may be absent."""


def block(ours: str, convolution: Convolution, *theirs: str) -> Renames:
    """Return the table of one block of convolutions and batch norms.

    Args:
        ours: path of the block.
        convolution: what it consists of.
        theirs: paths of its layers, in order.
    """
    return {
        path: f"{ours}.{place}" for path, place in zip(theirs, _PLACES[convolution], strict=False)
    }


def torchvision_block(
    ours: str, convolution: Convolution, theirs: str, norm: str, *, halves: str = ""
) -> Renames:
    """Return the table of a convolution, which may be two in its place, and the batch norm behind it.

    Args:
        ours: path of the block.
        convolution: what it consists of.
        theirs: path of the convolution.
        norm: path of the batch norm.
        halves: where below `theirs` the two convolutions of a separable one are counted.
    """
    if convolution == "dense":
        return block(ours, convolution, theirs, norm)
    return block(ours, convolution, f"{theirs}{halves}.0", f"{theirs}{halves}.1", norm)


def torchvision_aspp(theirs: str, spec: ASPPSpec, *, halves: str = "") -> Renames:
    """Return the table of torchvision's ASPP, which segmentation_models.pytorch and VainF took over.

    Args:
        theirs: its path.
        spec: what it consists of.
        halves: as for `torchvision_block`.
    """
    convs, last = f"{theirs}.convs", len(spec.rates) + 1
    renames = dict(block("aspp.branches.0", "dense", f"{convs}.0.0", f"{convs}.0.1"))
    for i in range(1, last):
        ours = f"aspp.branches.{i}"
        conv, norm = f"{convs}.{i}.0", f"{convs}.{i}.1"
        renames |= torchvision_block(ours, spec.convolution, conv, norm, halves=halves)
    pooled = f"aspp.branches.{last}.project"
    renames |= block(pooled, "dense", f"{convs}.{last}.1", f"{convs}.{last}.2")
    renames |= block("aspp.project", "dense", f"{theirs}.project.0", f"{theirs}.project.1")
    return renames


def renamed(name: str, renames: Renames) -> str:
    """Return our name of a tensor; one that no table knows keeps its own, with a mark that no name of ours has."""
    path = name
    while (path := path.rpartition(".")[0]) and path not in renames:
        pass
    return f"{renames[path]}{name[len(path) :]}" if path else f"?{name}"


def rename(
    tensors: Mapping[str, torch.Tensor],
    renames: Renames,
    expected: Mapping[str, torch.Tensor],
    path: Path,
) -> dict[str, torch.Tensor]:
    """Return tensors under our names, in float32.

    Args:
        tensors: by their names.
        renames: their modules to ours.
        expected: our network's state.
        path: the file, for errors.

    Raises:
        CheckpointError: when some are missing, left over or of another shape; lists the first of them.
    """
    theirs = {renamed(name, renames): name for name in tensors}
    left_over = sorted(name for ours, name in theirs.items() if ours not in expected)
    missing = sorted(name for name in set(expected) - set(theirs) if not name.endswith(_COUNTER))
    if left_over or missing:
        raise CheckpointError(
            f"{path} {' and '.join(_differences(missing, left_over))}; the tensors of the network that the spec says "
            "were expected, all of them and no others; say the spec that it was trained with"
        )
    for ours, name in theirs.items():
        if tensors[name].shape != expected[ours].shape:
            raise CheckpointError(
                f"{path} holds {printable(name)} as {tuple(tensors[name].shape)}, and the spec asks for "
                f"{tuple(expected[ours].shape)}; say the spec that it was trained with"
            )
    counters = {name: torch.tensor(0) for name in set(expected) - set(theirs)}
    return counters | {
        ours: t.float() if (t := tensors[name]).is_floating_point() else t
        for ours, name in theirs.items()
    }


def _differences(missing: Sequence[str], left_over: Sequence[str]) -> Iterator[str]:
    if missing:
        yield f"lacks {len(missing)} tensors ({_first(missing)})"
    if left_over:
        yield f"has {len(left_over)} that have no place ({_first(left_over)})"


def _first(names: Sequence[str]) -> str:
    rest = ", ..." if len(names) > 3 else ""
    return ", ".join(map(printable, names[:3])) + rest
