"""How much a change does to a tensor: the signal-to-noise ratio, with one ceiling for what is left as it was."""

from math import log10

import numpy as np
import numpy.typing as npt

SAME_DB = 120.0
"""What equal tensors are given."""


def signal_to_noise_db(signal: npt.NDArray[np.float32], changed: npt.NDArray[np.float32]) -> float:
    """Return 10 log10(signal power / power of the change), at most `SAME_DB`; arrays of equal shape."""
    power = float(np.square(signal, dtype=np.float64).sum())
    noise = float(np.square(signal - changed, dtype=np.float64).sum())
    if noise == 0:
        return SAME_DB
    return min(SAME_DB, 10 * log10(max(power, 1e-30) / noise))
