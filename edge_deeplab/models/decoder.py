"""DeepLabV3+'s decoder: sharpens ASPP's output with low-level features (arXiv 1802.02611, section 3.1 and table 1)."""

import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.models.convolution import conv_bn_relu, separable_conv_bn_relu


class Decoder(nn.Module):
    """Reduce low-level features to 48 channels, concatenate with upsampled ASPP features, refine by two 3x3 of 256.

    Args:
        low_channels: channels of the low-level features (output stride 4).
        aspp_channels: channels of ASPP's output.
        separable: atrous separable instead of dense 3x3 convolutions.
        reduced_channels: 48 in the paper (table 1).
        channels: 256 in the paper (table 2).
    """

    def __init__(
        self,
        low_channels: int,
        aspp_channels: int,
        *,
        separable: bool,
        reduced_channels: int = 48,
        channels: int = 256,
    ) -> None:
        super().__init__()
        self.reduce = conv_bn_relu(low_channels, reduced_channels, kernel_size=1)
        block = separable_conv_bn_relu if separable else conv_bn_relu
        self.refine = nn.Sequential(
            block(aspp_channels + reduced_channels, channels, kernel_size=3),
            block(channels, channels, kernel_size=3),
        )

    def forward(self, low: torch.Tensor, aspp: torch.Tensor) -> torch.Tensor:
        """Map (N, low, H/4, W/4) and (N, aspp, H/os, W/os) to (N, channels, H/4, W/4)."""
        upsampled = functional.interpolate(
            aspp, size=low.shape[-2:], mode="bilinear", align_corners=False
        )
        refined: torch.Tensor = self.refine(torch.cat([upsampled, self.reduce(low)], dim=1))
        return refined
