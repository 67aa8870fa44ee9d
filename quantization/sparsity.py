"""Sparse weights: single weights set to zero by size, so that a file can leave them out.

Core ML stores such weights as a bit mask and the values that stay; the other targets keep the zeros and gain nothing.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from edge_deeplab.errors import ConfigError
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.sparsity_pattern import Sparsity

SMALLEST = 2048
"""Weights of a layer below which it stays dense: there is nothing to save."""


def say_who_gains_nothing(targets: Sequence[str]) -> str | None:
    """Return a warning that names those targets whose files sparse weights do not help; None where they help all."""
    dense = [target for target in targets if target != "coreml"]
    if not dense:
        return None
    return (
        f"warning: sparse weights make {' and '.join(dense)} files neither smaller nor faster: zeros are stored, "
        "and XNNPACK's sparse kernels refuse dilated depthwise convolutions; only Core ML leaves zeros out"
    )


def sparsify(checkpoint: Checkpoint, pattern: Sparsity) -> Checkpoint:
    """Return a checkpoint with the smallest weights of each layer set to zero, in memory; it keeps its name and hash.

    Depthwise convolutions and layers of fewer than `SMALLEST` weights stay dense, and with groups those whose input
    channels do not divide into them.

    Args:
        checkpoint: a float checkpoint.
        pattern: which weights.

    Raises:
        ConfigError: when the checkpoint is quantized, or the pattern fits none of its layers.
    """
    if checkpoint.quantization is not None:
        raise ConfigError(
            f"sparsity came with {checkpoint.name}, a quantized checkpoint; a float one was expected; "
            "leave sparsity out, or pass the checkpoint that it was trained from"
        )
    tensors, sparse = dict(checkpoint.tensors), sparse_weights(checkpoint.build(), pattern)
    if not sparse:
        raise ConfigError(
            f"sparsity {pattern} came for {checkpoint.name}; input channels that divide into groups of {pattern.group} "
            "were expected and no layer has them; write for example 0.5 or 2:4"
        )
    for name in sparse:
        tensors[name] = tensors[name] * _staying(tensors[name], pattern)
    info = replace(checkpoint.info, sparsity=str(pattern))
    return replace(checkpoint, info=info, tensors=tensors)


def sparse_weights(model: nn.Module, pattern: Sparsity) -> list[str]:
    """Return the names of the weights that become sparse."""
    names = []
    for path, module in model.named_modules():
        if not isinstance(module, nn.Conv2d) or module.weight.numel() < SMALLEST:
            continue
        inputs = module.weight.shape[1]  # (out, in / groups, height, width)
        if inputs > 1 and inputs % (pattern.group or 1) == 0:
            names.append(f"{path}.weight")
    return names


def _staying(weight: torch.Tensor, pattern: Sparsity) -> torch.Tensor:
    """Return 1 where a weight stays and 0 where it goes, in the weight's shape and dtype."""
    along_inputs = weight.abs().float().movedim(1, -1)  # (out, height, width, in)
    rows = along_inputs.reshape(-1, pattern.group or along_inputs.numel())
    gone = rows.argsort(dim=1, stable=True)[:, : round(pattern.zeros * rows.shape[1])]
    mask = torch.ones_like(rows).scatter_(1, gone, 0.0)
    return mask.reshape(along_inputs.shape).movedim(-1, 1).to(weight.dtype)
