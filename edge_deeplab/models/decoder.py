"""DeepLabV3+'s decoder: sharpens ASPP's output with low-level features (arXiv 1802.02611, section 3.1 and table 1)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.models.convolution import CONVOLUTIONS, conv_bn_relu
from edge_deeplab.models.spec import DecoderSpec


class Decoder(nn.Module):
    """Reduce low-level features, concatenate them with upsampled coarser features, refine by 3x3 convolutions.

    Args:
        low_channels: channels of the low-level features, finest first; of several, the coarser are joined first, by a
            decoder of their own.
        in_channels: channels of ASPP's output.
        spec: what it consists of.
        align_corners: how the upsampling samples.
    """

    def __init__(
        self,
        low_channels: Sequence[int],
        in_channels: int,
        spec: DecoderSpec,
        *,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.low_first, self.align_corners = spec.low_first, align_corners
        finest, *coarser = low_channels
        self.coarser: Decoder | None = None
        if coarser:
            self.coarser = Decoder(coarser, in_channels, spec, align_corners=align_corners)
            in_channels = spec.channels
        self.reduce = conv_bn_relu(finest, spec.reduced_channels, kernel_size=1)
        block, joined = CONVOLUTIONS[spec.convolution], in_channels + spec.reduced_channels
        widths = [joined, *(spec.channels for _ in range(spec.blocks))]
        self.refine = nn.Sequential(
            *(block(before, after, kernel_size=3) for before, after in pairwise(widths))
        )

    def forward(self, low: Sequence[torch.Tensor], features: torch.Tensor) -> torch.Tensor:
        """Map low-level features, finest first, and ASPP's (N, in_channels, h, w) to (N, channels, H/4, W/4)."""
        finest, *coarser = low
        if self.coarser is not None:
            features = self.coarser(coarser, features)
        upsampled = functional.interpolate(
            features, size=finest.shape[-2:], mode="bilinear", align_corners=self.align_corners
        )
        reduced = self.reduce(finest)
        pair = [reduced, upsampled] if self.low_first else [upsampled, reduced]
        refined: torch.Tensor = self.refine(torch.cat(pair, dim=1))
        return refined
