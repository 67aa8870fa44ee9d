"""DeepLabV3+ assembled: backbone, ASPP, decoder, classifier (arXiv 1802.02611).

Every bilinear resize samples half-pixel centres (`align_corners=False`), which all three targets share; sizes are
multiples of 16, where every ratio is whole.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.errors import ConfigError, unknown_choice
from edge_deeplab.models.aspp import ASPP, rates_for
from edge_deeplab.models.backbones import (
    BACKBONES,
    build_backbone,
    feature_channels,
    get_backbone,
    load_imagenet_weights,
)
from edge_deeplab.models.decoder import Decoder

MODEL_PREFIX = "deeplabv3plus_"
MODELS: tuple[str, ...] = tuple(f"{MODEL_PREFIX}{name}" for name in BACKBONES)


class DeepLabV3Plus(nn.Module):
    """DeepLabV3+.

    Args:
        backbone: a key of `BACKBONES`.
        num_classes: channels of the output.
        output_stride: 8, 16 or 32; the same weights fit all three.
        separable: atrous separable convolutions in ASPP and decoder; None takes the backbone's default.
    """

    def __init__(
        self,
        backbone: str,
        num_classes: int,
        *,
        output_stride: int = 16,
        separable: bool | None = None,
    ) -> None:
        super().__init__()
        separable = get_backbone(backbone).separable if separable is None else separable
        self.backbone = build_backbone(backbone, output_stride)
        low_channels, last_channels = feature_channels(self.backbone)
        self.aspp = ASPP(last_channels, rates_for(output_stride), separable=separable)
        self.decoder = Decoder(low_channels, 256, separable=separable)
        self.classifier = nn.Conv2d(256, num_classes, kernel_size=1)
        for head in (self.aspp, self.decoder):
            initialise_convolutions(head)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits.

        Args:
            images: (N, 3, H, W) float, RGB, already normalised; H, W multiples of 16.

        Returns:
            (N, num_classes, H, W) logits.
        """
        low, last = self.backbone(images)
        logits = self.classifier(self.decoder(low, self.aspp(last)))  # (N, K, H/4, W/4)
        return functional.interpolate(
            logits, size=images.shape[-2:], mode="bilinear", align_corners=False
        )


def initialise_convolutions(module: nn.Module) -> None:
    """Initialise a head's convolutions in place (He et al. 2015, fan out)."""
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            nn.init.kaiming_normal_(child.weight, mode="fan_out", nonlinearity="relu")


def backbone_of(model: str) -> str:
    """Return the backbone name of a model name such as "deeplabv3plus_mobilenetv2_100".

    Raises:
        ConfigError: for an unknown model; a bare backbone name is accepted too.
    """
    name = str(model).removeprefix(MODEL_PREFIX)
    if name not in BACKBONES:
        raise unknown_choice("model", model, MODELS)
    return name


def build_model(
    model: str, num_classes: int, *, pretrained: bool = False, **arguments: Any
) -> DeepLabV3Plus:
    """Return a model by name.

    Args:
        model: one of `MODELS`, or its backbone's name alone.
        num_classes: number of classes.
        pretrained: load ImageNet weights into the backbone.
        **arguments: `output_stride` and `separable` of `DeepLabV3Plus`.

    Raises:
        ConfigError: for an unknown name or argument.
    """
    unknown = set(arguments) - {"output_stride", "separable"}
    if unknown:
        raise ConfigError(
            f"model argument {sorted(unknown)[0]!r} is not known; use output_stride or separable"
        )
    backbone = backbone_of(model)
    network = DeepLabV3Plus(backbone, num_classes, **arguments)
    if pretrained:
        load_imagenet_weights(network.backbone, backbone)
    return network
