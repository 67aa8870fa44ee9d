"""Fake quantizers are put where the checkpoint says, and what it says of another network is refused."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from edge_deeplab.errors import CheckpointError
from edge_deeplab.models.quantization import Quantization, read_quantization
from edge_deeplab.quantization.fake_quantize import fake_quantized


def test_quantizer_of_a_tensor_that_the_network_does_not_have_is_refused(
    model: nn.Module, quantization: Quantization
) -> None:
    first, *others = quantization.activations
    strange = replace(quantization, activations=(replace(first, tensors=("null",)), *others))
    with pytest.raises(CheckpointError, match="no tensor null, which the checkpoint has"):
        fake_quantized(copy.deepcopy(model), strange)


@pytest.mark.parametrize("path", ["absent", "decoder.refine.0.1", "classifier"])
def test_weight_scales_that_belong_to_no_convolution_are_refused(
    path: str, model: nn.Module, quantization: Quantization
) -> None:
    tensors = {**model.state_dict(), **quantization.to_tensors()}
    assert read_quantization(quantization.to_document(), tensors).weight_scales.keys() == set(
        quantization.weight_scales
    )
    strange = replace(quantization, weight_scales={path: torch.ones(3)})
    with pytest.raises(ValueError, match=f"no convolution {path} has"):
        read_quantization(strange.to_document(), {**model.state_dict(), **strange.to_tensors()})
