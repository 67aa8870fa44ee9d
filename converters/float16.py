"""Rounding weights to float16, with its range kept in sight."""

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_deeplab.errors import ConversionError

_LARGEST = float(np.finfo(np.float16).max)


def round_to_float16(values: npt.NDArray[Any], name: str) -> npt.NDArray[np.float16]:
    """Return float32 weights in float16.

    Args:
        values: the weights, any shape.
        name: what they are called, for the error.

    Raises:
        ConversionError: when one lies outside of float16's range, where it would become infinite.
    """
    largest = float(np.abs(values).max(initial=0.0))
    if largest > _LARGEST:
        raise ConversionError(
            f"weight {name} holds {largest:.3g}, float16 ends at {_LARGEST:.0f}; "
            "export this model with --precision fp32"
        )
    return values.astype(np.float16)
