"""Operators that other people's networks bring: written in int8 forms that all targets share, or refused by name."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.converters.capture import CanonicalGraph, capture
from edge_deeplab.errors import ConfigError
from edge_deeplab.formats.stored.read import compare_stored
from edge_deeplab.models.convolution import conv_bn_relu
from edge_deeplab.models.quantization import Quantization
from edge_deeplab.quantization.calibration import calibrate
from edge_deeplab.quantization.fake_quantize import fake_quantized
from edge_deeplab.quantization.network import Network
from edge_deeplab.quantization.placement import place_quantizers
from edge_deeplab.targets import TARGETS
from tests.by_target import ByTarget
from tests.opening import open_here
from tests.tiny_files import check_observed

from .conftest import CLASSES, NORMALISATION, SIZE_HW, calibrated, prepare, write_int8


class EveryKind(nn.Module):
    """Gates and activations as modules and as functions, two of one function in one module, a ReLU after a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, 8, kernel_size=3)
        self.low = nn.Sequential(nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8))
        self.last = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.soft, self.excite = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.hard = nn.Hardsigmoid()
        self.relu = nn.ReLU()
        self.silu = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.SiLU())
        self.classifier = nn.Conv2d(8, len(CLASSES), kernel_size=1)
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        low = functional.hardswish(self.low(self.stem(images)))
        last = functional.hardswish(self.last(low))
        pooled = self.soft(functional.adaptive_avg_pool2d(low, 1))
        total = low * torch.sigmoid(pooled) + last * self.hard(self.excite(self.pool(last)))
        logits: torch.Tensor = self.enlarge(self.classifier(self.silu(self.relu(total) + total)))
        return logits


@pytest.fixture(scope="module")
def network(images: list[torch.Tensor]) -> nn.Module:
    torch.manual_seed(1)
    return prepare(EveryKind(), images)


@pytest.fixture(scope="module")
def quantizers(network: nn.Module, images: list[torch.Tensor]) -> Quantization:
    return calibrated(network, images)


@pytest.fixture(scope="module")
def graph(network: nn.Module, quantizers: Quantization) -> CanonicalGraph:
    return capture(network, NORMALISATION, SIZE_HW, "classes", quantizers)


@pytest.fixture(scope="module")
def files(graph: CanonicalGraph, tmp_path_factory: pytest.TempPathFactory) -> ByTarget[Path]:
    folder = tmp_path_factory.mktemp("kinds")
    return ByTarget(lambda target: write_int8(graph, target, folder))


def test_gates_have_their_own_quantizers_of_fixed_range(quantizers: Quantization) -> None:
    by_name = {name: q for q in quantizers.activations for name in q.tensors}
    for name in ("hardswish_gate", "hardswish_1_gate", "hard"):
        assert by_name[name].zero_point == -128
        assert by_name[name].scale * 255 == pytest.approx(1, rel=1e-3)
    for name in ("sigmoid", "silu.2.silu_gate"):
        assert (by_name[name].scale, by_name[name].zero_point) == (1 / 256, -128)
    assert {"hardswish", "silu.2", "mul_1", "mean_1", "pool", "relu"} <= by_name.keys(), (
        "an exported network has a mul and a mean before it"
    )


def test_graph_computes_what_the_fake_quantized_model_computes(
    network: nn.Module, quantizers: Quantization, images: list[torch.Tensor], pictures: torch.Tensor
) -> None:
    graph = capture(network, NORMALISATION, SIZE_HW, "logits", quantizers)
    simulated = fake_quantized(network, quantizers)
    step = quantizers.activations[-1].scale
    with torch.no_grad():
        for picture, image in zip(pictures, images, strict=True):
            error = (graph.run(picture) - simulated(image)[0]).abs()
            assert error.mean() < step / 2


def test_files_carry_the_same_integers(files: ByTarget[Path], quantizers: Quantization) -> None:
    comparison = compare_stored(list(files.values()))
    assert comparison.differences == ()
    assert comparison.activations == sum(len(q.tensors) for q in quantizers.activations)
    gates = 3  # two hard-swishes and the hard-sigmoid
    assert comparison.weights == len(quantizers.weight_scales) + gates


@pytest.mark.parametrize("target", list(TARGETS))
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


def test_tflite_file_is_one_partition_and_onnx_computes_in_integers(files: ByTarget[Path]) -> None:
    report = check_observed(files["tflite"], [])
    seen = report.seen_by("xnnpack")
    assert seen is not None
    assert seen.observation.partitions == 1
    assert report.warnings == ()
    report = check_observed(files["onnx"], [])
    seen = report.seen_by("onnxruntime")
    assert seen is not None
    assert seen.fusion is not None
    counted = seen.fusion.count()
    assert (counted["Conv"], counted["QLinearSigmoid"], counted["QLinearMul"]) == (0, 2, 5)
    assert report.warnings == ()


def test_modules_kept_in_float_keep_their_own_operators(
    network: nn.Module, images: list[torch.Tensor]
) -> None:
    traced = Network(network)
    kept = place_quantizers(traced, ("silu", "hard"))
    partly = calibrate(traced, kept, images, NORMALISATION, "min-max")
    graph = capture(network, NORMALISATION, SIZE_HW, "classes", partly)
    operators = [str(n.target) for n in graph.program.graph.nodes if n.op == "call_function"]
    assert {"aten.silu.default", "aten.hardsigmoid.default"} <= set(operators)


class _Refused(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.layer = layer

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layer(self.conv(images))
        return found


class _Scaled(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 0.5


class _Nearest(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(x, scale_factor=2)


class _Joined(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, torch.sigmoid(x)], 1)


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (nn.GELU(), r"layer \(GELU\)"),
        (nn.AdaptiveAvgPool2d(2), r"layer \(AdaptiveAvgPool2d\)"),
        (nn.Upsample(scale_factor=2), r"layer \(Upsample\)"),
        (_Nearest(), r"layer\.upsample_bilinear2d \(interpolate, nearest\)"),
        (
            nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
            r"layer \(Conv2d\) has no int8 form",
        ),
        (_Scaled(), r"layer\.mul \(mul\)"),
        (
            _Joined(),
            "conv is joined with layer.sigmoid, whose int8 range is always that of a sigmoid",
        ),
    ],
)
def test_forms_without_an_int8_operator_are_refused(layer: nn.Module, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        place_quantizers(Network(_Refused(layer)))
