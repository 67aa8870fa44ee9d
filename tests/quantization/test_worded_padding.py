"""Convolutions whose padding is a word are int8 in every file, batch norm folded, as those padded by numbers are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.converters.capture import CanonicalGraph, capture
from edge_deeplab.formats.stored.read import compare_stored
from edge_deeplab.models.quantization import Quantization
from edge_deeplab.quantization.fake_quantize import fake_quantized
from tests.by_target import ByTarget
from tests.opening import open_here
from tests.tiny_files import check_observed

from .conftest import CLASSES, NORMALISATION, SIZE_HW, calibrated, prepare, write_int8

TARGETS = ("onnx", "tflite", "coreml")

pytestmark = pytest.mark.filterwarnings(
    "ignore:Using padding='same' with even kernel lengths:UserWarning"
)


class WordedPadding(nn.Module):
    """Paddings told by words, one of an even kernel, which takes one zero more behind than before."""

    def __init__(self) -> None:
        super().__init__()
        self.same = nn.Sequential(nn.Conv2d(3, 8, 3, padding="same"), nn.BatchNorm2d(8), nn.ReLU())
        self.even = nn.Sequential(nn.Conv2d(8, 8, 2, padding="same"), nn.BatchNorm2d(8), nn.ReLU())
        self.valid = nn.Sequential(nn.Conv2d(8, 8, 3, padding="valid"), nn.BatchNorm2d(8))
        self.classifier = nn.Conv2d(8, len(CLASSES), 1, padding="same")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.classifier(self.valid(self.even(self.same(images))))
        return functional.interpolate(logits, size=images.shape[-2:], mode="bilinear")


@pytest.fixture(scope="module")
def network(images: list[torch.Tensor]) -> nn.Module:
    torch.manual_seed(1)
    return prepare(WordedPadding(), images)


@pytest.fixture(scope="module")
def quantizers(network: nn.Module, images: list[torch.Tensor]) -> Quantization:
    return calibrated(network, images)


@pytest.fixture(scope="module")
def graph(network: nn.Module, quantizers: Quantization) -> CanonicalGraph:
    return capture(network, NORMALISATION, SIZE_HW, "classes", quantizers)


@pytest.fixture(scope="module")
def files(graph: CanonicalGraph, tmp_path_factory: pytest.TempPathFactory) -> ByTarget[Path]:
    folder = tmp_path_factory.mktemp("padding")
    return ByTarget(lambda target: write_int8(graph, target, folder))


def test_files_carry_the_same_integers_of_every_convolution(
    files: ByTarget[Path], quantizers: Quantization
) -> None:
    comparison = compare_stored([files[target] for target in TARGETS])
    assert comparison.differences == ()
    assert set(quantizers.weight_scales) == {"same.0", "even.0", "valid.0", "classifier"}
    assert comparison.weights == len(quantizers.weight_scales)


@pytest.mark.parametrize("target", TARGETS)
def test_file_gives_the_class_map_of_the_fake_quantized_network(
    target: str,
    files: ByTarget[Path],
    network: nn.Module,
    quantizers: Quantization,
    images: list[torch.Tensor],
    pictures: torch.Tensor,
) -> None:
    with torch.no_grad():
        expected = fake_quantized(network, quantizers)(torch.cat(images)).argmax(1).numpy()
    found = open_here(files[target]).predict(pictures.numpy())
    assert len(np.unique(expected)) > 2
    assert (found == expected).mean() > 0.95


def test_onnx_runtime_computes_every_convolution_on_integers(files: ByTarget[Path]) -> None:
    report = check_observed(files["onnx"], [])
    seen = report.seen_by("onnxruntime")
    assert seen is not None
    assert seen.fusion is not None
    counted = seen.fusion.count()
    assert (counted["QLinearConv"], counted["Conv"]) == (4, 0)
    assert report.warnings == ()
