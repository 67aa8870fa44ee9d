"""A small DeepLabV3+ for the converters, its canonical graphs, and every file they lower to, each made once."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.converters.capture import CanonicalGraph, capture
from edge_deeplab.converters.export import write_target
from edge_deeplab.description import ClassInfo, Description, Head, Normalisation
from edge_deeplab.models.aspp import ASPP
from edge_deeplab.models.convolution import conv_bn_relu
from edge_deeplab.models.decoder import Decoder
from edge_deeplab.models.spec import ASPPSpec, DecoderSpec
from edge_deeplab.targets import TARGETS
from tests.by_target import shared_exports

SIZE_HW = (32, 48)
CLASSES = tuple(ClassInfo(f"class {index}", (index, 2 * index, 255 - index)) for index in range(5))
NORMALISATION = Normalisation((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


SMALL_ASPP = ASPPSpec(rates=(2, 4, 6), convolution="normed", channels=16)
SMALL_DECODER = DecoderSpec(reduced_channels=4, channels=16, convolution="normed")


class TinyDeepLab(nn.Module):
    """The real ASPP and decoder on a backbone of three convolutions: converted in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, 8, kernel_size=3)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.low = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.last = nn.Sequential(nn.Conv2d(8, 16, 3, stride=4, padding=1), nn.Hardswish())
        self.aspp = ASPP(16, SMALL_ASPP)
        self.decoder = Decoder([8], 16, SMALL_DECODER)
        self.classifier = nn.Conv2d(16, len(CLASSES), kernel_size=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, H, W) to (N, 5, H, W) logits."""
        low = self.low(self.pool(self.stem(images)))  # (N, 8, H/4, W/4)
        logits = self.classifier(self.decoder([low], self.aspp(self.last(low))))
        return functional.interpolate(
            logits, size=images.shape[-2:], mode="bilinear", align_corners=False
        )


def randomise_batch_norm(model: nn.Module) -> None:
    """Give every batch norm, in place, statistics that folding can get wrong."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)


def fit_batch_norm(model: nn.Module, images: torch.Tensor) -> None:
    """Set running statistics, in place, to those of images, so that no layer's signal drowns in rounding."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(images)
    model.eval()


def balance_classes(model: TinyDeepLab, images: torch.Tensor) -> None:
    """Shift and scale the classifier, in place, so that every class wins somewhere in the images."""
    with torch.no_grad():
        logits = model(images)
        spread = logits.std((0, 2, 3))
        model.classifier.weight.div_(spread.reshape(-1, 1, 1, 1))
        model.classifier.bias.copy_((model.classifier.bias - logits.mean((0, 2, 3))) / spread)


@pytest.fixture(scope="session")
def model(image_hwc: torch.Tensor) -> nn.Module:
    """A tiny DeepLabV3+ of seeded random weights, in evaluation mode."""
    torch.manual_seed(0)
    model = TinyDeepLab()
    randomise_batch_norm(model)
    image = normalise(image_hwc)
    fit_batch_norm(model, torch.stack([image, image.flip(1), image.roll(1, 0), -image]))
    balance_classes(model, image[None])
    return model


@pytest.fixture(scope="session")
def image_hwc() -> torch.Tensor:
    """One (H, W, 3) uint8 picture of coloured tiles."""
    height, width = (side // 8 for side in SIZE_HW)
    tiles = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return torch.from_numpy(tiles.repeat(8, axis=0).repeat(8, axis=1))


@pytest.fixture(scope="session")
def expected_logits(model: nn.Module, image_hwc: torch.Tensor) -> torch.Tensor:
    """(K, H, W) logits of the model itself."""
    with torch.no_grad():
        logits: torch.Tensor = model(normalise(image_hwc)[None])[0]
    return logits


def normalise(image_hwc: torch.Tensor) -> torch.Tensor:
    """Return (3, H, W) of a picture, normalised by hand."""
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (NORMALISATION.mean, NORMALISATION.std))
    return (image_hwc.permute(2, 0, 1) - mean) / std


@pytest.fixture(scope="session")
def canonical(model: nn.Module) -> Callable[[Head], CanonicalGraph]:
    """Return the tiny model's canonical graph by head."""
    return cache(lambda head: capture(model, NORMALISATION, SIZE_HW, head))


@pytest.fixture(scope="session")
def exported(
    canonical: Callable[[Head], CanonicalGraph], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str, Head], Path]:
    """Return the file of (target, precision, head)."""

    def write(target: str, precision: str, head: Head, folder: Path) -> Path:
        path = folder / f"tiny-{precision}-{head}{TARGETS[target].ending}"
        write_target(canonical(head), describe(target, precision, head), path)
        return path

    return shared_exports("converters", tmp_path_factory, write)


def describe(target: str, precision: str, head: Head) -> Description:
    """Return the description that the exported files carry."""
    return Description(
        model="tiny",
        checkpoint="tiny",
        checkpoint_sha256="0" * 64,
        target=target,
        precision=precision,
        head=head,
        size_hw=SIZE_HW,
        classes=CLASSES,
        ignore_index=255,
        normalisation=NORMALISATION,
        licence="CC0",
        provenance={"seed": 0},
    )
