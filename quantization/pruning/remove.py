"""Channels taken out of a network's tensors."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import nn

from edge_deeplab.errors import ConfigError
from edge_deeplab.models.spec import Parts
from edge_deeplab.models.widths import PROBE_HW, fit_widths
from edge_deeplab.quantization.pruning.groups import ChannelGroup, Side, find_groups

_AXES: tuple[Side, Side] = ("out", "in")
"""Which of a layer's sides each axis of its tensors is."""
_TOLERANCE = 1e-3


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


def removable_groups(
    model: nn.Module, parts: Parts, size_hw: tuple[int, int] = PROBE_HW
) -> list[ChannelGroup]:
    """Return the groups of a network after it was asked whether they can go.

    Arguments and errors are those of `find_groups` and `check_removable`.
    """
    groups = find_groups(model, parts, size_hw)
    check_removable(model, groups, size_hw)
    return groups


def check_removable(
    model: nn.Module, groups: Sequence[ChannelGroup], size_hw: tuple[int, int] = PROBE_HW
) -> None:
    """Check that a network without every other channel computes what it computes when nobody reads them.

    What mixes channels without weights, a channel shuffle for example, cannot be seen in the groups.

    Args:
        model: in evaluation mode; it is left as it is.
        groups: its groups.
        size_hw: height and width of the image that it is run on.

    Raises:
        ConfigError: when it computes something else, or nothing; names the first group that alone is to blame.
    """
    if _is_same_without(model, groups, size_hw):
        return
    blamed = [group.name for group in groups if not _is_same_without(model, [group], size_hw)]
    where = blamed[0] if blamed else type(model).__name__
    raise ConfigError(
        f"channels of {where} cannot be removed, because what reads them mixes them by itself; operators that "
        "treat every channel alike were expected behind it; use another network"
    )


def _is_same_without(
    model: nn.Module, groups: Sequence[ChannelGroup], size_hw: tuple[int, int]
) -> bool:
    staying = [range(0, group.channels, 2) for group in groups]
    deaf, narrow = deepcopy(model), deepcopy(model)
    image = torch.randn(1, 3, *size_hw, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for group in groups:
            for member in group.members:
                if member.side == "in":
                    deaf.get_parameter(f"{member.path}.weight")[:, member.positions[1::2]] = 0
        expected = deaf(image)
        tensors = remove_channels(model.state_dict(), groups, staying)
        try:
            fit_widths(narrow, tensors)
            narrow.load_state_dict(tensors)
            found = narrow(image)
        except Exception:  # a wrapped module's own code runs
            return False
    scale = float(expected.abs().max()) or 1.0
    return torch.allclose(found, expected, rtol=0, atol=_TOLERANCE * scale, equal_nan=True)
