"""The pattern of sparse weights that a command was given, and whom it helps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge_deeplab.cli.terminal import say

if TYPE_CHECKING:
    from edge_deeplab.quantization.sparsity import Sparsity


def pattern_with_warning(text: str, targets: Sequence[str]) -> "Sparsity":
    """Return the pattern that a text means, and say on stderr which targets gain nothing by it.

    Args:
        text: a share of zeros or N:M.
        targets: what files are, or may be, made for.

    Raises:
        ConfigError: when the text means no pattern.
    """
    from edge_deeplab.quantization.sparsity import parse_sparsity, say_who_gains_nothing

    pattern = parse_sparsity(text)
    warning = say_who_gains_nothing(targets)
    if warning is not None:
        say(warning, err=True)
    return pattern
