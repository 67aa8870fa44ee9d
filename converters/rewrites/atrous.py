"""Atrous convolutions of a graph: which ones a rewrite is to change, and what they are."""

from dataclasses import dataclass
from typing import Any

from torch import fx

from edge_deeplab.converters.aten import CONVOLUTION, DEQUANTIZE_CHANNELS
from edge_deeplab.converters.program import ProgramEditor

Pair = tuple[int, int]


@dataclass(frozen=True)
class AtrousConvolution:
    """A convolution whose taps lie apart.

    Args:
        node: the call.
        weight: placeholder of its weight: the floats, or the integers under a dequantize operator.
        kernel_hw: taps by height and width.
        stride_hw: strides.
        padding_hw: zeros on each side.
        rate_hw: atrous rate; 1 along an axis with one tap, where a rate means nothing.
        groups: channel groups.
        image_shape: (N, C, H, W) of what it convolves, before any rewrite.
    """

    node: fx.Node
    weight: fx.Node
    kernel_hw: Pair
    stride_hw: Pair
    padding_hw: Pair
    rate_hw: Pair
    groups: int
    image_shape: tuple[int, ...]

    @property
    def image(self) -> fx.Node:
        """What it convolves."""
        arguments: Any = self.node.args
        image: fx.Node = arguments[0]
        return image

    @property
    def bias(self) -> Any:
        """Its bias, or None."""
        return self.node.args[2] if len(self.node.args) > 2 else None

    @property
    def is_quantized(self) -> bool:
        """Whether its weight is stored as integers."""
        return self.node.args[1] is not self.weight


def atrous_convolutions(
    editor: ProgramEditor, modules: frozenset[str] | None = None
) -> list[AtrousConvolution]:
    """Return the convolutions of constant weight that are called with a rate above 1, in order.

    Args:
        editor: the program.
        modules: paths of those wanted; None for all.
    """
    return [
        described
        for node in editor.calls(CONVOLUTION)
        if (described := _describe(editor, node))
        and (modules is None or editor.module_path(described.weight) in modules)
    ]


def reach_of(convolution: AtrousConvolution) -> Pair:
    """Return the height and width that a filter spans: (k - 1) r + 1."""
    height, width = (
        (taps - 1) * rate + 1
        for taps, rate in zip(convolution.kernel_hw, convolution.rate_hw, strict=True)
    )
    return height, width


def _describe(editor: ProgramEditor, node: fx.Node) -> AtrousConvolution | None:
    arguments: Any = node.args
    weight = arguments[1]
    if weight.target is DEQUANTIZE_CHANNELS:
        weight = weight.args[0]
    settings: tuple[Any, ...] = tuple(arguments[3:])
    stride, padding, rate, groups = (*settings, *_DEFAULTS[len(settings) :])
    if max(rate) == 1 or not editor.is_constant(weight):
        return None
    kernel = editor.constant(weight).shape[2:]
    reach = [1 if taps == 1 else step for taps, step in zip(kernel, _pair(rate), strict=True)]
    return AtrousConvolution(
        node=node,
        weight=weight,
        kernel_hw=_pair(kernel),
        stride_hw=_pair(stride),
        padding_hw=_pair(padding),
        rate_hw=_pair(reach),
        groups=groups,
        image_shape=tuple(arguments[0].meta["val"].shape),
    )


_DEFAULTS: tuple[Any, ...] = ([1, 1], [0, 0], [1, 1], 1)
"""Stride, padding, rate and groups of a call that leaves them out."""


def _pair(values: Any) -> Pair:
    height, width = values
    return int(height), int(width)
