"""What a quantized checkpoint knows beside its float weights: every scale and zero point, and the tensors they are for.

The idea to hold: the integers of all three files follow from this and the float weights alone, so nothing that trained
the quantizers (NNCF) is needed to export, evaluate or compare them.

A tensor is named after the module whose output it is ("backbone.bn1"), after module and function where no module is
called for it ("aspp.cat", "backbone.blocks.1.1.add"), and `IMAGE` is the network's normalised input. What a
module gives when it is called again has the number of the call behind its path ("layer1.0.relu@1"), and
what a function gives that is called like a part of its module has "()".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from edge_deeplab.documents import Fields
from edge_deeplab.errors import CheckpointError

IMAGE = "image"
GATE = "_gate"
"""Ending of the tensor that x is multiplied with where an activation is a product: "act1.hardswish_gate"."""
ACTIVATION_LEVELS = (-128, 127)
WEIGHT_LEVELS = (-127, 127)
"""Symmetric, so that a negative batch norm gain can be folded by negating integers."""

SMALLEST_SCALE = 2.0**-14
"""Smallest scale that half precision, in which Core ML programs store scales, holds at full precision."""

_FUNCTION = "()"
_CALL = re.compile(r"(.*)@([1-9][0-9]*)(.*)")
_PREFIX = "quantizers."
_MOST_QUANTIZERS = 1 << 16


@dataclass(frozen=True)
class ActivationQuantizer:
    """One per-tensor quantizer: x is stored as round(x / scale) + zero_point, clamped to -128..127.

    Args:
        tensors: names of the tensors that carry it; more than one where runtimes demand equal scales.
        scale: positive, a value that half precision holds.
        zero_point: integer that stands for 0.
    """

    tensors: tuple[str, ...]
    scale: float
    zero_point: int


@dataclass(frozen=True)
class Quantization:
    """All quantizers of a network.

    Args:
        activations: in the order in which the network computes their first tensors.
        weight_scales: by path of the convolution, (K,) float32, one an output channel, before batch norm is folded.
        keep_float: module paths that were left in float.
    """

    activations: tuple[ActivationQuantizer, ...]
    weight_scales: Mapping[str, torch.Tensor]
    keep_float: tuple[str, ...] = ()

    def to_document(self) -> dict[str, Any]:
        """Return all but the weight scales as JSON values, for a checkpoint's metadata."""
        activations = [
            {"tensors": list(q.tensors), "scale": q.scale, "zero_point": q.zero_point}
            for q in self.activations
        ]
        return {"activations": activations, "keep_float": list(self.keep_float)}

    def to_tensors(self) -> dict[str, torch.Tensor]:
        """Return the weight scales under the names they have in a checkpoint."""
        return {f"{_PREFIX}{path}.scale": scale for path, scale in self.weight_scales.items()}


def read_quantization(
    document: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
) -> Quantization:
    """Return what `to_document` and `to_tensors` wrote.

    Raises:
        ValueError: when the document is of another form, or holds a number that no quantizer has.
    """
    fields = Fields(document, "quantization.")
    activations = tuple(map(_read_activation, fields.every("activations", 0, _MOST_QUANTIZERS)))
    scales = {
        name.removeprefix(_PREFIX).removesuffix(".scale"): scale.float()
        for name, scale in tensors.items()
        if is_quantizer_tensor(name)
    }
    for path, scale in scales.items():
        weight = tensors.get(f"{path}.weight")
        if weight is None or weight.ndim != 4 or scale.shape != weight.shape[:1]:
            raise ValueError(f"no convolution {path} has the weights that its scales are for")
    return Quantization(activations, scales, fields.texts("keep_float"))


def _read_activation(quantizer: Fields) -> ActivationQuantizer:
    scale = quantizer.number("scale")
    if scale <= 0:
        raise ValueError(f"a quantizer's scale is {scale}, not positive")
    zero_point = quantizer.integer("zero_point", *ACTIVATION_LEVELS)
    return ActivationQuantizer(quantizer.texts("tensors"), scale, zero_point)


