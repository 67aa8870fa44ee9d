"""Ranking: a quantizer that is made coarse comes first, and each is measured alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from edge_deeplab.models.quantization import Quantization
from edge_deeplab.quantization.sensitivity import (
    LOST_DB,
    SAME_DB,
    rank_layers,
    signal_to_noise_db,
    single_quantizers,
)


def test_the_coarse_quantizer_is_ranked_first(
    model: nn.Module, quantization: Quantization, images: list[torch.Tensor]
) -> None:
    scales = dict(quantization.weight_scales)
    scales["stem.0"] = scales["stem.0"] * 60
    ranked = rank_layers(model, replace(quantization, weight_scales=scales), images[:2])
    assert (ranked[0].module, ranked[0].what) == ("stem.0", "weight")
    assert ranked[0].snr_db < ranked[1].snr_db
    assert ranked[0].agreement < ranked[-1].agreement
    assert len(ranked) == len(quantization.weight_scales) + len(quantization.activations)


def test_each_quantizer_is_measured_alone(quantization: Quantization) -> None:
    for _, _, alone in single_quantizers(quantization):
        assert len(alone.activations) + len(alone.weight_scales) == 1


def test_signal_to_noise_of_hand_made_values() -> None:
    signal = np.full((1, 2, 2), 10.0, np.float32)
    assert signal_to_noise_db(signal, signal + 1) == pytest.approx(20.0)
    assert signal_to_noise_db(signal, signal) == SAME_DB
    assert signal_to_noise_db(signal * 0, signal) < -300, "nothing turned into something"


@pytest.mark.parametrize("overflow", [np.nan, np.inf, -np.inf])
def test_a_layer_that_overflows_is_the_worst_there_is(overflow: float) -> None:
    signal = np.full((1, 2, 2), 10.0, np.float32)
    changed = signal.copy()
    changed[0, 0, 0] = overflow
    assert signal_to_noise_db(signal, changed) == LOST_DB
    assert signal_to_noise_db(changed, changed) == LOST_DB
