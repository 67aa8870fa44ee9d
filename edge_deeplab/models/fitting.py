"""Whether a checkpoint's tensors are those of the network that it tells of; a pruned one's widths come from them."""

from collections.abc import Mapping
from pathlib import Path

import torch

from edge_deeplab.errors import CheckpointError
from edge_deeplab.models.operator_graph import OperatorGraph, sizes_at
from edge_deeplab.models.widths import fit_widths, widths_fit


def check_sizes(network: OperatorGraph, size_hw: tuple[int, int], path: Path) -> None:
    """Refuse a graph that does not fit together, or asks for more memory than a network does, before it gets any.

    Args:
        network: on the meta device.
        size_hw: height and width that it was trained for.
        path: the checkpoint, for the sentence.

    Raises:
        CheckpointError: naming what does not fit.
    """
    try:
        sizes_at(network, size_hw)
    except ValueError as error:
        raise CheckpointError(
            f"{path} holds a graph that cannot run at {size_hw[0]}x{size_hw[1]} ({error}); one that edge-deeplab "
            "import wrote was expected; import the file again"
        ) from error


def fit_pruned(
    model: torch.nn.Module,
    tensors: Mapping[str, torch.Tensor],
    path: Path,
    probe_hw: tuple[int, int],
) -> None:
    """Give a model the widths of a pruned checkpoint's tensors, in place.

    Args:
        model: in evaluation mode and its full widths.
        tensors: of the checkpoint.
        path: the checkpoint, for the sentence.
        probe_hw: height and width of the image that the layers are tried with.

    Raises:
        CheckpointError: when the layers do not fit together.
    """
    fit_widths(model, tensors)
    problem = widths_fit(model, probe_hw)
    if problem is not None:
        raise CheckpointError(
            f"{path} is a pruned checkpoint whose layers do not fit together ({problem}); widths that follow from one "
            "another were expected; prune the original again"
        )


def check_tensors(
    expected: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor], path: Path
) -> None:
    """Check that a checkpoint holds the tensors of its network, and no others.

    Args:
        expected: the network's state.
        found: the checkpoint's tensors.
        path: the checkpoint, for the sentence.

    Raises:
        CheckpointError: when one is missing, left over or of another shape.
    """
    missing = sorted(set(expected) - set(found))
    left_over = sorted(set(found) - set(expected))
    if missing or left_over:
        parts = [f"lacks {len(missing)} tensors (first: {missing[0]})"] if missing else []
        parts += (
            [f"has {len(left_over)} unknown tensors (first: {left_over[0]})"] if left_over else []
        )
        raise CheckpointError(
            f"{path} {' and '.join(parts)}; its metadata names another model than its tensors; train or save it again"
        )
    for name, tensor in expected.items():
        if tensor.shape != found[name].shape:
            raise CheckpointError(
                f"{path} holds {name} as {tuple(found[name].shape)}, the model expects {tuple(tensor.shape)}; "
                "the metadata and tensors disagree; train or save it again"
            )