def call_name(path: str, call: int) -> str:
    """Return what the result of a module's call is named, the first of which is call 0."""
    return f"{path}@{call}" if call else path


def function_name(name: str, *, is_also_module: bool) -> str:
    """Return what the result of a function is named where the module has a part of its name, too."""
    return f"{name}{_FUNCTION}" if is_also_module else name


def split_function(tensor: str) -> tuple[str, bool]:
    """Return a tensor's name as its operator is called, and whether it can be no module's."""
    return tensor.removesuffix(_FUNCTION), tensor.endswith(_FUNCTION)


def split_call(tensor: str) -> tuple[str, int, str]:
    """Return of a tensor's name the module's path, the number of its call, and what stands behind."""
    found = _CALL.fullmatch(tensor)
    return (found[1], int(found[2]), found[3]) if found else (tensor, 0, "")


def is_quantizer_tensor(name: str) -> bool:
    """Whether a checkpoint's tensor belongs to a quantizer rather than to the network."""
    return name.startswith(_PREFIX)


def half_scales(scales: torch.Tensor) -> torch.Tensor:
    """Return scales rounded to what half precision holds, at least `SMALLEST_SCALE`; same shape, float32."""
    return scales.half().float().clamp(min=SMALLEST_SCALE)


def activation_quantizer(tensors: tuple[str, ...], low: float, high: float) -> ActivationQuantizer:
    """Return the quantizer of a range of values; the range is widened to hold 0, which must be exact.

    Args:
        tensors: names of the tensors that carry it.
        low: smallest value.
        high: largest value.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    bottom, top = ACTIVATION_LEVELS
    scale = float(half_scales(torch.tensor((high - low) / (top - bottom))))
    zero_point = max(bottom, min(top, round(bottom - low / scale)))
    return ActivationQuantizer(tensors, scale, zero_point)


def weight_scales(weight: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    """Return per-channel scales whose product with the gain of the folded batch norm is exact in half precision.

    Args:
        weight: (K, C, h, w) of the convolution.
        gain: (K,) factor that batch norm multiplies each output channel with; ones where there is none.

    Returns:
        (K,) float32.
    """
    largest = weight.detach().flatten(1).abs().amax(1)
    return round_weight_scales(largest / WEIGHT_LEVELS[1], gain)


def round_weight_scales(scales: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    """Return the nearest scales whose product with |gain| is exact in half precision; arguments as (K,)."""
    size = gain.abs()
    rounded = half_scales(scales * size) / size
    return torch.where(size > 0, rounded, scales.clamp(min=SMALLEST_SCALE))


def quantize_weight(weight: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Return the (K, C, h, w) int8 integers of a convolution's weight under (K,) scales."""
    integers = torch.round(weight / scales.reshape(-1, 1, 1, 1))
    return integers.clamp(*WEIGHT_LEVELS).to(torch.int8)


def weight_integers(
    state: Mapping[str, torch.Tensor], quantization: Quantization
) -> dict[str, torch.Tensor]:
    """Return the int8 integers of each weight of a network's state that has scales, by its name there."""
    return {
        f"{path}.weight": quantize_weight(state[f"{path}.weight"].detach().cpu(), scales.cpu())
        for path, scales in quantization.weight_scales.items()
    }


def restore_weights(tensors: Mapping[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a checkpoint with the float32 weights that stored integers stand for.

    Raises:
        CheckpointError: when integers have no scales, or others than one an output channel.
    """

    def restored(name: str, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.dtype != torch.int8:
            return tensor
        scales = tensors.get(f"{_PREFIX}{name.removesuffix('.weight')}.scale")
        if scales is None or tensor.ndim != 4 or scales.shape != tensor.shape[:1]:
            raise CheckpointError(
                f"{path} holds integers in {name}, and no scale for each of its output channels; those of a "
                "quantized checkpoint were expected; write it again with this version"
            )
        return tensor.float() * scales.float().reshape(-1, 1, 1, 1)

    return {name: restored(name, tensor) for name, tensor in tensors.items()}
