"""A convolution that pads by itself: as TensorFlow does it, or by other zeros than torch's convolutions have."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

SAME = "same"
"""Padding as TensorFlow does it: what the stride needs at the size that comes, one more at bottom and right if odd."""

Edges = tuple[int, int, int, int]
"""Rows and columns of zeros: (top, left, bottom, right)."""


class PaddedConv2d(nn.Conv2d):
    """A convolution whose zeros need not be alike on all sides, or depend on the size that comes.

    Args:
        in_channels: input channels.
        settings: those of a "conv" operator.
    """

    def __init__(self, in_channels: int, settings: Mapping[str, Any]) -> None:
        super().__init__(
            in_channels,
            settings["channels"],
            settings["kernel_hw"],
            settings["stride_hw"],
            dilation=settings["rate_hw"],
            groups=settings["groups"],
        )
        self.edges: Edges | str = settings["edges"]

    def _conv_forward(
        self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        top, left, bottom, right = self._edges_at(*input.shape[-2:])
        inside = (min(top, bottom), min(left, right))  # what the convolution itself can pad
        if (top, left) != (bottom, right):
            over = (left - inside[1], right - inside[1], top - inside[0], bottom - inside[0])
            input = torch.constant_pad_nd(input, over)
        return functional.conv2d(
            input, weight, bias, self.stride, inside, self.dilation, self.groups
        )

    def _edges_at(self, height: int, width: int) -> Edges:
        if isinstance(self.edges, tuple):
            return self.edges
        (top, bottom), (left, right) = (
            same_edges(side, kernel, stride, rate)
            for side, kernel, stride, rate in zip(
                (height, width),
                self.kernel_size,
                self.stride,
                cast("tuple[int, int]", self.dilation),
                strict=True,
            )
        )
        return top, left, bottom, right


def same_edges(side: int, kernel: int, stride: int, rate: int) -> tuple[int, int]:
    """Return the zeros before and behind a side of so many pixels, as TensorFlow's "same" padding has them."""
    needed = (-(-side // stride) - 1) * stride + (kernel - 1) * rate + 1 - side
    total = max(needed, 0)
    return total // 2, total - total // 2
