"""Fake quantizers put into a traced network: what int8 computes, in float, with plain torch.

This is how a quantized checkpoint is evaluated, at any size, without what trained it.
"""

from collections.abc import Mapping
from itertools import chain

import torch
from torch import nn

from edge_deeplab.errors import CheckpointError
from edge_deeplab.models.quantization import (
    ACTIVATION_LEVELS,
    WEIGHT_LEVELS,
    ActivationQuantizer,
    Quantization,
)
from edge_deeplab.quantization.network import Network


class FakeQuantize(nn.Module):
    """Rounds a tensor to what an activation quantizer can store.

    Args:
        quantizer: scale and zero point.
    """

    scale: torch.Tensor
    zero_point: torch.Tensor

    def __init__(self, quantizer: ActivationQuantizer) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(quantizer.scale, dtype=torch.float32))
        self.register_buffer("zero_point", torch.tensor(quantizer.zero_point, dtype=torch.int32))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the rounded values; same shape."""
        return torch.fake_quantize_per_tensor_affine(
            values, self.scale, self.zero_point, *ACTIVATION_LEVELS
        )

    def to_quantizer(self, tensors: tuple[str, ...]) -> ActivationQuantizer:
        """Return it as the quantizer of some tensors."""
        return ActivationQuantizer(tensors, float(self.scale), int(self.zero_point))


class FakeQuantizeChannels(nn.Module):
    """Rounds a convolution's weight to int8 per output channel.

    Args:
        scales: (K,) float32.
    """

    scales: torch.Tensor
    zero_points: torch.Tensor

    def __init__(self, scales: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("scales", scales)
        self.register_buffer("zero_points", torch.zeros(len(scales), dtype=torch.int32))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the rounded weight; same shape."""
        return torch.fake_quantize_per_channel_affine(
            weight, self.scales, self.zero_points, 0, *WEIGHT_LEVELS
        )


class FakeQuantizedConv2d(nn.Conv2d):
    """A convolution whose weight passes a quantizer; weight, bias and their names are the original's.

    Args:
        original: the convolution that it takes the place of; its parameters are shared.
        weight_quantizer: maps the weight to the weight that is used.
    """

    def __init__(self, original: nn.Conv2d, weight_quantizer: nn.Module) -> None:
        super().__init__(
            original.in_channels,
            original.out_channels,
            original.kernel_size,  # type: ignore[arg-type]
            original.stride,  # type: ignore[arg-type]
            original.padding,  # type: ignore[arg-type]
            original.dilation,  # type: ignore[arg-type]
            original.groups,
            bias=original.bias is not None,
            padding_mode=original.padding_mode,
            device="meta",
        )
        self.weight, self.bias = original.weight, original.bias
        self._original = (original,)  # no submodule: it shares the parameters, and pads as it does
        self.weight_quantizer = weight_quantizer
        self.train(original.training)

    def _conv_forward(
        self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        (original,) = self._original
        result: torch.Tensor = original._conv_forward(input, self.weight_quantizer(weight), bias)
        return result


def fake_quantized(model: nn.Module, quantization: Quantization) -> nn.Module:
    """Return a network that computes what its int8 form computes, up to float rounding.

    Args:
        model: the float model; its modules are shared.
        quantization: scales and zero points.
    """
    network = Network(model)
    insert(
        network,
        {q.tensors: FakeQuantize(q) for q in quantization.activations},
        {path: FakeQuantizeChannels(s) for path, s in quantization.weight_scales.items()},
    )
    return network.module.train(model.training)


def insert(
    network: Network,
    activations: Mapping[tuple[str, ...], nn.Module],
    weights: Mapping[str, nn.Module],
) -> None:
    """Put quantizers into a network, in place.

    Args:
        network: the traced network.
        activations: by the names of the tensors that share it, the module that each tensor passes.
        weights: by path of a convolution, the module that its weight passes.

    Raises:
        CheckpointError: when the network has no tensor of such a name.
    """
    module = network.module
    nodes = {network.name(node): node for node in network.values()}
    for name in chain.from_iterable(activations):
        if name not in nodes:
            raise CheckpointError(
                f"the network has no tensor {name}, which the checkpoint has a quantizer for; the network that was "
                "quantized was expected; quantize the checkpoint again with this version"
            )
    for path, quantizer in weights.items():
        original = module.get_submodule(path)
        assert isinstance(original, nn.Conv2d)
        module.set_submodule(path, FakeQuantizedConv2d(original, quantizer))
    for index, (tensors, quantizer) in enumerate(activations.items()):
        target = f"activation_quantizers.{index}"
        module.add_submodule(target, quantizer)
        for name in tensors:
            node = nodes[name]
            readers = list(node.users)
            with module.graph.inserting_after(node):
                rounded = module.graph.call_module(target, (node,))
            for reader in readers:
                reader.replace_input_with(node, rounded)
    module.recompile()
