"""Allotment on a network whose best answer is known."""

import pytest
import torch
from torch import nn

from edge_deeplab.errors import ConfigError
from edge_deeplab.quantization.pruning.allot import (
    Budget,
    Steps,
    allot_greedily,
    allot_uniformly,
    losses_of,
)
from edge_deeplab.quantization.pruning.cost import CostModel, Layer, multiply_adds, parameters
from edge_deeplab.quantization.pruning.groups import find_groups


class Chain(nn.Module):
    """Two 3x3 convolutions of 32 channels, the first at four times the pixels of the second."""

    def __init__(self) -> None:
        super().__init__()
        self.large = nn.Conv2d(3, 32, 3, padding=1, bias=False)
        self.small = nn.Conv2d(32, 32, 3, stride=2, padding=1, bias=False)
        self.classifier = nn.Conv2d(32, 2, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.small(self.large(images)))
        return logits


@pytest.fixture
def network() -> CostModel:
    model = Chain().eval()
    return CostModel(model, find_groups(model), (64, 64))


def budget(network: CostModel, name: str, ratio: float) -> Budget:
    cost = {"macs": multiply_adds, "params": parameters}[name]
    return Budget(name, ratio, network.total(cost, network.full), cost)


def test_greedy_takes_what_loses_least_first(network: CostModel) -> None:
    cheap, dear = torch.full((32,), 0.001), torch.full((32,), 1.0)
    steps = Steps(round_to=8, floor=0.25)
    limit = budget(network, "params", 0.8)
    for importance, narrowed in (([cheap, dear], 0), ([dear, cheap], 1)):
        kept = allot_greedily(network, [limit], losses_of(importance), steps, network.full)
        assert kept[narrowed] < 32
        assert kept[1 - narrowed] == 32
        assert limit.spent(network, kept) <= limit.limit
        one_more = list(kept)
        one_more[narrowed] += 8
        assert limit.spent(network, one_more) > limit.limit, "no step beyond what the budget asks"


def test_cost_that_stays_flat_for_a_while_is_passed(network: CostModel) -> None:
    def flat(layer: Layer, read: int, written: int) -> float:
        return 1.0 if written > 8 else 0.3

    whole = network.total(flat, network.full)
    limit = Budget("latency", 0.7, whole, flat)
    losses = losses_of([torch.ones(32), torch.ones(32)])
    kept = allot_greedily(network, [limit], losses, Steps(8, 0.2), network.full)
    assert sorted(kept) == [8, 32], "no more than one layer needs to go past the step"


def test_floor_is_never_undercut() -> None:
    assert Steps(1, 0.2).least(22) == 5
    assert Steps(8, 0.2).least(40) == 8


def test_every_budget_of_several_is_met(network: CostModel) -> None:
    limits = [budget(network, "macs", 0.7), budget(network, "params", 0.4)]
    importance = [torch.ones(32), torch.ones(32)]
    steps = Steps(round_to=8, floor=0.25)
    for kept in (
        allot_greedily(network, limits, losses_of(importance), steps, network.full),
        allot_uniformly(network, limits, steps, network.full),
    ):
        assert all(limit.spent(network, kept) <= limit.limit for limit in limits)
        assert all(width % 8 == 0 and width >= 8 for width in kept)


def test_uniform_gives_every_group_the_same_share(network: CostModel) -> None:
    limit = budget(network, "macs", 0.62)
    assert allot_uniformly(network, [limit], Steps(8, 0.0), network.full) == [24, 24]


@pytest.mark.parametrize(
    ("channels", "round_to", "floor", "least", "step"),
    [(32, 8, 0.25, 8, 8), (24, 16, 0.0, 16, 8), (20, 8, 0.5, 16, 4), (8, 16, 0.0, 8, 8)],
)
def test_steps_go_from_multiple_to_multiple(
    channels: int, round_to: int, floor: float, least: int, step: int
) -> None:
    steps = Steps(round_to, floor)
    assert steps.least(channels) == least
    assert steps.next(channels) == step


def test_fixed_cost_is_part_of_what_must_fit(network: CostModel) -> None:
    whole = network.total(multiply_adds, network.full)
    limit = Budget("latency", 0.6, 2 * whole, multiply_adds, fixed=whole)
    kept = allot_uniformly(network, [limit], Steps(8, 0.0), network.full)
    assert network.total(multiply_adds, kept) <= 0.2 * whole
    tight = Budget("latency", 0.5, 2 * whole, multiply_adds, fixed=whole)
    with pytest.raises(ConfigError, match=r"latency budget of 0.5 cannot be met"):
        allot_uniformly(network, [tight], Steps(8, 0.0), network.full)
