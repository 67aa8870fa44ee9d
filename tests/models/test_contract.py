"""What every named network of the family must do, from its first step of training to its files on all targets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from edge_deeplab.config import PruneRecipe, Recipe
from edge_deeplab.converters.export import export_checkpoint
from edge_deeplab.converters.request import ExportRequest
from edge_deeplab.description import ClassInfo
from edge_deeplab.evaluation.cost import count_network
from edge_deeplab.formats.stored.read import compare_stored
from edge_deeplab.models.backbones import get_backbone
from edge_deeplab.models.checkpoint import (
    Checkpoint,
    CheckpointInfo,
    load_checkpoint,
    save_checkpoint,
)
from edge_deeplab.models.deeplab import DeepLab, build_model
from edge_deeplab.models.family import FAMILY
from edge_deeplab.models.quantization import Quantization
from edge_deeplab.quantization.calibration import calibrate
from edge_deeplab.quantization.fake_quantize import fake_quantized
from edge_deeplab.quantization.network import Network
from edge_deeplab.quantization.placement import place_quantizers
from edge_deeplab.quantization.pruning.prune import prune
from edge_deeplab.quantization.trainable import TrainableNetwork
from edge_deeplab.targets import TARGETS
from edge_deeplab.training.optimiser import build_optimiser
from tests.by_target import ByTarget
from tests.narrow import pruned_to_an_eighth
from tests.opening import open_here
from tests.slow import or_slow
from tests.tiny_files import check_observed

FAST = ("deeplabv1_largefov_vgg16",)
"""Runs every time, the others in `make slow`. Every time the shipped networks' files are also proven, in
`tests/acceptance`, and every kind of operator that quantizes, in `tests/quantization/test_kinds.py`."""

SIZE_HW = (64, 64)
NOISE = list(torch.randn(2, 3, *SIZE_HW, generator=torch.Generator().manual_seed(0)).split(1))
"""Two normalised images."""
CLASSES = tuple(ClassInfo(f"class {i}", (i, i, i)) for i in range(3))


@pytest.fixture(scope="module", params=[or_slow(name, name in FAST) for name in FAMILY])
def network(request: pytest.FixtureRequest) -> DeepLab:
    """The network after two steps of training, the second one's gradients still there.

    Two, because a ResNet's residual branches begin at zero and have no gradient before.
    """
    torch.manual_seed(0)
    model = build_model(request.param, len(CLASSES)).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # statistics of this batch alone, as after many steps
    optimiser = build_optimiser(model, model.spec.parts, Recipe())
    masks = torch.randint(0, len(CLASSES), (2, *SIZE_HW))
    for _ in range(2):
        optimiser.zero_grad()
        functional.cross_entropy(model(torch.randn(2, 3, *SIZE_HW)), masks).backward()
        optimiser.step()
    return model.eval()


@pytest.fixture(scope="module")
def checkpoint(network: DeepLab, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    path = tmp_path_factory.mktemp("contract") / "network.safetensors"
    normalisation = get_backbone(network.spec.backbone).normalisation
    save_checkpoint(
        path, network, CheckpointInfo(network.spec, CLASSES, None, normalisation, SIZE_HW)
    )
    return load_checkpoint(path)


@pytest.fixture(scope="module")
def exported(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """What is exported: the network, of one that runs every time an eighth of its widths."""
    if checkpoint.info.spec.name not in FAST:
        return checkpoint
    path = tmp_path_factory.mktemp("narrow") / "network.safetensors"
    info = replace(checkpoint.info, pruning={"removed": {}})
    save_checkpoint(path, pruned_to_an_eighth(checkpoint.build()), info)
    return load_checkpoint(path)


@pytest.fixture(scope="module")
def files(exported: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> ByTarget[Path]:
    """Its float files."""
    folder = tmp_path_factory.mktemp("files")

    def export(target: str) -> Path:
        (made,) = export_checkpoint(exported, ExportRequest([target], head="logits", output=folder))
        return made.path

    return ByTarget(export)


def calibrated(checkpoint: Checkpoint) -> Quantization:
    """Return quantizers calibrated on noise."""
    network = Network(checkpoint.build())
    normalisation = checkpoint.info.normalisation
    return calibrate(network, place_quantizers(network), NOISE, normalisation, "min-max")


@pytest.fixture(scope="module")
def quantization(checkpoint: Checkpoint) -> Quantization:
    """Its quantizers, calibrated on noise."""
    return calibrated(checkpoint)


@pytest.fixture(scope="module")
def int8_files(exported: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Its int8 file of every target."""
    request = ExportRequest(precision="int8", output=tmp_path_factory.mktemp("int8"))
    quantized = exported.with_quantization(calibrated(exported))
    return {made.target: made.path for made in export_checkpoint(quantized, request)}


