"""Operators of canonical graphs that several modules look for or add: torch's own, and those of int8 graphs."""

from typing import Any

import torch
import torch.ao.quantization.fx._decomposed  # registers the quantized_decomposed operators
from torch import fx

_aten = torch.ops.aten
_quantized = torch.ops.quantized_decomposed

ADD = _aten.add.Tensor
ARGMAX = _aten.argmax.default
AVERAGE_POOL = _aten.adaptive_avg_pool2d.default
BATCH_NORM = _aten._native_batch_norm_legit_no_training.default
BICUBIC = _aten.upsample_bicubic2d.vec
CAST = _aten._to_copy.default
CONCATENATE = _aten.cat.default
CONVOLUTION = _aten.conv2d.default
HARD_SIGMOID = _aten.hardsigmoid.default
HARD_SWISH = _aten.hardswish.default
HARD_TANH = _aten.hardtanh.default
MEAN = _aten.mean.dim
MULTIPLY = _aten.mul.Tensor
NEAREST = _aten.upsample_nearest2d.vec
NEAREST_EXACT = _aten._upsample_nearest_exact2d.vec
PAD = _aten.constant_pad_nd.default
PERMUTE = _aten.permute.default
RELU = _aten.relu.default
RESIZE = _aten.upsample_bilinear2d.vec
SIGMOID = _aten.sigmoid.default
SILU = _aten.silu.default
SLICE = _aten.slice.Tensor
SPLITS = (_aten.split.Tensor, _aten.split_with_sizes.default)
SUBTRACT = _aten.sub.Tensor

QUANTIZE = _quantized.quantize_per_tensor.default
DEQUANTIZE = _quantized.dequantize_per_tensor.default
QUANTIZE_CHANNELS = _quantized.quantize_per_channel.default
DEQUANTIZE_CHANNELS = _quantized.dequantize_per_channel.default

ACTIVATIONS = (RELU, HARD_TANH)
"""What runtimes make one operator with the convolution before it."""

GROUPS = 6
"""Place of the number of groups among a convolution's arguments."""


def groups_of(convolution: fx.Node) -> int:
    """Return in how many groups a convolution's channels are."""
    arguments: Any = convolution.args
    return int(arguments[GROUPS]) if len(arguments) > GROUPS else 1


def stored_weight(convolution: fx.Node) -> fx.Node:
    """Return what holds a convolution's weight: the floats, or the integers under a dequantize operator."""
    weight: Any = convolution.args[1]
    stored: fx.Node = weight.args[0] if weight.target is DEQUANTIZE_CHANNELS else weight
    return stored
