"""What a model costs before anything is run: parameters and multiply-adds, counted on shapes alone."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from edge_deeplab.models.deeplab import build_model


@dataclass(frozen=True)
class Cost:
    """Cost of one forward pass over one image.

    Args:
        parameters: number of trainable values.
        multiply_adds: multiply-adds of convolutions and matrix products, the papers' unit (one is two FLOPs).
    """

    parameters: int
    multiply_adds: int


def count_cost(model: str, num_classes: int, size_hw: tuple[int, int], **arguments: Any) -> Cost:
    """Count a model by name, without memory for its weights or time for its arithmetic (meta tensors).

    Args:
        model: a name that `build_model` takes.
        num_classes: channels of its output.
        size_hw: height and width of the image in pixels.
        **arguments: `output_stride` and `separable`, as for `build_model`.

    Raises:
        ConfigError: for an unknown name or argument.
    """
    with torch.device("meta"):
        network = build_model(model, num_classes, **arguments).eval()
        image = torch.empty(1, 3, *size_hw)
    return _count(network, image)


def count_network(network: nn.Module, size_hw: tuple[int, int]) -> Cost:
    """Count a network that stands, a pruned one for example; on a copy of its shapes.

    Args:
        network: of (1, 3, H, W) images, in evaluation mode.
        size_hw: height and width of the image in pixels.
    """
    shapes = copy.deepcopy(network).to("meta")
    return _count(shapes, torch.empty(1, 3, *size_hw, device="meta"))


def _count(network: nn.Module, image: torch.Tensor) -> Cost:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    return Cost(sum(p.numel() for p in network.parameters()), int(counter.get_total_flops()) // 2)
