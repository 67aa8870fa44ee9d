"""A DeepLab assembled from its spec: backbone, ASPP, decoder where there is one, classifier.

Where the spec does not ask for another, every bilinear resize samples half-pixel centres (`align_corners=False`), which
all three targets share; sizes are multiples of 16, where every ratio is whole.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.models.aspp import ASPP, SummedBranches, SummedClassifier
from edge_deeplab.models.decoder import Decoder
from edge_deeplab.models.family import find_spec
from edge_deeplab.models.features import build_backbone, feature_channels, load_imagenet_weights
from edge_deeplab.models.operator_graph import GraphSpec, build_graph
from edge_deeplab.models.spec import ModelSpec
from edge_deeplab.models.wrapped_spec import WrappedSpec, build_wrapped


class DeepLab(nn.Module):
    """One network of the family.

    Args:
        spec: what it consists of; the same weights fit all of its output strides.
        num_classes: channels of the output.
    """

    def __init__(self, spec: ModelSpec, num_classes: int) -> None:
        super().__init__()
        self.spec = spec
        self.backbone = build_backbone(spec)
        *low_channels, last_channels = feature_channels(self.backbone)
        self.decoder: Decoder | None = None
        if spec.aspp is not None:
            self.aspp: nn.Module = ASPP(last_channels, spec.aspp)
            channels = spec.aspp.channels
            if spec.decoder is not None:
                self.decoder = Decoder(
                    low_channels, channels, spec.decoder, align_corners=spec.align_corners
                )
                channels = spec.decoder.channels
            self.classifier: nn.Module = nn.Conv2d(channels, num_classes, kernel_size=1)
        elif spec.summed is not None:
            self.aspp = SummedBranches(last_channels, spec.summed)
            self.classifier = SummedClassifier(last_channels, spec.summed, num_classes)
        for head in (self.aspp, self.decoder):
            if head is not None:
                initialise_convolutions(head)
        initialise_classifier(self.classifier)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits.

        Args:
            images: (N, 3, H, W) float, RGB, already normalised; H, W multiples of 16.

        Returns:
            (N, num_classes, H, W) logits; of a spec that does not enlarge them, as large as the last features.
        """
        *low, last = self.backbone(images)
        features = self.aspp(last)
        if self.decoder is not None:
            features = self.decoder(low, features)
        logits: torch.Tensor = self.classifier(features)
        if not self.spec.upsample_logits:
            return logits
        return functional.interpolate(
            logits,
            size=images.shape[-2:],
            mode="bilinear",
            align_corners=self.spec.align_corners,
        )


AnySpec = ModelSpec | GraphSpec | WrappedSpec

FACTORIES: Mapping[str, Callable[[Any, int], nn.Module]] = {
    ModelSpec.factory: DeepLab,
    GraphSpec.factory: build_graph,
    WrappedSpec.factory: build_wrapped,
}
"""What builds a network: a spec names one by its key, and no code."""


def initialise_convolutions(module: nn.Module) -> None:
    """Initialise a head's convolutions in place (He et al. 2015, fan out); biases, where there are any, start at 0."""
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            nn.init.kaiming_normal_(child.weight, mode="fan_out", nonlinearity="relu")
            if child.bias is not None:
                nn.init.zeros_(child.bias)


def initialise_classifier(module: nn.Module) -> None:
    """Initialise a classifier in place, so that a network begins without an opinion."""
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            nn.init.normal_(child.weight, std=0.01)
            nn.init.zeros_(child.bias)  # type: ignore[arg-type]


def build_model(
    model: str | AnySpec,
    num_classes: int,
    *,
    pretrained: bool = False,
    **options: Any,
) -> nn.Module:
    """Return a network.

    Args:
        model: its spec, or the name of one (`models.family.FAMILY`), or a backbone's name for DeepLabV3+ on it. An
            imported graph and a wrapped module are built as they are.
        num_classes: number of classes.
        pretrained: load ImageNet weights into the backbone.
        **options: what the spec has otherwise, as `ModelSpec.with_options` takes it.

    Raises:
        ConfigError: for an unknown name or option.
        CheckpointError: when ImageNet's weights cannot be had.
    """
    spec = find_spec(model) if isinstance(model, str) else model
    if not isinstance(spec, ModelSpec):
        return FACTORIES[spec.factory](spec, num_classes)
    spec = spec.with_options(options)
    network = FACTORIES[spec.factory](spec, num_classes)
    if pretrained:
        load_imagenet_weights(network.get_submodule(spec.parts.backbone), spec)
    return network
