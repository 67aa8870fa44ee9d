"""DeepLabV3+'s decoder for an imported network that has none (arXiv 1802.02611, section 3.1).

Published files are mostly DeepLabV3s, whose edges are as coarse as their last features. The decoder comes untrained,
with an untrained classifier behind it; all else keeps its weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from math import sqrt
from typing import Any

import torch

from edge_deeplab.errors import ConfigError
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.models.operator_graph import (
    CLASSIFIER,
    GraphOperator,
    GraphSpec,
    build_graph,
    graph_of,
    needed_for,
    sizes_at,
)
from edge_deeplab.models.quantization import IMAGE
from edge_deeplab.models.spec import DecoderSpec

LOW_STRIDE = 4
"""Of the features that sharpen: a quarter of the picture's sides."""
DECODER = DecoderSpec()


def with_decoder(checkpoint: Checkpoint) -> Checkpoint:
    """Return an imported graph with a decoder of separable convolutions between its features and a fresh classifier.

    Args:
        checkpoint: of an operator graph.

    Raises:
        ConfigError: when it has no features of stride 4, or its last ones are as fine.
    """
    spec = checkpoint.info.spec
    assert isinstance(spec, GraphSpec), "only imported graphs have no decoder to ask for"
    classes = len(checkpoint.info.classes)
    with torch.device("meta"):
        network = build_graph(spec, classes)
    sizes = sizes_at(network, checkpoint.info.size_hw)
    features = next(o for o in network.operators if o.name == CLASSIFIER).inputs[0]
    kept = needed_for(features, network.operators)
    low = _low_features(kept, sizes, checkpoint.info.size_hw)
    if low is None or sizes[features][2] >= sizes[low][2]:
        raise ConfigError(
            f"a decoder came for {checkpoint.name}, which has no features of a quarter of the picture's sides before "
            "its last ones; a network of output stride 8 or more was expected; leave it out"
        )
    head = _Head(kept, sizes)
    head.add_decoder(low, features, classes)
    paths = {operator.path for operator in kept}
    tensors = {n: t for n, t in checkpoint.tensors.items() if n.rpartition(".")[0] in paths}
    ranges = {path: told for path, told in (checkpoint.info.ranges or {}).items() if path in paths}
    info = replace(checkpoint.info, spec=graph_of((*kept, *head.operators)), ranges=ranges or None)
    return replace(checkpoint, info=info, tensors={**tensors, **head.tensors})


def _low_features(
    operators: Sequence[GraphOperator],
    sizes: Mapping[str, tuple[int, ...]],
    size_hw: tuple[int, int],
) -> str | None:
    """Return the last value of stride 4 that has the fewest channels: a block's result, not its expansion."""
    wanted = tuple(-(-side // LOW_STRIDE) for side in size_hw)
    found = [o.name for o in operators if o.kind != "resize" and sizes[o.name][2:] == wanted]
    return min(reversed(found), key=lambda name: sizes[name][1], default=None)


class _Head:
    """Operators that are added behind others, and their fresh tensors."""

    def __init__(
        self, before: Sequence[GraphOperator], sizes: Mapping[str, tuple[int, ...]]
    ) -> None:
        numbered = [o.name.rpartition("_")[2] for o in before if o.name != CLASSIFIER]
        self._numbers = count(1 + max(map(int, numbered)))
        self._channels = {name: size[1] for name, size in sizes.items()}
        self._random = torch.Generator().manual_seed(0)
        self.operators: list[GraphOperator] = []
        self.tensors: dict[str, torch.Tensor] = {}

    def add_decoder(self, low: str, features: str, classes: int) -> None:
        """Add what DeepLabV3+ has behind ASPP: reduce, enlarge, concatenate, refine, classify, enlarge."""
        reduced = self._relu(self._convolution(low, DECODER.reduced_channels))
        joined = self._add("cat", (self._resize(features, low), reduced))
        self._channels[joined] = self._channels[features] + DECODER.reduced_channels
        for _ in range(DECODER.blocks):
            depthwise = self._convolution(joined, self._channels[joined], kernel=3, depthwise=True)
            joined = self._relu(self._convolution(self._relu(depthwise), DECODER.channels))
        self._resize(self._convolution(joined, classes, name=CLASSIFIER), IMAGE)

    def _convolution(
        self,
        source: str,
        channels: int,
        *,
        kernel: int = 1,
        depthwise: bool = False,
        name: str = "",
    ) -> str:
        groups = self._channels[source] if depthwise else 1
        name = self._add(
            "conv",
            (source,),
            name,
            channels=channels,
            kernel_hw=(kernel, kernel),
            stride_hw=(1, 1),
            rate_hw=(1, 1),
            groups=groups,
            edges=(kernel // 2,) * 4,
        )
        taps = self._channels[source] // groups * kernel**2
        shape = (channels, self._channels[source] // groups, kernel, kernel)
        path = self.operators[-1].path
        fresh = torch.randn(shape, generator=self._random) * sqrt(2 / taps)
        self.tensors |= {f"{path}.weight": fresh, f"{path}.bias": torch.zeros(channels)}
        self._channels[name] = channels
        return name

    def _relu(self, source: str) -> str:
        name = self._add("relu", (source,))
        self._channels[name] = self._channels[source]
        return name

    def _resize(self, source: str, like: str) -> str:
        name = self._add("resize", (source, like), align_corners=False)
        self._channels[name] = self._channels[source]
        return name

    def _add(self, kind: str, inputs: tuple[str, ...], name: str = "", **settings: Any) -> str:
        name = name or f"{kind}_{next(self._numbers)}"
        self.operators.append(GraphOperator(name, kind, inputs, settings))
        return name
