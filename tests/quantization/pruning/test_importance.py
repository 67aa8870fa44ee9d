"""Importance against arithmetic, finite differences and torch-pruning's own measures."""

import pytest
import torch
import torch_pruning
from torch import nn
from torch.nn import functional

from edge_deeplab.models.convolution import conv_bn_relu
from edge_deeplab.quantization.pruning.groups import ChannelGroup, Member, find_groups
from edge_deeplab.quantization.pruning.importance import (
    batch_norm_scale,
    magnitude,
    random,
    taylor,
)


class Small(nn.Module):
    """Two blocks whose sum is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.first = conv_bn_relu(3, 8, kernel_size=3)
        self.second = conv_bn_relu(8, 8, kernel_size=3)
        self.classifier = nn.Conv2d(8, 3, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.first(images)
        logits: torch.Tensor = self.classifier(self.second(features) + features)
        return logits


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    model = Small().eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, -1, 1)
            nn.init.normal_(layer.bias)
    return model


@pytest.fixture
def group(model: nn.Module) -> ChannelGroup:
    (group,) = find_groups(model)
    return group


def test_residual_sum_couples_both_blocks(group: ChannelGroup) -> None:
    assert group.name == "first.0"
    assert {(m.path, m.side) for m in group.members} == {
        ("first.0", "out"),
        ("first.1", "out"),
        ("second.0", "in"),
        ("second.0", "out"),
        ("second.1", "out"),
        ("classifier", "in"),
    }


@pytest.mark.parametrize(
    ("measure", "theirs"),
    [
        (magnitude, torch_pruning.importance.GroupMagnitudeImportance()),
        (batch_norm_scale, torch_pruning.importance.BNScaleImportance()),
    ],
)
def test_weights_are_measured_as_torch_pruning_does(measure, theirs, model) -> None:
    graph = torch_pruning.DependencyGraph().build_dependency(model, torch.zeros(1, 3, 8, 8))
    first = model.get_submodule("first.0")
    coupled = graph.get_pruning_group(first, torch_pruning.prune_conv_out_channels, list(range(8)))
    (ours,) = measure(model, find_groups(model))
    assert torch.allclose(ours, theirs(coupled), rtol=1e-5)


def test_taylor_is_the_squared_change_of_the_loss_to_first_order(model, group) -> None:
    """Shrinking a channel's readers by a little changes the loss by its first-order change times that little."""
    generator = torch.Generator().manual_seed(3)
    image = torch.randn(1, 3, 8, 8, generator=generator)
    mask = torch.randint(3, (1, 8, 8), generator=generator)
    model = model.double()

    def loss(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(logits.double(), masks)

    (found,) = taylor(model, [group], [(image.double(), mask)], loss)
    little = 1e-5
    for channel in range(group.channels):
        with torch.no_grad():
            before = loss(model(image.double()), mask)
            readers = [m for m in group.members if m.side == "in"]
            for member in readers:
                weight = model.get_parameter(f"{member.path}.weight")
                weight[:, member.positions[channel]] *= 1 - little
            change = (before - loss(model(image.double()), mask)) / little
            for member in readers:
                weight = model.get_parameter(f"{member.path}.weight")
                weight[:, member.positions[channel]] /= 1 - little
        assert float(found[channel]) == pytest.approx(float(change) ** 2, rel=0.02, abs=1e-7)
    assert all(p.grad is None for p in model.parameters())


def test_random_importance_depends_on_the_seed_alone() -> None:
    groups = [ChannelGroup("a", (Member("a", "out", tuple(range(8))),))]
    assert torch.equal(random(groups, 1)[0], random(groups, 1)[0])
    assert not torch.equal(random(groups, 1)[0], random(groups, 2)[0])
