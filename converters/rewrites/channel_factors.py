"""One factor and one shift a channel, as an int8 operator that all targets have: a 1x1 depthwise convolution."""

import torch
from torch import fx

from edge_deeplab.converters.aten import CONVOLUTION, DEQUANTIZE_CHANNELS
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.models.quantization import WEIGHT_LEVELS, half_scales


def scale_channels(
    editor: ProgramEditor,
    path: str,
    source: fx.Node,
    factors: torch.Tensor,
    shifts: torch.Tensor,
    *,
    before: fx.Node,
) -> fx.Node:
    """Insert a convolution that multiplies each channel and adds to it, its weight in int8, and return it.

    Args:
        editor: of the program.
        path: under which its constants stand.
        source: what it reads, (N, C, H, W).
        factors: (C,) positive.
        shifts: (C,).
        before: the node that it is put before and whose place in the model it takes.
    """
    weight, scales = integer_factors(factors)
    zeros = torch.zeros(len(scales), dtype=torch.int64)
    constants = (
        editor.add_constant(f"{path}.quantized_weight", weight.reshape(-1, 1, 1, 1)),
        editor.add_constant(f"{path}.weight_scale", scales),
        editor.add_constant(f"{path}.weight_zero_point", zeros),
    )
    bias = editor.add_constant(f"{path}.bias", shifts)
    stored = editor.call_before(
        DEQUANTIZE_CHANNELS, *constants, 0, *WEIGHT_LEVELS, torch.int8, like=before
    )
    return editor.call_before(
        CONVOLUTION, source, stored, bias, [1, 1], [0, 0], [1, 1], len(scales), like=before
    )


def integer_factors(factors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each factor as an int8 integer and the scale, exact in half precision, whose product is nearest to it.

    Args:
        factors: (C,) positive.

    Returns:
        (C,) int8 and (C,) float32.
    """
    candidates = torch.arange(WEIGHT_LEVELS[1] // 2 + 1, WEIGHT_LEVELS[1] + 1)
    scales = half_scales(factors.double()[:, None] / candidates)  # (C, candidates)
    errors = (scales.double() * candidates - factors.double()[:, None]).abs()
    best = errors.argmin(1)
    chosen = scales[torch.arange(len(factors)), best]
    return candidates[best].to(torch.int8), chosen.float()
