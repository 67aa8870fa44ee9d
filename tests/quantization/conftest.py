"""A small quantizable DeepLabV3+, its calibration, its three int8 files, each made once; and a tiny trained one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.config import Recipe
from edge_deeplab.converters.capture import CanonicalGraph, capture
from edge_deeplab.converters.export import write_target
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.description import ClassInfo, Description, Normalisation
from edge_deeplab.models.aspp import ASPP
from edge_deeplab.models.checkpoint import Checkpoint, load_checkpoint
from edge_deeplab.models.convolution import conv_bn_relu
from edge_deeplab.models.decoder import Decoder
from edge_deeplab.models.quantization import Quantization
from edge_deeplab.models.spec import ASPPSpec, DecoderSpec
from edge_deeplab.quantization.calibration import calibrate
from edge_deeplab.quantization.network import Network
from edge_deeplab.quantization.placement import place_quantizers
from edge_deeplab.targets import TARGETS
from edge_deeplab.training.loop import RunOptions
from edge_deeplab.training.train import TrainRequest, train
from tests.by_target import ByTarget, shared_files
from tests.conftest import write_dataset

SIZE_HW = (32, 48)
DATA = {"size_hw": SIZE_HW, "crop_hw": (32, 32), "scale": (1.0, 1.0)}
"""A recipe's data section for crops of the tiny data set."""
CLASSES = tuple(ClassInfo(f"class {index}", (index, 2 * index, 255 - index)) for index in range(5))
NORMALISATION = Normalisation((127.0, 127.0, 127.0), (128.0, 128.0, 128.0))


SMALL_ASPP = ASPPSpec(rates=(2, 4, 6), convolution="normed", channels=16)
SMALL_DECODER = DecoderSpec(reduced_channels=4, channels=16, convolution="normed")


class SmallDeepLab(nn.Module):
    """The real ASPP and decoder on a backbone with a residual block and a pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, 8, kernel_size=3)
        self.pool = nn.MaxPool2d(2)
        self.low = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.residual = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8))
        self.last = conv_bn_relu(8, 16, kernel_size=3)
        self.shrink = nn.MaxPool2d(4)
        self.aspp = ASPP(16, SMALL_ASPP)
        self.decoder = Decoder([8], 16, SMALL_DECODER)
        self.classifier = nn.Conv2d(16, len(CLASSES), kernel_size=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        low = self.low(self.pool(self.stem(images)))
        low = self.residual(low) + low
        logits = self.classifier(self.decoder([low], self.aspp(self.shrink(self.last(low)))))
        return functional.interpolate(
            logits, size=images.shape[-2:], mode="bilinear", align_corners=False
        )


@pytest.fixture(scope="session")
def pictures() -> torch.Tensor:
    """Four (H, W, 3) uint8 pictures of coloured tiles."""
    height, width = (side // 8 for side in SIZE_HW)
    tiles = np.random.default_rng(0).integers(0, 256, (4, height, width, 3), np.uint8)
    return torch.from_numpy(tiles.repeat(8, axis=1).repeat(8, axis=2))


@pytest.fixture(scope="session")
def images(pictures: torch.Tensor) -> list[torch.Tensor]:
    """The pictures as the network takes them."""
    return [(p.permute(2, 0, 1)[None].float() - 127.0) / 128.0 for p in pictures]


@pytest.fixture(scope="session")
def model(images: list[torch.Tensor]) -> nn.Module:
    """The small model with seeded random weights."""
    torch.manual_seed(0)
    return prepare(SmallDeepLab(), images)


def prepare(model: SmallDeepLab, images: list[torch.Tensor]) -> nn.Module:
    """Return the model in evaluation mode, changed in place: gains of both signs, and every class wins somewhere."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, -1.5, 1.5)
        nn.init.normal_(norm.bias, std=0.2)
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.cat(images))
        model.eval()
        logits = model(torch.cat(images))
        spread = logits.std((0, 2, 3))
        model.classifier.weight.div_(spread.reshape(-1, 1, 1, 1))
        assert model.classifier.bias is not None
        model.classifier.bias.copy_((model.classifier.bias - logits.mean((0, 2, 3))) / spread)
    return model


def calibrated(model: nn.Module, images: list[torch.Tensor]) -> Quantization:
    """Return the quantizers of a network after calibration by extremes."""
    network = Network(model)
    return calibrate(network, place_quantizers(network), images, NORMALISATION, "min-max")


@pytest.fixture(scope="session")
def quantization(model: nn.Module, images: list[torch.Tensor]) -> Quantization:
    """The small model after calibration by extremes."""
    return calibrated(model, images)


@pytest.fixture(scope="session")
def canonical(model: nn.Module, quantization: Quantization) -> CanonicalGraph:
    """Its canonical int8 graph."""
    return capture(model, NORMALISATION, SIZE_HW, "classes", quantization)


@pytest.fixture(scope="session")
def int8_files(
    canonical: CanonicalGraph, tmp_path_factory: pytest.TempPathFactory
) -> ByTarget[Path]:
    """Its int8 files."""
    return shared_files(
        "int8", tmp_path_factory, lambda target, folder: write_int8(canonical, target, folder)
    )


def write_int8(graph: CanonicalGraph, target: str, folder: Path) -> Path:
    path = folder / f"small-int8{TARGETS[target].ending}"
    write_target(graph, describe_int8(target), path)
    return path


def describe_int8(
    target: str,
    normalisation: Normalisation = NORMALISATION,
    size_hw: tuple[int, int] = SIZE_HW,
) -> Description:
    return Description(
        model="small",
        checkpoint="small",
        checkpoint_sha256="0" * 64,
        target=target,
        precision="int8",
        head="classes",
        size_hw=size_hw,
        classes=CLASSES,
        ignore_index=None,
        normalisation=normalisation,
        licence="Apache-2.0",
    )


@pytest.fixture
def folder(make_dataset: Callable[..., Path]) -> Path:
    return make_dataset(count=4)


@pytest.fixture(scope="module")
def trained(shallow: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float checkpoint in its run, trained for one epoch on such data."""
    folder = write_dataset(tmp_path_factory.mktemp("trained") / "data", count=4)
    start = Recipe.model_validate(
        {
            "model": {"name": shallow, "pretrained": False},
            "data": DATA,
            "optimiser": {"epochs": 1, "batch_size": 2, "precision": "fp32", "ema_decay": 0.0},
        }
    )
    request = TrainRequest(start, [open_dataset(folder, "train")], folder.with_name("float"))
    return train(request, RunOptions(workers=0)).checkpoint


@pytest.fixture
def checkpoint(trained: Path, tmp_path: Path) -> Checkpoint:
    """It, in a copy of the run."""
    return load_checkpoint(shutil.copytree(trained.parent, tmp_path / "float") / trained.name)
