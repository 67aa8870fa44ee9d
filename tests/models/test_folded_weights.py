"""Folded weights: what the archive's network computes stays when batch norm is put back."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from edge_deeplab.errors import CheckpointError
from edge_deeplab.models.backbones import TENSORFLOW, get_backbone
from edge_deeplab.models.family import find_spec
from edge_deeplab.models.features import build_backbone
from edge_deeplab.models.folded_weights import load_folded_weights, restore_batch_norm

OWN = get_backbone("mobilenetv2_100").normalisation


def build() -> nn.Module:
    return build_backbone(find_spec("mobilenetv2_100")).eval()


@pytest.fixture
def original() -> nn.Module:
    """A MobileNetV2 whose batch norms do something."""
    torch.manual_seed(3)
    network = build()
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.3)
    return network


@pytest.fixture
def archive(original: nn.Module, tmp_path: Path) -> Path:
    """Its folded weights as an .npz."""
    modules = list(original.modules())
    convolutions = [m for m in modules if isinstance(m, nn.Conv2d)]
    norms = [m for m in modules if isinstance(m, nn.BatchNorm2d)]
    arrays = {}
    for index, (convolution, norm) in enumerate(zip(convolutions, norms, strict=True)):
        weight, bias = fuse_conv_bn_weights(
            convolution.weight,
            None,
            norm.running_mean,
            norm.running_var,
            norm.eps,
            norm.weight,
            norm.bias,
        )
        order = (1, 2, 3, 0) if convolution.groups > 1 else (0, 2, 3, 1)
        arrays[f"{index:02d}_CONV_w"] = weight.detach().permute(order).numpy()
        arrays[f"{index:02d}_CONV_b"] = bias.detach().numpy()
    path = tmp_path / "folded.npz"
    np.savez(path, **arrays)
    return path


def features(network: nn.Module, image: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        last: torch.Tensor = network(image[None])[-1]
    return last


def test_restored_network_computes_what_the_archive_does(
    original: nn.Module, archive: Path
) -> None:
    images = [torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(i)) for i in (1, 2)]
    network = build()
    load_folded_weights(network, archive, TENSORFLOW)
    assert torch.allclose(features(network, images[0]), features(original, images[0]), atol=1e-4)
    restore_batch_norm(network, images)
    assert torch.allclose(features(network, images[0]), features(original, images[0]), atol=1e-4)
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        assert not torch.equal(norm.running_mean, torch.zeros(norm.num_features))  # type: ignore[arg-type]


def test_restored_statistics_are_those_of_the_images(archive: Path) -> None:
    """In training mode, where batch norm takes the batch's statistics, the same images give the same features."""
    images = [torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(i)) for i in (1, 2)]
    network = build()
    load_folded_weights(network, archive, OWN)
    restore_batch_norm(network, images)
    with torch.no_grad():
        evaluated = network(torch.stack(images))[0]
        trained = network.train()(torch.stack(images))[0]
    assert torch.allclose(evaluated, trained, atol=1e-3)


def test_first_convolution_takes_the_networks_own_normalisation(archive: Path) -> None:
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(4)) * 255
    outputs = []
    for normalisation in (TENSORFLOW, OWN):
        network = build()
        load_folded_weights(network, archive, normalisation)
        mean, std = (
            torch.tensor(v).reshape(1, 3, 1, 1) for v in (normalisation.mean, normalisation.std)
        )
        stem = nn.Sequential(network.conv_stem, network.bn1)  # type: ignore[arg-type]
        with torch.no_grad():
            outputs.append(
                stem((pixels - mean) / std)[..., 1:, 1:]
            )  # without what the padding touches
    assert torch.allclose(*outputs, atol=1e-4)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_damaged_archive_is_refused_in_one_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged.npz"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not an archive of folded convolutions"):
        load_folded_weights(build(), path, OWN)


def test_archive_of_another_network_is_refused(archive: Path) -> None:
    with pytest.raises(CheckpointError, match="convolution"):
        load_folded_weights(build_backbone(find_spec("efficientnet_lite0")), archive, OWN)
