"""How many channels each group keeps, so that every budget is met at the least loss of importance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from edge_deeplab.errors import ConfigError
from edge_deeplab.quantization.pruning.cost import CostModel, LayerCost

_HALVINGS = 30


@dataclass(frozen=True)
class Budget:
    """A limit on what the pruned network costs.

    Args:
        name: "macs", "params" or "latency".
        ratio: share of the original's cost that may remain, above 0 and below 1.
        original: the original's cost.
        cost: of a layer.
    """

    name: str
    ratio: float
    original: float
    cost: LayerCost

    @property
    def limit(self) -> float:
        """The highest cost that meets it."""
        return self.ratio * self.original


@dataclass(frozen=True)
class Steps:
    """How far and in what steps groups are narrowed.

    Args:
        round_to: kept channels are a multiple of it, where any are removed.
        floor: share of its channels that every group keeps.
    """

    round_to: int
    floor: float

    def least(self, channels: int) -> int:
        """Return the fewest channels that a group of so many keeps."""
        multiples = max(1, -(-round(self.floor * channels) // self.round_to))
        return min(channels, multiples * self.round_to)

    def next(self, kept: int) -> int:
        """Return how many channels are next to go: down to the next multiple."""
        return kept - (kept - 1) // self.round_to * self.round_to


def allot_greedily(
    network: CostModel,
    budgets: Sequence[Budget],
    importance: Sequence[torch.Tensor],
    steps: Steps,
    originals: Sequence[int],
) -> list[int]:
    """Return the channels that each group keeps: again and again the step goes that loses least for what it saves.

    What a step saves is counted in shares of what each budget that is not met yet still had to save at the start, so
    several budgets are weighed against one another.

    Args:
        network: costs.
        budgets: all are met.
        importance: (channels,) by group, in one unit for all.
        steps: how groups are narrowed.
        originals: channels that each group had before any pruning, which its floor counts from.

    Raises:
        ConfigError: when a budget cannot be met.
    """
    check_reachable(network, budgets, steps, originals)
    kept = list(network.full)
    lost = [
        torch.cat([torch.zeros(1), scores.sort().values.double().cumsum(0)])
        for scores in importance
    ]
    excess = {b.name: network.total(b.cost, kept) - b.limit for b in budgets}
    while unmet := [b for b in budgets if network.total(b.cost, kept) > b.limit]:
        best: tuple[float, int, int] | None = None
        for index, channels in enumerate(kept):
            count = steps.next(channels)
            if channels - count < steps.least(originals[index]):
                continue
            gone = network.full[index] - channels
            loss = float(lost[index][gone + count] - lost[index][gone])
            saved = sum(network.saved(b.cost, kept, index, count) / excess[b.name] for b in unmet)
            if saved > 0 and (best is None or loss / saved < best[0]):
                best = loss / saved, index, count
        assert best is not None, "a reachable budget leaves something to remove"
        kept[best[1]] -= best[2]
    return kept


def allot_uniformly(
    network: CostModel, budgets: Sequence[Budget], steps: Steps, originals: Sequence[int]
) -> list[int]:
    """Return the channels that each group keeps when all lose the same share; arguments as for `allot_greedily`."""
    check_reachable(network, budgets, steps, originals)
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        share = (low + high) / 2
        kept = _keep_share(network, share, steps, originals)
        if all(network.total(b.cost, kept) <= b.limit for b in budgets):
            low = share
        else:
            high = share
    return _keep_share(network, low, steps, originals)


def check_reachable(
    network: CostModel, budgets: Sequence[Budget], steps: Steps, originals: Sequence[int]
) -> None:
    """Check that every budget can be met with each group at its floor.

    Raises:
        ConfigError: when one cannot; says what can be reached.
    """
    least = [min(full, steps.least(o)) for full, o in zip(network.full, originals, strict=True)]
    reached = {b.name: network.total(b.cost, least) / b.original for b in budgets}
    for budget in budgets:
        if reached[budget.name] > budget.ratio:
            raise ConfigError(
                f"a {budget.name} budget of {budget.ratio:g} cannot be met; with every layer at its floor "
                f"({steps.floor:g} of its channels, multiples of {steps.round_to}) {reached[budget.name]:.3f} of the "
                "original remains; ask for more than that, or lower pruning.floor or --round-to"
            )


def shares(
    network: CostModel, budgets: Sequence[Budget], kept: Sequence[int]
) -> Mapping[str, float]:
    """Return by budget which share of the original's cost remains."""
    return {b.name: network.total(b.cost, kept) / b.original for b in budgets}


def _keep_share(
    network: CostModel, share: float, steps: Steps, originals: Sequence[int]
) -> list[int]:
    kept = []
    for full, original in zip(network.full, originals, strict=True):
        wanted = round(share * full / steps.round_to) * steps.round_to
        kept.append(min(full, max(wanted, steps.least(original))))
    return kept
