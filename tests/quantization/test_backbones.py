"""Backbones whose activations, gates and sums need more than a small network shows: int8 on all targets, and QAT.

All of it in `make slow`: MobileNetV3's integers are held in all formats by models/test_contract.py every time.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.converters.capture import CanonicalGraph, capture
from edge_deeplab.converters.export import write_target
from edge_deeplab.formats.stored.read import compare_stored
from edge_deeplab.models.backbones import get_backbone
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.quantization import ACTIVATION_LEVELS, IMAGE, Quantization
from edge_deeplab.quantization.calibration import calibrate
from edge_deeplab.quantization.fake_quantize import fake_quantized
from edge_deeplab.quantization.network import Network
from edge_deeplab.quantization.placement import place_quantizers
from edge_deeplab.quantization.trainable import TrainableNetwork
from edge_deeplab.targets import TARGETS
from tests.narrow import pruned_to_an_eighth
from tests.opening import open_here
from tests.tiny_files import check_observed

from .conftest import describe_int8

pytestmark = pytest.mark.slow

SIZE_HW = (64, 64)
CLASSES = 3
STEPS = 60


@dataclass(frozen=True)
class Exported:
    """A network pruned to an eighth, trained for some steps, quantized, and its three files."""

    model: nn.Module
    images: torch.Tensor
    pictures: np.ndarray
    quantization: Quantization
    graph: CanonicalGraph
    files: dict[str, Path]


@pytest.fixture(scope="module", params=["mobilenetv3_large_100", "xception65"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    torch.manual_seed(0)
    normalisation = get_backbone(request.param).normalisation
    tiles = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), np.uint8)
    pictures = tiles.repeat(16, axis=1).repeat(16, axis=2)
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (normalisation.mean, normalisation.std))
    images = (pixels - mean) / std
    model = pruned_to_an_eighth(build_model(request.param, CLASSES).eval())
    train(model, images, pixels.argmax(1))
    network = Network(model)
    quantization = calibrate(
        network, place_quantizers(network), images.split(1), normalisation, "min-max"
    )
    graph = capture(model, normalisation, SIZE_HW, "classes", quantization)
    folder = tmp_path_factory.mktemp(request.param)
    files = {target: folder / f"small-int8{TARGETS[target].ending}" for target in TARGETS}
    for target, path in files.items():
        write_target(graph, describe_int8(target, normalisation, SIZE_HW), path)
    return Exported(model, images, pictures, quantization, graph, files)


def train(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    """Teach a model, in place, to tell the strongest colour: random weights would amplify every rounding."""
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    model.train()
    for _ in range(STEPS):
        optimiser.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimiser.step()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model(images)
    model.eval()


def ids_of(module: nn.Module, images: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return module(images).argmax(1).numpy()


def test_integers_keep_the_class_map_of_the_float_network(exported: Exported) -> None:
    expected = ids_of(exported.model, exported.images)
    found = ids_of(fake_quantized(exported.model, exported.quantization), exported.images)
    assert len(np.unique(expected)) == CLASSES
    assert (found == expected).mean() > 0.95


def test_files_carry_the_same_integers_scales_and_zero_points(exported: Exported) -> None:
    comparison = compare_stored(list(exported.files.values()))
    assert comparison.differences == ()
    quantizers = exported.quantization.activations
    assert comparison.activations >= sum(len(q.tensors) for q in quantizers)
    assert comparison.weights >= len(exported.quantization.weight_scales)


@pytest.mark.parametrize("target", list(TARGETS))
def test_file_gives_the_class_map_of_the_fake_quantized_network(
    target: str, exported: Exported
) -> None:
    expected = ids_of(fake_quantized(exported.model, exported.quantization), exported.images)
    found = open_here(exported.files[target]).predict(exported.pictures)
    assert (found == expected).mean() > 0.97


def test_tflite_file_is_one_xnnpack_partition(exported: Exported) -> None:
    report = check_observed(exported.files["tflite"], [])
    seen = report.seen_by("xnnpack")
    assert seen is not None
    assert seen.observation.partitions == 1
    assert report.warnings == ()
    left = {v.operator for p in report.profiles for v in p.verdicts if v.verdict != "ok"}
    assert left == {"QUANTIZE", "ARG_MAX"}, "the picture's change of type and the class map"


def test_onnx_runtime_computes_every_convolution_sum_and_product_on_integers(
    exported: Exported,
) -> None:
    report = check_observed(exported.files["onnx"], [])
    assert report.warnings == ()
    seen = report.seen_by("onnxruntime")
    assert seen is not None
    assert seen.fusion is not None
    assert seen.fusion.count()["Conv"] == 0
    kinds = {kind for kind, _, _ in report.graph.count_types()}
    assert not {"HardSigmoid", "HardSwish"} & kinds


def test_ranges_that_no_training_may_move_stay(exported: Exported) -> None:
    """A hard-sigmoid's ends cut it, and a ReLU of its own is a rescaling that saturates at 0."""
    trainable = TrainableNetwork(exported.model, exported.quantization)
    functional.cross_entropy(
        trainable.module.train()(exported.images), torch.zeros(6, *SIZE_HW, dtype=torch.long)
    ).backward()
    moving = [p for p in trainable.module.parameters() if p.grad is not None]
    assert all(torch.isfinite(p.grad).all() for p in moving)
    with torch.no_grad():
        for parameter in moving:
            parameter -= 0.1 * parameter.grad.sign()
    after = trainable.quantization()
    network = Network(exported.model)
    alone = network.activations_alone({n for q in after.activations for n in q.tensors})
    fixed, learned = [], []
    for before, now in zip(exported.quantization.activations, after.activations, strict=True):
        is_fixed = now.tensors == (IMAGE,) or network.fixed_range(now.tensors) is not None
        (fixed if is_fixed else learned).append(before != now)
        if not alone.isdisjoint(now.tensors):
            assert now.zero_point == ACTIVATION_LEVELS[0]
    assert not any(fixed)
    assert sum(learned) > 0.9 * len(learned)
    assert alone or len(fixed) > 1
