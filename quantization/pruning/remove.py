"""Channels taken out of a network's tensors."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch

from edge_deeplab.quantization.pruning.groups import ChannelGroup, Side

_AXES: tuple[Side, Side] = ("out", "in")
"""Which of a layer's sides each axis of its tensors is."""


def most_important(
    groups: Sequence[ChannelGroup], importance: Sequence[torch.Tensor], kept: Sequence[int]
) -> list[list[int]]:
    """Return by group the channels that stay: the most important `kept` of them, in their order."""
    return [
        sorted(scores.argsort(descending=True, stable=True)[:count].tolist())
        for scores, count in zip(importance, kept, strict=True)
    ]


def remove_channels(
    tensors: Mapping[str, torch.Tensor],
    groups: Sequence[ChannelGroup],
    staying: Sequence[Sequence[int]],
) -> dict[str, torch.Tensor]:
    """Return a network's tensors without the channels that do not stay; `fit_widths` makes a network take them.

    Args:
        tensors: the state of a network.
        groups: its groups.
        staying: by group, the indices of the channels that stay.
    """
    gone: dict[tuple[str, Side], set[int]] = defaultdict(set)
    for group, indices in zip(groups, staying, strict=True):
        leaving = set(range(group.channels)) - set(indices)
        for member in group.members:
            gone[member.path, member.side] |= {member.positions[index] for index in leaving}
    cut = {}
    for name, tensor in tensors.items():
        path = name.rpartition(".")[0]
        for axis, side in enumerate(_AXES[: tensor.ndim]):
            if leaves := gone.get((path, side)):
                left = [index for index in range(tensor.shape[axis]) if index not in leaves]
                tensor = tensor.index_select(axis, torch.tensor(left, device=tensor.device))
        cut[name] = tensor
    return cut
