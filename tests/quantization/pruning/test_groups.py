"""Coupled channels of every backbone: what reads a dead channel must not notice that it is gone."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edge_deeplab.converters.export import export_checkpoint
from edge_deeplab.converters.request import ExportRequest
from edge_deeplab.description import ClassInfo
from edge_deeplab.errors import CheckpointError
from edge_deeplab.evaluation.cost import count_network
from edge_deeplab.models.backbones import get_backbone
from edge_deeplab.models.checkpoint import (
    Checkpoint,
    CheckpointInfo,
    load_checkpoint,
    save_checkpoint,
)
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import FAMILY, find_spec
from edge_deeplab.quantization.pruning.cost import CostModel, multiply_adds, parameters
from edge_deeplab.quantization.pruning.groups import ChannelGroup, find_groups
from edge_deeplab.quantization.pruning.remove import remove_channels
from edge_deeplab.runtimes.torch import TorchRuntime
from tests.opening import open_here
from tests.slow import or_slow

SIZE_HW = (64, 96)
CLASSES = 5
BACKBONES = [member.spec.backbone for member in FAMILY.values() if member.spec.decoder]
DEEPER = ("resnet101", "xception71")
"""Built of the blocks of `resnet50` and `xception65`, only more of them."""

FILES_OF = ("mobilenetv3_large_100",)
"""Exported every time, the others in `make slow`: its channels are coupled by residuals and by gates."""


@pytest.fixture(scope="module", params=[or_slow(name, name not in DEEPER) for name in BACKBONES])
def network(request: pytest.FixtureRequest) -> tuple[str, nn.Module, list[ChannelGroup]]:
    """Every backbone's network with batch norms that are not the identity, and its groups."""
    return request.param, *varied(request.param)


def varied(name: str) -> tuple[nn.Module, list[ChannelGroup]]:
    """Return a backbone's network with batch norms that are not the identity, and its groups."""
    torch.manual_seed(0)
    model = build_model(name, CLASSES).eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.7, 1.4)
            nn.init.normal_(layer.bias, std=0.2)
            nn.init.normal_(layer.running_mean, std=0.1)  # type: ignore[arg-type]
    return model, find_groups(model)


def choose(groups: list[ChannelGroup]) -> list[list[int]]:
    """Return the channels that stay: a random multiple of eight of every group, most of them."""
    generator = torch.Generator().manual_seed(1)
    staying = []
    for group in groups:
        count = group.channels - 8 if group.channels > 8 else group.channels
        staying.append(sorted(torch.randperm(group.channels, generator=generator)[:count].tolist()))
    return staying


def pruned(name: str, model: nn.Module, groups: list[ChannelGroup], path: Path) -> Checkpoint:
    info = CheckpointInfo(
        spec=find_spec(name),
        classes=tuple(ClassInfo(f"class {i}", (i, i, i)) for i in range(CLASSES)),
        ignore_index=None,
        normalisation=get_backbone(name).normalisation,
        size_hw=SIZE_HW,
        pruning={"parent": "test"},
    )
    tensors = remove_channels(model.state_dict(), groups, choose(groups))
    small = Checkpoint(info, tensors, path, "").build()
    save_checkpoint(path, small, info)
    return load_checkpoint(path)


def test_removing_dead_channels_of_every_group_leaves_the_logits(
    network: tuple[str, nn.Module, list[ChannelGroup]], tmp_path: Path
) -> None:
    name, model, groups = network
    staying = choose(groups)
    whole = build_model(name, CLASSES).eval()
    whole.load_state_dict(model.state_dict())
    with torch.no_grad():
        for group, indices in zip(groups, staying, strict=True):
            dead = set(range(group.channels)) - set(indices)
            for member in group.members:
                if member.side == "out":
                    at = [member.positions[index] for index in dead]
                    for parameter in whole.get_submodule(member.path).parameters():
                        parameter[at] = 0
    image = torch.randn(1, 3, *SIZE_HW, generator=torch.Generator().manual_seed(2))
    small = pruned(name, whole, groups, tmp_path / "pruned.safetensors").build()
    alive = Checkpoint(
        load_checkpoint(tmp_path / "pruned.safetensors").info,
        remove_channels(model.state_dict(), groups, staying),
        tmp_path,
        "",
    ).build()
    with torch.no_grad():
        expected, found = whole(image), small(image)
        scale = expected.abs().max()
        assert (expected - found).abs().max() < 1e-4 * scale
        assert (model(image) - alive(image)).abs().max() > 1e-2 * scale, "live channels matter"


