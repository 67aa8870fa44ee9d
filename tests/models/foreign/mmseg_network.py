"""mmsegmentation's DeepLabV3+ on ResNetV1c, from torchvision's blocks: its own package needs compiled parts."""

from collections.abc import Sequence
from importlib import import_module

import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.models.torchvision_without_operators import import_torchvision
from tests.models.foreign.networks import CLASSES, Theirs, with_statistics

CHANNELS, REDUCED = 512, 48


class ConvModule(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, before: int, after: int, side: int, rate: int = 1, groups: int = 1) -> None:
        super().__init__()
        padding = rate * (side // 2)
        self.conv = nn.Conv2d(
            before, after, side, padding=padding, dilation=rate, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(after)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.bn(self.conv(features)))


class DepthwiseSeparableConvModule(nn.Module):
    """A depthwise and a pointwise one."""

    def __init__(self, before: int, after: int, rate: int = 1) -> None:
        super().__init__()
        self.depthwise_conv = ConvModule(before, before, 3, rate, groups=before)
        self.pointwise_conv = ConvModule(before, after, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        refined: torch.Tensor = self.pointwise_conv(self.depthwise_conv(features))
        return refined


class Backbone(nn.Module):
    """ResNet-50 with a stem of three 3x3 convolutions, output stride 8."""

    def __init__(self) -> None:
        super().__init__()
        import_torchvision()
        models = import_module("torchvision.models")
        resnet = models.resnet50(replace_stride_with_dilation=[False, True, True])
        layers: list[nn.Module] = []
        for before, after, stride in ((3, 32, 2), (32, 32, 1), (32, 64, 1)):
            convolution = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        self.stem = nn.Sequential(*layers)
        self.layer1, self.layer2 = resnet.layer1, resnet.layer2
        self.layer3, self.layer4 = resnet.layer3, resnet.layer4

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        low = self.layer1(functional.max_pool2d(self.stem(images), 3, 2, 1))
        return low, self.layer4(self.layer3(self.layer2(low)))


class DecodeHead(nn.Module):
    """DepthwiseSeparableASPPHead."""

    def __init__(self, rates: Sequence[int]) -> None:
        super().__init__()
        self.conv_seg = nn.Conv2d(CHANNELS, CLASSES, 1)
        self.image_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), ConvModule(2048, CHANNELS, 1))
        self.aspp_modules = nn.ModuleList(
            [
                ConvModule(2048, CHANNELS, 1),
                *(DepthwiseSeparableConvModule(2048, CHANNELS, rate) for rate in rates),
            ]
        )
        self.bottleneck = ConvModule((len(rates) + 2) * CHANNELS, CHANNELS, 3)
        self.c1_bottleneck = ConvModule(256, REDUCED, 1)
        self.sep_bottleneck = nn.Sequential(
            DepthwiseSeparableConvModule(CHANNELS + REDUCED, CHANNELS),
            DepthwiseSeparableConvModule(CHANNELS, CHANNELS),
        )

    def forward(self, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        pooled = functional.interpolate(self.image_pool(high), size=high.shape[2:])
        branches = [pooled, *(branch(high) for branch in self.aspp_modules)]
        features = self.bottleneck(torch.cat(branches, dim=1))
        features = functional.interpolate(features, size=low.shape[2:], mode="bilinear")
        features = torch.cat([features, self.c1_bottleneck(low)], dim=1)
        scores: torch.Tensor = self.conv_seg(self.sep_bottleneck(features))
        return scores


class Network(nn.Module):
    """The encoder and decoder, with the auxiliary head that training has beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.decode_head = DecodeHead((12, 24, 36))
        self.auxiliary_head = nn.Conv2d(1024, CLASSES, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores = self.decode_head(*self.backbone(images))
        return functional.interpolate(scores, size=images.shape[2:], mode="bilinear")


def mmseg_network() -> Theirs:
    """DeepLabV3+ R-50-D8."""
    network = with_statistics(Network())
    return Theirs("mmseg", "deeplabv3plus_r50-d8", network, network)
