"""What a network costs as a function of how many channels each group keeps; the network is run once, on shapes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.func import functional_call

from edge_deeplab.models.widths import is_depthwise
from edge_deeplab.quantization.pruning.groups import ChannelGroup, Side


@dataclass(frozen=True)
class LayerForm:
    """What a layer is, its widths aside.

    Args:
        kind: "conv", "depthwise" or "norm".
        kernel_hw: of a convolution.
        stride: of a convolution.
        rate: atrous rate.
        input_hw: height and width that it reads.
        output_hw: height and width that it writes.
    """

    kind: str
    kernel_hw: tuple[int, int]
    stride: int
    rate: int
    input_hw: tuple[int, int]
    output_hw: tuple[int, int]


@dataclass(frozen=True)
class Layer:
    """A convolution or batch norm, and which groups its widths come from.

    Args:
        path: path of the module.
        form: what it is.
        channels: (in, out) that belong to no group.
        groups: (in, out): indices of the groups whose channels it has.
        has_bias: whether a convolution has one.
    """

    path: str
    form: LayerForm
    channels: tuple[int, int]
    groups: tuple[tuple[int, ...], tuple[int, ...]]
    has_bias: bool

    def widths(self, kept: Sequence[int]) -> tuple[int, int]:
        """Return input and output channels when each group keeps so many."""
        read, written = (
            fixed + sum(kept[index] for index in groups)
            for fixed, groups in zip(self.channels, self.groups, strict=True)
        )
        return read, written


LayerCost = Callable[[Layer, int, int], float]
"""Cost of a layer with so many input and output channels."""


def multiply_adds(layer: Layer, read: int, written: int) -> float:
    """Return a convolution's multiply-adds; batch norm is folded and has none."""
    form = layer.form
    if form.kind == "norm":
        return 0.0
    return float(form.output_hw[0] * form.output_hw[1] * _weights(form, read, written))


def parameters(layer: Layer, read: int, written: int) -> float:
    """Return a layer's trainable values."""
    if layer.form.kind == "norm":
        return 2.0 * written
    return float(_weights(layer.form, read, written) + written * layer.has_bias)


def _weights(form: LayerForm, read: int, written: int) -> int:
    taps = form.kernel_hw[0] * form.kernel_hw[1]
    return taps * written * (1 if form.kind == "depthwise" else read)


class CostModel:
    """Layers of a network, and their costs by how many channels each group keeps.

    Args:
        model: the network.
        groups: its groups.
        size_hw: height and width of the image.

    Attributes:
        layers: convolutions and batch norms in the order that they run.
        full: channels of each group.
    """

    def __init__(
        self, model: nn.Module, groups: Sequence[ChannelGroup], size_hw: tuple[int, int]
    ) -> None:
        self.full = tuple(group.channels for group in groups)
        members: dict[tuple[str, Side], list[int]] = {}
        for index, group in enumerate(groups):
            for member in group.members:
                members.setdefault((member.path, member.side), []).append(index)
        sizes = _sizes(model, size_hw)
        self.layers = [
            _describe(path, model.get_submodule(path), sizes[path], members, self.full)
            for path in sizes
        ]
        self._touched: list[list[int]] = [[] for _ in groups]
        for at, layer in enumerate(self.layers):
            for index in {*layer.groups[0], *layer.groups[1]}:
                self._touched[index].append(at)

    def total(self, cost: LayerCost, kept: Sequence[int]) -> float:
        """Return what the network costs when each group keeps so many channels."""
        return sum(cost(layer, *layer.widths(kept)) for layer in self.layers)

    def saved(self, cost: LayerCost, kept: Sequence[int], group: int, count: int) -> float:
        """Return what is saved when a group loses `count` more channels."""
        fewer = list(kept)
        fewer[group] -= count
        touched = [self.layers[at] for at in self._touched[group]]
        return sum(
            cost(layer, *layer.widths(kept)) - cost(layer, *layer.widths(fewer))
            for layer in touched
        )


def _sizes(
    model: nn.Module, size_hw: tuple[int, int]
) -> dict[str, tuple[tuple[int, int], tuple[int, int]]]:
    """Return (input, output) height and width of every convolution and batch norm, in the order that they run."""
    found: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {}
    handles = []
    for path, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d | nn.BatchNorm2d):

            def note(
                _: nn.Module, read: tuple[torch.Tensor], written: torch.Tensor, path: str = path
            ) -> None:
                found[path] = _height_width(read[0]), _height_width(written)

            handles.append(layer.register_forward_hook(note))
    state = {name: t.to("meta") for name, t in model.state_dict().items()}
    try:
        with torch.no_grad():
            functional_call(model, state, (torch.empty(1, 3, *size_hw, device="meta"),))
    finally:
        for handle in handles:
            handle.remove()
    return found


def _height_width(tensor: torch.Tensor) -> tuple[int, int]:
    return tensor.shape[2], tensor.shape[3]


def _describe(
    path: str,
    layer: nn.Module,
    sizes: tuple[tuple[int, int], tuple[int, int]],
    members: dict[tuple[str, Side], list[int]],
    full: Sequence[int],
) -> Layer:
    written = tuple(members.get((path, "out"), ()))
    if isinstance(layer, nn.Conv2d) and not is_depthwise(layer):
        read, kind = tuple(members.get((path, "in"), ())), "conv"
        channels = layer.in_channels, layer.out_channels
    else:
        read, kind = written, "depthwise" if isinstance(layer, nn.Conv2d) else "norm"
        width = layer.out_channels if isinstance(layer, nn.Conv2d) else layer.num_features
        channels = int(width), int(width)  # type: ignore[arg-type]
    outside = (
        channels[0] - sum(full[index] for index in read),
        channels[1] - sum(full[index] for index in written),
    )
    convolution = layer if isinstance(layer, nn.Conv2d) else None
    form = LayerForm(
        kind=kind,
        kernel_hw=(1, 1) if convolution is None else _pair(convolution.kernel_size),
        stride=1 if convolution is None else convolution.stride[0],
        rate=1 if convolution is None else convolution.dilation[0],
        input_hw=sizes[0],
        output_hw=sizes[1],
    )
    has_bias = convolution is not None and convolution.bias is not None
    return Layer(path, form, outside, (read, written), has_bias)


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    return values[0], values[1]
