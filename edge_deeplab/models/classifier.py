"""A classifier's rows by the classes that they score: kept for those that stay, new ones for others."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

_FRESH_STD = 0.01


@dataclass(frozen=True)
class Rows:
    """Where the rows of a classifier of other classes come from.

    Args:
        sources: by new class, the rows of the old one that score it; none for a class that starts afresh.
    """

    sources: tuple[tuple[int, ...], ...]

    @classmethod
    def by_name(cls, old: Sequence[str | None], new: Sequence[str]) -> "Rows":
        """Match class names; None is an old class that no name is known of."""
        return cls(tuple(tuple(i for i, name in enumerate(old) if name == each) for each in new))

    def are_those_of(self, count: int) -> bool:
        """Whether a classifier of so many classes has these rows already."""
        return self.sources == tuple((index,) for index in range(count))

    def take(self, old: torch.Tensor, fresh: torch.Tensor | None = None) -> torch.Tensor:
        """Return a classifier's weight or bias with the new rows.

        Args:
            old: (classes, ...) of the old classifier; of several rows for one class the mean is taken.
            fresh: (new classes, ...) rows for classes that start afresh; None makes small random weights, zero biases.
        """
        if fresh is None:
            generator = torch.Generator().manual_seed(0)
            shape = (len(self.sources), *old.shape[1:])
            spread = _FRESH_STD if old.ndim > 1 else 0.0
            fresh = torch.randn(shape, generator=generator) * spread
        rows = [
            old[list(source)].float().mean(0) if source else fresh[index]
            for index, source in enumerate(self.sources)
        ]
        return torch.stack(rows)
