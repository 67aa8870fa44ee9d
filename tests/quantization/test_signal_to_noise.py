"""The signal-to-noise ratio against values worked out by hand."""

import numpy as np
import pytest

from edge_deeplab.quantization.signal_to_noise import SAME_DB, signal_to_noise_db


def test_signal_to_noise_of_hand_made_values() -> None:
    signal = np.full((1, 2, 2), 10.0, np.float32)
    assert signal_to_noise_db(signal, signal + 1) == pytest.approx(20.0)
    assert signal_to_noise_db(signal, signal) == SAME_DB
    assert signal_to_noise_db(signal * 0, signal) < -300, "nothing turned into something"
