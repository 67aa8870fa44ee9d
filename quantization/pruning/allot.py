"""How many channels each group keeps, so that every budget is met at the least loss of importance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf

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
        fixed: what is left whatever is removed.
    """

    name: str
    ratio: float
    original: float
    cost: LayerCost
    fixed: float = 0.0

    @property
    def limit(self) -> float:
        """The highest cost that meets it."""
        return self.ratio * self.original

    def spent(self, network: CostModel, kept: Sequence[int]) -> float:
        """Return what a network costs when each group keeps so many channels."""
        return self.fixed + network.total(self.cost, kept)


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
        wanted = max(1, ceil(round(self.floor * channels, 6)))
        return min(channels, ceil(wanted / self.round_to) * self.round_to)

    def next(self, kept: int) -> int:
        """Return how many channels are next to go: down to the next multiple."""
        return kept - (kept - 1) // self.round_to * self.round_to


def allot_greedily(
    network: CostModel,
    budgets: Sequence[Budget],
    losses: Sequence[torch.Tensor],
    steps: Steps,
    originals: Sequence[int],
) -> list[int]:
    """Return the channels that each group keeps: again and again the step goes that loses least for what it saves.

    What a step saves is counted in shares of what each budget that is not met yet still had to save at the start, so
    several budgets are weighed against one another. Where no step saves anything (a latency that stays flat for a
    while), the one that loses least goes.

    Args:
        network: costs.
        budgets: all are met.
        losses: (channels + 1,) by group: what is lost with so many channels gone, in one unit for all.
        steps: how groups are narrowed.
        originals: channels that each group had before any pruning, which its floor counts from.

    Raises:
        ConfigError: when a budget cannot be met.
    """
    check_reachable(network, budgets, steps, originals)
    kept = list(network.full)
    excess = {b.name: b.spent(network, kept) - b.limit for b in budgets}
    while unmet := [b for b in budgets if b.spent(network, kept) > b.limit]:
        possible: list[tuple[float, float, int, int]] = []
        for index, channels in enumerate(kept):
            count = steps.next(channels)
            if channels - count < steps.least(originals[index]):
                continue
            gone = network.full[index] - channels
            loss = float(losses[index][gone + count] - losses[index][gone])
            saved = sum(network.saved(b.cost, kept, index, count) / excess[b.name] for b in unmet)
            possible.append((loss / saved if saved > 0 else inf, loss, index, count))
        _, _, index, count = min(possible)
        kept[index] -= count
    return kept


def losses_of(importance: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return what is lost with every number of channels gone, as the sum of their importance: (channels + 1,)."""
    return [
        torch.cat([torch.zeros(1, dtype=torch.float64), scores.double().sort().values.cumsum(0)])
        for scores in importance
    ]


def allot_uniformly(
    network: CostModel, budgets: Sequence[Budget], steps: Steps, originals: Sequence[int]
) -> list[int]:
    """Return the channels that each group keeps when all lose the same share; arguments as for `allot_greedily`."""
    check_reachable(network, budgets, steps, originals)
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        share = (low + high) / 2
        kept = _keep_share(network, share, steps, originals)
        if all(b.spent(network, kept) <= b.limit for b in budgets):
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
    reached = {b.name: b.spent(network, least) / b.original for b in budgets}
    for budget in budgets:
        if reached[budget.name] > budget.ratio:
            raise ConfigError(
                f"a {budget.name} budget of {budget.ratio:g} cannot be met; with every layer at its floor "
                f"({steps.floor:g} of its channels, multiples of {steps.round_to}) {reached[budget.name]:.3f} of the "
                "original remains; ask for more than that, or lower pruning.floor or pruning.round_to"
            )


def shares(
    network: CostModel, budgets: Sequence[Budget], kept: Sequence[int]
) -> Mapping[str, float]:
    """Return by budget which share of the original's cost remains."""
    return {b.name: b.spent(network, kept) / b.original for b in budgets}


def _keep_share(
    network: CostModel, share: float, steps: Steps, originals: Sequence[int]
) -> list[int]:
    kept = []
    for full, original in zip(network.full, originals, strict=True):
        wanted = round(share * full / steps.round_to) * steps.round_to
        kept.append(min(full, max(wanted, steps.least(original))))
    return kept
