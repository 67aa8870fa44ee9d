"""A network with NNCF's trainable fake quantizers: ranges are learned with the weights, then fixed.

NNCF gives the quantizers and their gradients; where they stand is `placement`'s, what they become `Quantization`'s. A
fixed quantizer holds exactly the scale and zero point that the files will hold: the last epochs train what is shipped.
"""

from typing import Any

import torch
from torch import nn

from edge_deeplab.errors import require
from edge_deeplab.models.quantization import (
    ACTIVATION_LEVELS,
    IMAGE,
    WEIGHT_LEVELS,
    ActivationQuantizer,
    Quantization,
    activation_quantizer,
    round_weight_scales,
)
from edge_deeplab.quantization.compiled import load_quantizers
from edge_deeplab.quantization.fake_quantize import FakeQuantize, FakeQuantizeChannels, insert
from edge_deeplab.quantization.network import Network, gain_after

_STEPS = ACTIVATION_LEVELS[1] - ACTIVATION_LEVELS[0]


class TrainableNetwork:
    """A model under training with its quantizers.

    Args:
        model: float model; its parameters are trained.
        quantization: where the ranges start.
        device: "cpu" or "cuda": where it will be trained.
        steps: for how many steps.

    Attributes:
        module: what is called and trained; the parameters keep the model's names.

    Raises:
        MissingDependencyError: without nncf.
    """

    def __init__(
        self, model: nn.Module, quantization: Quantization, device: str = "cpu", steps: int = 0
    ) -> None:
        load_quantizers(device, steps)
        self._start = quantization
        self._network = Network(model)
        self._convolutions = {
            self._network.name(n): n
            for n in self._network.values()
            if self._network.kind(n) == "conv"
        }
        quantized = {name for q in quantization.activations for name in q.tensors}
        self._alone = self._network.activations_alone(quantized)
        insert(
            self._network,
            {q.tensors: self._learned(q) for q in quantization.activations},
            {path: LearnedScales(s) for path, s in quantization.weight_scales.items()},
        )
        self.module: nn.Module = self._network.module
        self._norms = [m for m in self.module.modules() if isinstance(m, nn.BatchNorm2d)]

    def quantization(self) -> Quantization:
        """Return the quantizers as they stand, rounded to what the files hold."""
        quantizers: Any = self.module.get_submodule("activation_quantizers")
        activations = tuple(
            module.to_quantizer(start.tensors)
            for start, module in zip(self._start.activations, quantizers.children(), strict=True)
        )
        scales = {path: self._weight_scales(path) for path in self._start.weight_scales}
        return Quantization(activations, scales, self._start.keep_float)

    def freeze_statistics(self) -> None:
        """Let batch norm use its running statistics from now on, and change them no more."""
        for norm in self._norms:
            norm.eval()

    def fix_ranges(self) -> None:
        """Fix every range, and the batch norm gain that the scales are rounded under, as the files will hold them."""
        quantization = self.quantization()
        quantizers: Any = self.module.get_submodule("activation_quantizers")
        device = next(self.module.parameters()).device
        for (name, _), quantizer in zip(
            list(quantizers.named_children()), quantization.activations, strict=True
        ):
            setattr(quantizers, name, FakeQuantize(quantizer).to(device))
        for path, scales in quantization.weight_scales.items():
            convolution: Any = self.module.get_submodule(path)
            convolution.weight_quantizer = FakeQuantizeChannels(scales.to(device))
        self._start = quantization
        self.freeze_statistics()
        for norm in self._norms:
            norm.weight.requires_grad_(False)

    def _learned(self, start: ActivationQuantizer) -> nn.Module:
        """Return what a quantizer is trained as: itself where its range is fixed."""
        if start.tensors[0] == IMAGE or self._network.fixed_range(start.tensors):
            return FakeQuantize(start)
        return LearnedRange(start, from_zero=not self._alone.isdisjoint(start.tensors))

    def _weight_scales(self, path: str) -> torch.Tensor:
        convolution: Any = self.module.get_submodule(path)
        quantizer = convolution.weight_quantizer
        if isinstance(quantizer, FakeQuantizeChannels):
            return quantizer.scales.detach().cpu()
        gain = gain_after(self._network, self._convolutions[path])
        return round_weight_scales(quantizer.scales(), gain).cpu()


class LearnedRange(nn.Module):
    """An activation quantizer whose range is trained (NNCF's asymmetric quantizer).

    Args:
        start: where it begins.
        from_zero: keep the lower end where it begins, of a ReLU at 0.
    """

    def __init__(self, start: ActivationQuantizer, *, from_zero: bool = False) -> None:
        super().__init__()
        nncf = _layers()
        spec = _spec(nncf, "asymmetric", (1,), narrow_range=False)
        self.quantizer = nncf.AsymmetricQuantizer(spec)
        low = (ACTIVATION_LEVELS[0] - start.zero_point) * start.scale
        with torch.no_grad():
            self.quantizer.input_low.fill_(low)
            self.quantizer.input_range.fill_(_STEPS * start.scale)
        self.quantizer.input_low.requires_grad_(not from_zero)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the rounded values in float32; same shape."""
        return _in_float32(self.quantizer, values)

    def to_quantizer(self, tensors: tuple[str, ...]) -> ActivationQuantizer:
        """Return it as it stands."""
        low, high = (float(v.detach()) for v in self.quantizer.get_input_low_input_high())
        return activation_quantizer(tensors, low, high)


class LearnedScales(nn.Module):
    """A weight quantizer whose per-channel scales are trained (NNCF's symmetric quantizer).

    Args:
        start: (K,) scales it begins with.
    """

    def __init__(self, start: torch.Tensor) -> None:
        super().__init__()
        nncf = _layers()
        shape = (len(start), 1, 1, 1)
        spec = _spec(nncf, "symmetric", shape, narrow_range=True)
        self.quantizer = nncf.SymmetricQuantizer(spec)
        with torch.no_grad():
            self.quantizer.scale.copy_(start.reshape(shape) * WEIGHT_LEVELS[1])

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the rounded weight in float32; same shape."""
        return _in_float32(self.quantizer, weight)

    def scales(self) -> torch.Tensor:
        """Return the (K,) scales as they stand."""
        largest: torch.Tensor = self.quantizer.scale.detach().abs().flatten()
        return largest / WEIGHT_LEVELS[1]


def _in_float32(quantizer: nn.Module, values: torch.Tensor) -> torch.Tensor:
    """Round in float32 under autocast too: bfloat16 has no 255 steps."""
    with torch.autocast(values.device.type, enabled=False):
        rounded: torch.Tensor = quantizer(values.float())
    return rounded


def _layers() -> Any:
    return require("nncf.torch.quantization.layers", package="nncf", extra="compress")


def _spec(nncf: Any, mode: str, shape: tuple[int, ...], *, narrow_range: bool) -> Any:
    return nncf.PTQuantizerSpec(
        num_bits=8,
        mode=getattr(nncf.QuantizationMode, mode.upper()),
        signedness_to_force=True,
        narrow_range=narrow_range,
        half_range=False,
        scale_shape=shape,
        logarithm_scale=False,
    )
