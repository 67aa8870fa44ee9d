"""DeepLabV3+'s decoder for an imported network that has none (arXiv 1802.02611, section 3.1).

Published files are mostly DeepLabV3s, whose edges are as coarse as their last features. The decoder comes untrained,
with an untrained classifier behind it; all else keeps its weights. As it is to be trained anyway, "same" padding that
is alike on all sides at the file's own size becomes that at every size: it then stands in the convolution, where
TensorFlow's at even sizes costs a file for a device an operator each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from math import prod, sqrt
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
from edge_deeplab.models.padded_convolution import SAME, same_edges
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
    kept = [
        _padded_alike(operator, {IMAGE: (1, 3, *checkpoint.info.size_hw), **sizes})
        for operator in needed_for(features, network.operators)
    ]
    low = _low_features(kept, sizes, checkpoint.info.size_hw)
    if low is None or sizes[features][2] >= sizes[low][2]:
        raise ConfigError(
            f"a decoder came for {checkpoint.name}, which has no features of a quarter of the picture's sides before "
            "its last ones; a network of output stride 8 or more was expected; leave it out"
        )
    head = _Head(kept)
    head.add_decoder(low, features, sizes[features][1], classes)
    made = graph_of((*kept, *head.operators))
    paths = {operator.path for operator in kept}
    tensors = {n: t for n, t in checkpoint.tensors.items() if n.rpartition(".")[0] in paths}
    ranges = {path: told for path, told in (checkpoint.info.ranges or {}).items() if path in paths}
    info = replace(checkpoint.info, spec=made, ranges=ranges or None)
    fresh = _fresh_tensors(made, head.operators, classes)
    return replace(checkpoint, info=info, tensors={**tensors, **fresh})


def _padded_alike(operator: GraphOperator, sizes: Mapping[str, tuple[int, ...]]) -> GraphOperator:
    """Return it with the zeros that "same" padding has at these sizes, where they are alike on opposite sides."""
    told = operator.settings
    if told.get("edges") != SAME:
        return operator
    (top, bottom), (left, right) = (
        same_edges(*numbers)
        for numbers in zip(
            sizes[operator.inputs[0]][2:],
            told["kernel_hw"],
            told["stride_hw"],
            told["rate_hw"],
            strict=True,
        )
    )
    if (top, left) != (bottom, right):
        return operator
    return replace(operator, settings={**told, "edges": (top, left, bottom, right)})


def _fresh_tensors(
    spec: GraphSpec, added: Sequence[GraphOperator], classes: int
) -> dict[str, torch.Tensor]:
    """Return random weights and zero biases of the convolutions that were added, by the shapes that the graph gives."""
    with torch.device("meta"):
        network = build_graph(spec, classes)
    generator, tensors = torch.Generator().manual_seed(0), {}
    for path in (operator.path for operator in added if operator.kind == "conv"):
        shape = network.get_parameter(f"{path}.weight").shape
        fresh = torch.randn(shape, generator=generator)
        tensors[f"{path}.weight"] = fresh * sqrt(2 / prod(shape[1:]))
        tensors[f"{path}.bias"] = torch.zeros(shape[0])
    return tensors


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
    """Operators that are added behind others."""

    def __init__(self, before: Sequence[GraphOperator]) -> None:
        self._numbers = count(1 + max(int(o.name.rpartition("_")[2]) for o in before))
        self.operators: list[GraphOperator] = []

    def add_decoder(self, low: str, features: str, width: int, classes: int) -> None:
        """Add what DeepLabV3+ has behind ASPP: reduce, enlarge, concatenate, refine, classify, enlarge.

        Args:
            low: the value that sharpens.
            features: the value that is sharpened.
            width: its channels.
            classes: channels of the classifier.
        """
        reduced = self._add("relu", self._convolution(low, DECODER.reduced_channels))
        joined = self._add("cat", self._resize(features, low), reduced)
        width += DECODER.reduced_channels
        for _ in range(DECODER.blocks):
            depthwise = self._convolution(joined, width, kernel=3, groups=width)
            width = DECODER.channels
            pointwise = self._convolution(self._add("relu", depthwise), width)
            joined = self._add("relu", pointwise)
        self._resize(self._convolution(joined, classes, name=CLASSIFIER), IMAGE)

    def _convolution(
        self, source: str, channels: int, *, kernel: int = 1, groups: int = 1, name: str = ""
    ) -> str:
        return self._add(
            "conv",
            source,
            name=name,
            channels=channels,
            kernel_hw=(kernel, kernel),
            stride_hw=(1, 1),
            rate_hw=(1, 1),
            groups=groups,
            edges=(kernel // 2,) * 4,
        )

    def _resize(self, source: str, like: str) -> str:
        return self._add("resize", source, like, align_corners=False)

    def _add(self, kind: str, *inputs: str, name: str = "", **settings: Any) -> str:
        name = name or f"{kind}_{next(self._numbers)}"
        self.operators.append(GraphOperator(name, kind, inputs, settings))
        return name
