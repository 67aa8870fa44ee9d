"""How much each channel of a group is worth: by its weights, by batch norm, by the loss, or by chance."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.quantization.pruning.groups import ChannelGroup, Member

Labelled = tuple[torch.Tensor, torch.Tensor]
"""Images (N, 3, H, W), normalised, and masks (N, H, W) int64."""


def magnitude(model: nn.Module, groups: Sequence[ChannelGroup]) -> list[torch.Tensor]:
    """Return group magnitudes: the mean squared norm over a group's members, relative to the group's mean channel.

    That is DepGraph's group importance (arXiv 2301.12900, section 3.3) in torch-pruning's normalisation.

    Args:
        model: the network.
        groups: its groups.

    Returns:
        (channels,) float32 by group; 1 is the average channel of the group.
    """
    return [
        _relative([_channel_slices(model, m, "weight").square().sum(1) for m in group.members])
        for group in groups
    ]


def batch_norm_scale(model: nn.Module, groups: Sequence[ChannelGroup]) -> list[torch.Tensor]:
    """Return the mean size of batch norm's scales over a group's members (network slimming, arXiv 1708.06519).

    Relative to the group's mean channel; a group without batch norm goes by `magnitude`. Arguments as there.
    """
    scores = magnitude(model, groups)
    for index, group in enumerate(groups):
        norms = [m for m in group.members if _is_norm(model, m)]
        if norms:
            scores[index] = _relative(
                [_channel_slices(model, m, "weight").abs().sum(1) for m in norms]
            )
    return scores


def taylor(
    model: nn.Module,
    groups: Sequence[ChannelGroup],
    batches: Sequence[Labelled],
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    progress: Progress = SILENT,
) -> list[torch.Tensor]:
    """Return the mean square of what removing each channel changes the loss by, to first order.

    Molchanov et al. (arXiv 1906.10771, section 3.1), with the gate at the layers that read the channel: setting its
    weights there to zero is removing it, whatever lies before. The sum over readers is taken before the square, because
    a channel is removed from all of them at once.

    Args:
        model: the network in evaluation mode; its gradients are cleared.
        groups: its groups.
        batches: labelled images, one gradient for each batch.
        loss: of (logits, masks).
        progress: told each batch.

    Returns:
        (channels,) float32 by group, in one unit for all groups: the loss squared.
    """
    totals = [torch.zeros(group.channels) for group in groups]
    progress.begin("measuring the importance of channels", len(batches), "crops")
    for images, masks in batches:
        model.zero_grad(set_to_none=True)
        with torch.enable_grad():
            loss(model(images), masks).backward()
        for total, group in zip(totals, groups, strict=True):
            total += _change(model, group).square().cpu()
        progress.advance()
    model.zero_grad(set_to_none=True)
    return [total / max(len(batches), 1) for total in totals]


def random(groups: Sequence[ChannelGroup], seed: int) -> list[torch.Tensor]:
    """Return uniform numbers, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(group.channels, generator=generator) for group in groups]


def _change(model: nn.Module, group: ChannelGroup) -> torch.Tensor:
    """Return the first-order change of the loss when the group's readers see zero: the sum of weight x gradient."""
    change = torch.zeros(group.channels, device=next(model.parameters()).device)
    for member in group.members:
        if member.side == "in":
            weights = _channel_slices(model, member, "weight")
            change += (weights * _channel_slices(model, member, "weight", gradient=True)).sum(1)
    return change


def _channel_slices(
    model: nn.Module, member: Member, name: str, *, gradient: bool = False
) -> torch.Tensor:
    """Return what a layer holds of each channel of the group: (channels, values)."""
    parameter = model.get_parameter(f"{member.path}.{name}")
    values = parameter.grad if gradient else parameter.detach()
    assert values is not None, "a gradient is asked for after backward"
    axis = 0 if member.side == "out" else 1
    positions = torch.tensor(member.positions, device=values.device)
    chosen = values.index_select(axis, positions).movedim(axis, 0)
    return chosen.reshape(len(positions), -1)


def _is_norm(model: nn.Module, member: Member) -> bool:
    return isinstance(model.get_submodule(member.path), nn.BatchNorm2d)


def _relative(scores: Sequence[torch.Tensor]) -> torch.Tensor:
    mean = torch.stack(list(scores)).mean(0).cpu()
    return mean / mean.mean().clamp(min=torch.finfo(torch.float32).tiny)
