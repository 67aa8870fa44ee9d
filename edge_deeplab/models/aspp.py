"""Atrous spatial pyramid pooling: DeepLabV3+ section 3.1 and DeepLabV3 3.3.

arXiv 1802.02611 and arXiv 1706.05587.
"""

import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.models.convolution import conv_bn_relu, separable_conv_bn_relu

BASE_RATES = (6, 12, 18)
"""Atrous rates at output stride 16; halving the stride doubles them, so the field of view in pixels stays."""


def rates_for(output_stride: int) -> tuple[int, int, int]:
    """Return ASPP's three atrous rates: 6/12/18 at output stride 16, 12/24/36 at 8, 3/6/9 at 32."""
    first, second, third = (rate * 16 // output_stride for rate in BASE_RATES)
    return first, second, third


class ImagePooling(nn.Module):
    """Image-level features: global mean, 1x1 convolution, upsampled back (from one pixel: a broadcast)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.project = conv_bn_relu(in_channels, out_channels, kernel_size=1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to (N, out_channels, H, W)."""
        pooled = self.project(features.mean((2, 3), keepdim=True))  # (N, out, 1, 1)
        return functional.interpolate(
            pooled, size=features.shape[-2:], mode="bilinear", align_corners=False
        )


class ASPP(nn.Module):
    """1x1 convolution, three atrous 3x3 convolutions and image pooling, concatenated and projected.

    Args:
        in_channels: channels of the backbone's last features.
        rates: the three atrous rates.
        separable: atrous separable instead of dense atrous convolutions.
        out_channels: channels of each branch and of the projection.
        dropout: probability after the projection (training only).
    """

    def __init__(
        self,
        in_channels: int,
        rates: tuple[int, int, int],
        *,
        separable: bool,
        out_channels: int = 256,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        atrous = separable_conv_bn_relu if separable else conv_bn_relu
        self.branches = nn.ModuleList(
            [
                conv_bn_relu(in_channels, out_channels, kernel_size=1),
                *(atrous(in_channels, out_channels, kernel_size=3, rate=rate) for rate in rates),
                ImagePooling(in_channels, out_channels),
            ]
        )
        self.project = conv_bn_relu(len(self.branches) * out_channels, out_channels, kernel_size=1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H, W)."""
        pyramid = torch.cat([branch(features) for branch in self.branches], dim=1)
        projected: torch.Tensor = self.dropout(self.project(pyramid))
        return projected