class TestEveryNetwork:
    """The contract."""

    def test_a_step_of_training_reaches_every_weight(self, network: DeepLab) -> None:
        for path, parameter in network.named_parameters():
            assert parameter.grad is not None, path
            assert parameter.grad.isfinite().all(), path
            assert parameter.grad.any(), path

    def test_a_saved_network_is_the_same_network(
        self, network: DeepLab, checkpoint: Checkpoint
    ) -> None:
        images = torch.randn(1, 3, *SIZE_HW)
        assert checkpoint.info.spec == network.spec
        with torch.no_grad():
            assert torch.equal(checkpoint.build()(images), network(images))

    def test_another_output_stride_takes_the_same_weights(self, checkpoint: Checkpoint) -> None:
        own = checkpoint.info.spec.output_stride
        images = torch.randn(1, 3, *SIZE_HW)
        with torch.no_grad():
            logits = [checkpoint.build(output_stride=s)(images) for s in (own, 24 - own)]
        assert logits[0].shape == logits[1].shape == (1, len(CLASSES), *SIZE_HW)
        assert not torch.equal(*logits)

    @pytest.mark.parametrize("target", [or_slow(name, name == "tflite") for name in TARGETS])
    def test_its_file_gives_its_logits(
        self, target: str, files: ByTarget[Path], exported: Checkpoint
    ) -> None:
        images = np.random.default_rng(0).integers(0, 256, (1, *SIZE_HW, 3), np.uint8)
        expected = open_here(exported.path).logits(images)
        found = open_here(files[target]).logits(images)
        assert abs(found - expected).max() <= 1e-4 * abs(expected).max()

    def test_it_loses_half_of_its_multiply_adds(self, checkpoint: Checkpoint) -> None:
        section = {"macs": 0.5, "importance": "magnitude", "allot": "uniform"}
        pruned = prune(checkpoint, PruneRecipe.model_validate({"pruning": section}), [])
        before, after = (count_network(c.build(), SIZE_HW) for c in (checkpoint, pruned))
        assert after.multiply_adds <= 0.5 * before.multiply_adds
        with torch.no_grad():
            assert pruned.build()(NOISE[0]).shape == (1, len(CLASSES), *SIZE_HW)

    def test_its_quantizers_train(self, checkpoint: Checkpoint, quantization: Quantization) -> None:
        pytest.importorskip("nncf")
        trained = TrainableNetwork(checkpoint.build(), quantization)
        trained.module.train()
        functional.cross_entropy(
            trained.module(torch.cat(NOISE)), torch.randint(0, len(CLASSES), (2, *SIZE_HW))
        ).backward()
        left = [
            name
            for name, parameter in trained.module.named_parameters()
            if parameter.is_floating_point() and parameter.requires_grad and parameter.grad is None
        ]
        assert left == [], "every weight is reached through its quantizer"

    def test_a_saved_quantized_network_is_the_same_network(
        self, checkpoint: Checkpoint, quantization: Quantization, tmp_path: Path
    ) -> None:
        path = tmp_path / "int8.safetensors"
        save_checkpoint(path, checkpoint.build(), checkpoint.info, quantization=quantization)
        opened = load_checkpoint(path)
        assert opened.quantization is not None
        found, expected = (
            fake_quantized(c.build(), q)(NOISE[0])
            for c, q in ((opened, opened.quantization), (checkpoint, quantization))
        )
        assert torch.equal(found, expected)

    @pytest.mark.slow
    def test_its_int8_files_carry_the_same_integers(self, int8_files: dict[str, Path]) -> None:
        comparison = compare_stored(list(int8_files.values()))
        assert comparison.differences == ()
        assert comparison.weights > 0

    @pytest.mark.slow
    @pytest.mark.parametrize("target", ["tflite", "onnx"])
    def test_what_runtimes_take_is_what_was_predicted(
        self, target: str, int8_files: dict[str, Path]
    ) -> None:
        report = check_observed(int8_files[target], [])
        assert report.warnings == ()
        seen = report.seen_by("xnnpack" if target == "tflite" else "onnxruntime")
        assert seen is not None
        assert target == "onnx" or seen.observation.partitions == 1
