"""Widths of a network's layers: a pruned checkpoint has those of its tensors, and nothing else records them."""

from collections.abc import Mapping

import torch
from torch import nn
from torch.func import functional_call

from edge_deeplab.text import first_line

PROBE_HW = (64, 64)
"""Height and width of the image that a network's channels are looked at with."""


def fit_widths(model: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Give a model's convolutions and batch norms the widths of `tensors`, in place; their values are not set.

    A layer that `tensors` do not have stays as it is. A depthwise convolution stays one.

    Args:
        model: the network in its full widths.
        tensors: a state of it, narrower in places.
    """
    for path, layer in model.named_modules():
        weight = tensors.get(f"{path}.weight")
        if weight is None or not isinstance(layer, nn.Conv2d | nn.BatchNorm2d):
            continue
        if isinstance(layer, nn.BatchNorm2d):
            layer.num_features = len(weight)
        elif is_depthwise(layer):
            layer.in_channels = layer.out_channels = layer.groups = len(weight)
        else:
            layer.in_channels, layer.out_channels = weight.shape[1] * layer.groups, len(weight)
        _resize(layer, path, tensors)


def is_depthwise(layer: nn.Module) -> bool:
    """Whether a layer is a convolution that filters every channel by itself."""
    return isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1


def widths_fit(model: nn.Module, size_hw: tuple[int, int] = PROBE_HW) -> str | None:
    """Return why the layers of a model in evaluation mode do not fit together; None where they do.

    Found on shapes alone.
    """
    state = {name: t.to("meta") for name, t in model.state_dict().items()}
    image = torch.empty(1, 3, *size_hw, device="meta")
    try:
        with torch.no_grad():
            functional_call(model, state, (image,), tie_weights=False)
    except Exception as error:  # a wrapped module's own code runs
        return first_line(error)
    return None


def _resize(layer: nn.Module, path: str, tensors: Mapping[str, torch.Tensor]) -> None:
    for name, parameter in layer.named_parameters(recurse=False):
        shape = tensors.get(f"{path}.{name}", parameter).shape
        setattr(layer, name, nn.Parameter(parameter.new_empty(shape)))
    for name, buffer in layer.named_buffers(recurse=False):
        setattr(layer, name, buffer.new_empty(tensors.get(f"{path}.{name}", buffer).shape))
