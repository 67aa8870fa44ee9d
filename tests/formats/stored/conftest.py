"""An int8 network of under 5,000 weights in all three formats."""

from pathlib import Path

import pytest
import torch
from torch import nn

from edge_deeplab.converters.capture import capture
from edge_deeplab.formats.stored.file import StoredFile
from edge_deeplab.formats.stored.read import read_stored
from edge_deeplab.models.aspp import ASPP
from edge_deeplab.models.convolution import conv_bn_relu
from edge_deeplab.models.decoder import Decoder
from edge_deeplab.models.spec import ASPPSpec, DecoderSpec
from edge_deeplab.quantization.calibration import calibrate
from edge_deeplab.quantization.network import Network
from edge_deeplab.quantization.placement import place_quantizers
from tests.by_target import ByTarget, shared_files
from tests.quantization.conftest import (
    CLASSES,
    NORMALISATION,
    SIZE_HW,
    SmallDeepLab,
    images,
    pictures,
    prepare,
    write_int8,
)

__all__ = ["images", "pictures"]  # fixtures


TINY_ASPP = ASPPSpec(rates=(2, 4, 6), convolution="normed", channels=8)
TINY_DECODER = DecoderSpec(reduced_channels=4, channels=8, convolution="normed")


class TinyDeepLab(SmallDeepLab):
    """The small network with half the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.last = conv_bn_relu(8, 8, kernel_size=3)
        self.aspp = ASPP(8, TINY_ASPP)
        self.decoder = Decoder([8], 8, TINY_DECODER)
        self.classifier = nn.Conv2d(8, len(CLASSES), kernel_size=1)


@pytest.fixture(scope="session")
def tiny_files(
    images: list[torch.Tensor], tmp_path_factory: pytest.TempPathFactory
) -> ByTarget[Path]:
    """Its int8 files."""
    torch.manual_seed(0)
    model = prepare(TinyDeepLab(), images)
    network = Network(model)
    placed = place_quantizers(network)
    quantization = calibrate(network, placed, images, NORMALISATION, "min-max")
    graph = capture(model, NORMALISATION, SIZE_HW, "classes", quantization)
    return shared_files(
        "tiny", tmp_path_factory, lambda target, folder: write_int8(graph, target, folder)
    )


@pytest.fixture(scope="session")
def tiny_stored(tiny_files: ByTarget[Path]) -> ByTarget[StoredFile]:
    """What they hold."""
    return ByTarget(lambda target: read_stored(tiny_files[target]))
