"""How zeros lie among the weights of a layer; recipes and requests write it as one short text."""

from dataclasses import dataclass
from math import isfinite

from edge_deeplab.errors import ConfigError


@dataclass(frozen=True)
class Sparsity:
    """Which weights of a layer are zero.

    Args:
        zeros: their share of the layer; above 0 and below 1.
        group: the share holds in each group of so many neighbours along the input channels; None: over the whole layer.
    """

    zeros: float
    group: int | None = None

    def __str__(self) -> str:
        """Return what `parse_sparsity` reads."""
        if self.group is None:
            return f"{self.zeros:g}"
        return f"{self.group - round(self.zeros * self.group)}:{self.group}"


def parse_sparsity(text: str) -> Sparsity:
    """Return the pattern of "0.5" (half of each layer is zero) or "2:4" (two of every four weights stay).

    Raises:
        ConfigError: when the text is neither.
    """
    stay, colon, group = str(text).partition(":")
    try:
        pattern = (
            Sparsity(1 - int(stay) / int(group), int(group)) if colon else Sparsity(float(text))
        )
    except (ValueError, ZeroDivisionError):
        pattern = Sparsity(0.0)
    if not isfinite(pattern.zeros) or not 0 < pattern.zeros < 1:
        raise ConfigError(
            f"sparsity {text!r} came; a share of zeros above 0 and below 1 was expected, or N:M for N weights that "
            "stay of every M; write for example 0.5 or 2:4"
        )
    return pattern
