"""The pattern of sparse weights that a command was given, and whom it helps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

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
    from edge_deeplab.quantization.sparsity import parse_sparsity

    pattern = parse_sparsity(text)
    dense = [target for target in targets if target != "coreml"]
    if dense:
        typer.echo(
            f"warning: sparse weights make {' and '.join(dense)} files neither smaller nor faster: zeros are stored, "
            "and XNNPACK's sparse kernels refuse dilated depthwise convolutions; only Core ML leaves zeros out",
            err=True,
        )
    return pattern
