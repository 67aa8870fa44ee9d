"""A tiny network in every file format, with the numbers that torch gives for it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_deeplab.converters.export import write_target
from edge_deeplab.description import ClassInfo, Description, Normalisation
from edge_deeplab.errors import ArtifactError, ChildError
from edge_deeplab.targets import TARGETS, TargetName
from tests.by_target import shared_exports
from tests.tiny_files import custom_path, tflite_path, tiny

__all__ = ["custom_path", "tflite_path", "tiny"]  # fixtures

SIZE_HW = (32, 48)
CLASSES = tuple(ClassInfo(f"class {i}", (i, 2 * i, 3 * i)) for i in range(5))
NORMALISATION = Normalisation((120.0, 110.0, 100.0), (60.0, 50.0, 40.0))


@dataclass(frozen=True)
class Sample:
    """Images and what the tiny network gives for them in torch."""

    images: npt.NDArray[np.uint8]
    logits: npt.NDArray[np.float32]


def refusal(call: Callable[[], object]) -> str:
    """Return the sentence with which a stranger's file is refused; "" where it is not."""
    try:
        call()
    except (ArtifactError, ChildError) as error:
        return str(error)
    return ""


def describe(target: str, precision: str, head: Any) -> Description:
    """Return the description that the tiny files carry."""
    return Description(
        model="tiny",
        checkpoint=f"tiny-{head}",
        checkpoint_sha256="0" * 64,
        target=target,
        precision=precision,
        head=head,
        size_hw=SIZE_HW,
        classes=CLASSES,
        ignore_index=None,
        normalisation=NORMALISATION,
        licence="CC0",
    )


@pytest.fixture(scope="session")
def tiny_network() -> Any:
    """A seeded network with the parts of DeepLabV3+: strided, depthwise atrous, pooled branch, bilinear upsampling."""
    import torch
    from torch import nn
    from torch.nn import functional

    class TinyNetwork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU6())
            self.depthwise = nn.Sequential(
                nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8), nn.ReLU()
            )
            self.classifier = nn.Conv2d(16, len(CLASSES), 1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            stem = self.stem(image)
            pooled = functional.interpolate(
                stem.mean((2, 3), keepdim=True), stem.shape[-2:], mode="bilinear"
            )
            features = torch.cat([self.depthwise(stem), pooled], dim=1)
            return functional.interpolate(
                self.classifier(features), scale_factor=2.0, mode="bilinear", align_corners=False
            )

    torch.manual_seed(3)
    return TinyNetwork().eval().requires_grad_(False)


@pytest.fixture(scope="session")
def sample(tiny_network: Any) -> Sample:
    """Two images of noise and the tiny network's logits."""
    import torch

    images = np.random.default_rng(1).integers(0, 256, (2, *SIZE_HW, 3), np.uint8)
    normalised = (images - np.array(NORMALISATION.mean)) / np.array(NORMALISATION.std)
    with torch.no_grad():
        logits = tiny_network(torch.from_numpy(normalised).permute(0, 3, 1, 2).float())
    return Sample(images, logits.numpy())


@pytest.fixture(scope="session")
def export_tiny(tiny_network: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function (target, precision, head) -> file of the tiny network; each is written once."""
    from edge_deeplab.converters.capture import capture

    @cache
    def canonical(head: Any) -> Any:
        return capture(tiny_network, NORMALISATION, SIZE_HW, head)

    def write(target: TargetName, precision: str, head: Any, folder: Path) -> Path:
        path = folder / f"{head}-{precision}{TARGETS[target].ending}"
        write_target(canonical(head), describe(target, precision, head), path)
        return path

    shared = shared_exports("runtimes", tmp_path_factory, write)

    def export(target: str, precision: str = "fp32", head: Any = "classes") -> Path:
        return shared(target, precision, head)

    return export


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A DeepLabV3+ with random weights whose classes all win somewhere."""
    import torch

    from edge_deeplab.models.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
    from edge_deeplab.models.deeplab import build_model

    torch.manual_seed(0)
    model = build_model("efficientnet_lite0", 3)
    torch.nn.init.normal_(model.classifier.weight)
    info = CheckpointInfo(
        spec=model.spec,
        classes=tuple(ClassInfo(name, (0, 0, 0)) for name in "abc"),
        ignore_index=None,
        normalisation=NORMALISATION,
        size_hw=SIZE_HW,
    )
    path = tmp_path_factory.mktemp("checkpoint") / "small.safetensors"
    save_checkpoint(path, model, info)
    return load_checkpoint(path)


@pytest.fixture(scope="session")
def images() -> npt.NDArray[np.uint8]:
    """Two pictures of noise."""
    return np.random.default_rng(2).integers(0, 256, (2, *SIZE_HW, 3), np.uint8)
