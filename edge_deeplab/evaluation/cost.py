"""What a model costs before anything is run: parameters and multiply-adds, counted on shapes alone."""

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
    return Cost(sum(p.numel() for p in network.parameters()), _multiply_adds(network, image))


def _multiply_adds(network: nn.Module, image: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    return int(counter.get_total_flops()) // 2