def test_every_convolution_can_be_pruned_but_the_classes_and_the_image(
    network: tuple[str, nn.Module, list[ChannelGroup]],
) -> None:
    _, model, groups = network
    outputs = Counter[str]()
    for group in groups:
        for member in group.members:
            if member.side == "out":
                outputs[member.path] += group.channels
    for path, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d):
            wanted = 0 if path == "classifier" else layer.out_channels
            assert outputs[path] == wanted, path


def test_pruned_network_keeps_multiples_of_eight(
    network: tuple[str, nn.Module, list[ChannelGroup]], tmp_path: Path
) -> None:
    name, model, groups = network
    checkpoint = pruned(name, model, groups, tmp_path / "pruned.safetensors")
    small = checkpoint.build()
    for path, layer in small.named_modules():
        if isinstance(layer, nn.Conv2d):
            before = model.get_submodule(path)
            assert isinstance(before, nn.Conv2d)
            for now, then in (
                (layer.in_channels, before.in_channels),
                (layer.out_channels, before.out_channels),
            ):
                assert now % 8 == 0 or then in (3, CLASSES) or now == then, path


@pytest.mark.parametrize("name", [or_slow(name, name in FILES_OF) for name in BACKBONES])
def test_pruned_network_is_exported(name: str, tmp_path: Path) -> None:
    model, groups = varied(name)
    checkpoint = pruned(name, model, groups, tmp_path / "pruned.safetensors")
    request = ExportRequest(["onnx"], "fp32", head="logits", output=tmp_path / "files")
    (artifact,) = export_checkpoint(checkpoint, request)
    image = np.random.default_rng(0).integers(0, 256, (1, *SIZE_HW, 3), np.uint8)
    expected = TorchRuntime(checkpoint).logits(image)
    found = open_here(artifact.path).logits(image)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_costs_by_width_agree_with_a_count_of_the_pruned_network(
    network: tuple[str, nn.Module, list[ChannelGroup]], tmp_path: Path
) -> None:
    name, model, groups = network
    costs = CostModel(model, groups, SIZE_HW)
    kept = [len(indices) for indices in choose(groups)]
    counted = count_network(
        pruned(name, model, groups, tmp_path / "p.safetensors").build(), SIZE_HW
    )
    assert costs.total(multiply_adds, kept) == counted.multiply_adds
    assert costs.total(parameters, kept) == counted.parameters
    whole = list(costs.full)
    for index in range(0, len(groups), 5):
        fewer = [n - 8 * (i == index) for i, n in enumerate(whole)]
        saved = costs.total(parameters, whole) - costs.total(parameters, fewer)
        assert costs.saved(parameters, whole, index, 8) == saved


def test_concatenated_features_of_the_decoder_are_groups_of_their_own() -> None:
    groups = find_groups(build_model("mobilenetv2_100", CLASSES).eval())
    writers = {m.path: g for g in groups for m in g.members if m.side == "out"}
    low = writers["decoder.reduce.0"]
    assert low.channels == 48
    inputs = {m.path: m.positions for m in low.members}
    assert inputs["decoder.refine.0.0"] == tuple(range(256, 304)), (
        "the skip follows ASPP's channels"
    )
    assert writers["aspp.project.0"] is not low


def test_channels_of_a_grouped_convolution_are_left_alone() -> None:
    class Grouped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 16, 1)
            self.grouped = nn.Conv2d(16, 16, 3, padding=1, groups=4)
            self.last = nn.Conv2d(16, 24, 1)
            self.classifier = nn.Conv2d(24, 2, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.classifier(self.last(self.grouped(self.first(images))))
            return logits

    assert [group.name for group in find_groups(Grouped().eval())] == ["last"]


def test_layers_that_do_not_fit_together_are_one_sentence(tmp_path: Path) -> None:
    model = build_model("mobilenetv2_100", CLASSES).eval()
    checkpoint = pruned("mobilenetv2_100", model, find_groups(model), tmp_path / "p.safetensors")
    name = "aspp.branches.0.0.weight"
    wrong = {**checkpoint.tensors, name: checkpoint.tensors[name][:, 8:]}
    with pytest.raises(CheckpointError, match=r"do not fit together.*prune the original again"):
        replace(checkpoint, tensors=wrong).build()
