"""Atrous spatial pyramid pooling: DeepLabV3+ section 3.1, DeepLabV3 section 3.3 and DeepLabV2 section 3.2.

arXiv 1802.02611, 1706.05587 and 1606.00915.
"""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.models.convolution import CONVOLUTIONS, conv_bn_relu
from edge_deeplab.models.spec import ASPPSpec, SummedSpec


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
    """1x1 convolution, atrous 3x3 convolutions and image pooling, concatenated and projected.

    Args:
        in_channels: channels of the backbone's last features.
        spec: what it consists of.
    """

    def __init__(self, in_channels: int, spec: ASPPSpec) -> None:
        super().__init__()
        channels, atrous = spec.channels, CONVOLUTIONS[spec.convolution]
        branches: list[nn.Module] = [
            conv_bn_relu(in_channels, channels, kernel_size=1),
            *(atrous(in_channels, channels, kernel_size=3, rate=rate) for rate in spec.rates),
        ]
        if spec.pooling != "none":
            place = 0 if spec.pooling == "first" else len(branches)
            branches.insert(place, ImagePooling(in_channels, channels))
        self.branches = nn.ModuleList(branches)
        self.project = conv_bn_relu(
            len(branches) * channels, channels, kernel_size=spec.project_kernel
        )
        self.dropout = nn.Dropout(spec.dropout)
        self.neck = (
            nn.Identity()
            if spec.neck == "none"
            else CONVOLUTIONS[spec.neck](channels, channels, kernel_size=3)
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, H, W) to (N, channels, H, W)."""
        pyramid = torch.cat([branch(features) for branch in self.branches], dim=1)
        refined: torch.Tensor = self.neck(self.dropout(self.project(pyramid)))
        return refined


class SummedBranches(nn.Module):
    """Parallel atrous branches before their scores: VGG-16's fc6 and fc7, made convolutions, once a rate.

    Args:
        in_channels: channels of the backbone's last features.
        spec: what they consist of; without hidden channels each passes its input on.
    """

    def __init__(self, in_channels: int, spec: SummedSpec) -> None:
        super().__init__()
        self.branches = nn.ModuleList(_branch(in_channels, spec, rate) for rate in spec.rates)

    def forward(self, features: torch.Tensor) -> list[torch.Tensor]:
        """Map (N, in_channels, H, W) to what each branch's scores are computed from."""
        return [branch(features) for branch in self.branches]


class SummedClassifier(nn.ModuleList):
    """One convolution to the classes for each branch; their scores are summed.

    Args:
        in_channels: channels of the backbone's last features.
        spec: what the branches before consist of.
        num_classes: channels of the output.
    """

    def __init__(self, in_channels: int, spec: SummedSpec, num_classes: int) -> None:
        super().__init__(
            nn.Conv2d(spec.hidden[-1], num_classes, 1)
            if spec.hidden
            else _atrous(in_channels, num_classes, rate)
            for rate in spec.rates
        )

    def forward(self, branches: Sequence[torch.Tensor]) -> torch.Tensor:
        """Map the branches' (N, C, H, W) to scores (N, num_classes, H, W)."""
        scores: list[torch.Tensor] = [
            classify(features) for classify, features in zip(self, branches, strict=True)
        ]
        return reduce(torch.add, scores)


def _branch(in_channels: int, spec: SummedSpec, rate: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in spec.hidden:
        convolution = (
            nn.Conv2d(in_channels, channels, 1) if layers else _atrous(in_channels, channels, rate)
        )
        layers += [convolution, nn.ReLU(inplace=True), nn.Dropout(spec.dropout)]
        in_channels = channels
    return nn.Sequential(*layers)


def _atrous(in_channels: int, out_channels: int, rate: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=rate, dilation=rate)
