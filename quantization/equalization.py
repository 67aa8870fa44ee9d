"""Cross-layer equalization: the channels of a tensor get ranges alike, so that its one scale fits all of them.

An activation has one scale for all channels. Where the widest is a hundred times the narrowest, the narrow one is left
a handful of integers. But what a convolution gives may be divided by any positive number, channel by channel, if all
that reads it multiplies: the network computes the same (Nagel et al., 2019, arXiv:1906.04721). Its own weights pay
nothing, since every output channel has a scale of its own, and neither do those of a depthwise convolution that reads.
Other readers' weights do, so the factor is shared out as in SmoothQuant (Xiao et al., 2022, arXiv:2211.10438).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import fx, nn

from edge_deeplab.errors import ConfigError
from edge_deeplab.models.widths import is_depthwise
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.quantization.calibration import show
from edge_deeplab.quantization.network import Network

_PASSING_ON = ("add", "max_pool", "mean", "upsample_bilinear2d")
"""What gives each channel of its inputs, scaled as they are."""
_NARROWEST_RANGE, _SMALLEST_WEIGHT = 0.02, 0.01
"""Shares of the largest below which a channel counts as if it had them: other images may fill it."""
_TOLERANCE = 1e-3
"""Share of the largest logit that rounding may move one by."""


def equalize(
    model: nn.Module,
    images: Sequence[torch.Tensor],
    share: float,
    progress: Progress = SILENT,
) -> None:
    """Move factors between the convolutions of a network, in place; what it computes stays, which an image proves.

    A channel keeps its scale where anything looks at it but convolutions, sums, concatenations, poolings, resizes and
    ReLUs; so do those of the image and of the logits.

    Args:
        model: float network in evaluation mode.
        images: each (1, 3, H, W) float32, normalised; ranges are those on them.
        share: of a channel's range that the weights reading it take over, 0 to 1; depthwise convolutions take all.
        progress: told the pass over the images.

    Raises:
        ConfigError: when the network cannot be traced, or would compute something else; it is left as it was.
    """
    network = Network(model)
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    expected = _logits(model, images[0])
    progress.begin("equalizing channels", len(images), "images")
    widest = _widest(network, images, progress)
    channels = _Channels(network, {node: len(largest) for node, largest in widest.items()})
    factors = channels.factors(widest, share)
    with torch.no_grad():
        for node in channels.makers():
            _divide(network.layer(node), factors[channels.of(node)])
        for node in channels.readers():
            _multiply(network.layer(node), factors[channels.of(network.inputs(node)[0])])
    largest = float(expected.abs().max()) or 1.0
    moved = float((_logits(model, images[0]) - expected).abs().max()) / largest
    if not moved <= _TOLERANCE:
        model.load_state_dict(kept)
        raise ConfigError(
            f"equalizing the channels of {type(model).__name__} moves its logits by {moved:.2g} of the largest; layers "
            "that compute with their weights as these stand were expected; leave its channels as they are (equalize 0)"
        )


def _logits(model: nn.Module, image: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model(image)
    return logits


def _widest(
    network: Network, images: Sequence[torch.Tensor], progress: Progress
) -> dict[fx.Node, torch.Tensor]:
    """Return the largest magnitude of each channel of every tensor of four dimensions, as (C,)."""
    seen: dict[str, torch.Tensor] = {}

    def note(name: str, value: torch.Tensor) -> None:
        if value.ndim == 4:
            largest = value.abs().amax((0, 2, 3))
            seen[name] = torch.maximum(seen.get(name, largest), largest)

    show(network, images, note, progress)
    return {n: seen[network.name(n)] for n in network.values() if network.name(n) in seen}


class _Channels:
    """Which channels are scaled together, and which are not scaled.

    Every channel has a number; sums, ReLUs, concatenations, poolings and resizes pass numbers on.

    Args:
        network: the traced network.
        widths: channels of each tensor of four dimensions.
    """

    def __init__(self, network: Network, widths: dict[fx.Node, int]) -> None:
        self._network = network
        layers = (network.layer(node) for node in network.values())
        self._uses = Counter(id(getattr(layer, "weight", None)) for layer in layers)
        self._same: list[int] = []
        self._numbers: dict[fx.Node, list[int]] = {}
        fixed: list[int] = []
        for node in network.values():
            sources = [self._numbers.get(source, []) for source in network.inputs(node)]
            passed = self._passed_on(node, sources, widths.get(node, 0))
            self._numbers[node] = passed or self._new(widths.get(node, 0))
            if not passed and not self._makes(node):
                fixed += self._numbers[node]
            if not passed and not self._reads(node):
                fixed += [number for numbers in sources for number in numbers]
            if any(reader.op == "output" for reader in network.readers(node)):
                fixed += self._numbers[node]
        self._fixed = sorted({self._first(number) for number in fixed})

    def of(self, node: fx.Node) -> list[int]:
        """Return a number for each channel of a tensor, equal where they are scaled together."""
        return [self._first(number) for number in self._numbers[node]]

    def makers(self) -> Iterator[fx.Node]:
        """Give the convolutions and batch norms whose own parameters set the scale of what they give."""
        return (node for node in self._numbers if self._makes(node))

    def readers(self) -> Iterator[fx.Node]:
        """Give the convolutions that read channels."""
        return (node for node in self._numbers if self._reads(node))

    def factors(self, widest: dict[fx.Node, torch.Tensor], share: float) -> torch.Tensor:
        """Return what channels are divided by, at their numbers: 1 where nothing is to change."""
        ranges, tensors, weights = torch.zeros(3, len(self._same))
        for node, largest in widest.items():
            _raise(ranges, self.of(node), largest)
            _raise(tensors, self.of(node), largest.max().expand(len(largest)))
        for node in self.readers():
            layer = self._network.layer(node)
            assert isinstance(layer, nn.Conv2d)
            if not is_depthwise(layer):  # each row of which reads one channel
                _raise(weights, self.of(self._network.inputs(node)[0]), _share_of_rows(layer))
        relative = (ranges / tensors.clamp(min=1e-30)).clamp(min=_NARROWEST_RANGE)
        shared = relative**share / weights.clamp(min=_SMALLEST_WEIGHT) ** (1 - share)
        factors = torch.where(weights > 0, shared, relative)
        factors[self._fixed] = 1.0
        return factors

    def _passed_on(self, node: fx.Node, sources: list[list[int]], width: int) -> list[int]:
        """Return the numbers that a node's channels have from its inputs; none where they are its own."""
        kind = self._network.kind(node)
        if kind == "cat":
            joined = [number for numbers in sources for number in numbers]
            return joined if all(sources) and len(joined) == width else []
        if kind not in _PASSING_ON and not self._network.is_relu(node):
            return []
        if not sources or any(len(numbers) != width for numbers in sources):
            return []
        for numbers in sources[1:]:
            for one, other in zip(sources[0], numbers, strict=True):
                self._same[self._first(other)] = self._first(one)
        return sources[0]

    def _makes(self, node: fx.Node) -> bool:
        layer = self._network.layer(node)
        if isinstance(layer, nn.BatchNorm2d):
            inside = getattr(layer, "act", None)
            homogeneous = inside is None or isinstance(inside, nn.ReLU | nn.Identity)
            return layer.affine and homogeneous and self._uses[id(layer.weight)] == 1
        return self._reads(node)

    def _reads(self, node: fx.Node) -> bool:
        layer = self._network.layer(node)
        return isinstance(layer, nn.Conv2d) and self._uses[id(layer.weight)] == 1

    def _new(self, count: int) -> list[int]:
        first = len(self._same)
        self._same += range(first, first + count)
        return list(range(first, first + count))

    def _first(self, number: int) -> int:
        while self._same[number] != number:
            self._same[number] = number = self._same[self._same[number]]
        return number


def _raise(values: torch.Tensor, numbers: Iterable[int], least: torch.Tensor) -> None:
    """Raise values at numbers to at least some others, in place."""
    values.scatter_reduce_(0, torch.tensor(list(numbers)), least, "amax")


def _share_of_rows(layer: nn.Conv2d) -> torch.Tensor:
    """Return for each input channel its largest weight, in shares of the largest of its row; (C,)."""
    rows = layer.weight.detach().abs().amax((2, 3))
    shares = rows / rows.amax(1, keepdim=True).clamp(min=1e-30)
    return shares.reshape(layer.groups, -1, rows.shape[1]).amax(1).flatten()


def _divide(layer: nn.Module | None, factors: torch.Tensor) -> None:
    assert isinstance(layer, nn.Conv2d | nn.BatchNorm2d)
    layer.weight.div_(factors.reshape(-1, *[1] * (layer.weight.ndim - 1)))
    if layer.bias is not None:
        layer.bias.div_(factors)


def _multiply(layer: nn.Module | None, factors: torch.Tensor) -> None:
    assert isinstance(layer, nn.Conv2d)
    rows = layer.weight.unflatten(0, (layer.groups, -1))
    rows.mul_(factors.reshape(layer.groups, 1, -1, 1, 1))
