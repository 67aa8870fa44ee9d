"""A network as the graph of its operators: what a file holds whose training code is lost.

The idea to hold: the graph is data, one operator after another, each reading only what stands before it, so a
checkpoint that carries one names no code and can hold no circle. Every operator is one module, so the network is
traced, trained, pruned, quantized and exported as any other. Sizes follow the picture: a resize takes the size of
another value of the graph, TensorFlow's "same" padding that of its input.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.documents import Fields
from edge_deeplab.errors import ConfigError
from edge_deeplab.models.padded_convolution import SAME, Edges, PaddedConv2d
from edge_deeplab.models.quantization import IMAGE
from edge_deeplab.models.spec import DEEPLAB, Parts
from edge_deeplab.text import first_line

MODEL = "operator_graph"
"""What a checkpoint calls the network, and the key of what builds it."""
CLASSIFIER = "classifier"

_NAME = re.compile(r"[a-z]+6?(_[a-z]+)?_[0-9]{1,6}")
_MOST_OPERATORS, _MOST_CHANNELS, _MOST_TAPS, _MOST_PADDING = 4096, 1 << 16, 1 << 10, 1 << 10
_MOST_VALUES = 1 << 28
"""Numbers of one value of the graph, for one picture."""


@dataclass(frozen=True)
class GraphOperator:
    """One operator.

    Args:
        name: of its module, "KIND_NUMBER" or `CLASSIFIER`.
        kind: a key of `_KINDS`.
        inputs: names of the values that it reads: operators before it, or `IMAGE`.
        settings: those of its kind.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Where its module stands: the classifier by itself, all others below `backbone`."""
        return self.name if self.name == CLASSIFIER else f"backbone.{self.name}"

    def to_json(self) -> dict[str, Any]:
        """Return it as a checkpoint's metadata has it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "inputs": list(self.inputs),
            **{k: list(v) if isinstance(v, tuple) else v for k, v in self.settings.items()},
        }


@dataclass(frozen=True)
class GraphSpec:
    """What such a network consists of, as plain values: the counterpart of `models.spec.ModelSpec`.

    Args:
        operators: as `GraphOperator.to_json` gives them.
        name: what the network is called.
        factory: a key of `models.deeplab.FACTORIES`.
    """

    operators: Sequence[Mapping[str, Any]]
    name: str = MODEL
    factory: str = MODEL

    @property
    def parts(self) -> Parts:
        """Which layers are backbone and classifier."""
        return DEEPLAB

    def at_stride(self, output_stride: int) -> "GraphSpec":
        """Refuse another output stride.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            f"output stride {output_stride} came with an imported graph, which has its atrous rates from the file that "
            "it was imported from; none was expected; leave it out"
        )

    def with_num_classes(self, num_classes: int) -> "GraphSpec":
        """Return the same graph with a classifier of so many classes."""
        return GraphSpec(
            [
                {**entry, "channels": num_classes} if entry["name"] == CLASSIFIER else entry
                for entry in self.operators
            ]
        )


class _Add(nn.Module):
    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return first + second


class _Concatenate(nn.Module):
    def forward(self, *parts: torch.Tensor) -> torch.Tensor:
        return torch.cat(parts, 1)


class _Mean(nn.Module):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values.mean((2, 3), keepdim=True)  # (N, C, 1, 1)


class _Resize(nn.Module):
    def __init__(self, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners

    def forward(self, values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(
            values, size=like.shape[-2:], mode="bilinear", align_corners=self.align_corners
        )


def _convolution(settings: Mapping[str, Any], channels: int) -> nn.Module:
    """Return a plain convolution where the same zeros stand on opposite sides, else one that pads by itself."""
    edges = settings["edges"]
    if edges == SAME or edges[:2] != edges[2:]:
        return PaddedConv2d(channels, settings)
    return nn.Conv2d(
        channels,
        settings["channels"],
        settings["kernel_hw"],
        settings["stride_hw"],
        padding=edges[:2],
        dilation=settings["rate_hw"],
        groups=settings["groups"],
    )


def _zero_pad(settings: Mapping[str, Any], channels: int) -> nn.Module:
    top, left, bottom, right = settings["edges"]
    return nn.ZeroPad2d((left, right, top, bottom))


@dataclass(frozen=True)
class _Kind:
    """A kind of operator: what stands in its settings, how many values it reads, and its module by input channels."""

    settings: tuple[str, ...]
    inputs: tuple[int, int]
    build: Callable[[Mapping[str, Any], int], nn.Module]


_POOL = ("kernel_hw", "stride_hw")
_KINDS: Mapping[str, _Kind] = {
    "conv": _Kind(
        ("channels", "kernel_hw", "stride_hw", "rate_hw", "groups", "edges"), (1, 1), _convolution
    ),
    "relu": _Kind((), (1, 1), lambda settings, channels: nn.ReLU()),
    "relu6": _Kind((), (1, 1), lambda settings, channels: nn.ReLU6()),
    "add": _Kind((), (2, 2), lambda settings, channels: _Add()),
    "cat": _Kind((), (2, 64), lambda settings, channels: _Concatenate()),
    "mean": _Kind((), (1, 1), lambda settings, channels: _Mean()),
    "max_pool": _Kind(
        _POOL, (1, 1), lambda settings, channels: nn.MaxPool2d(*(settings[k] for k in _POOL))
    ),
    "average_pool": _Kind(
        _POOL, (1, 1), lambda settings, channels: nn.AvgPool2d(*(settings[k] for k in _POOL))
    ),
    "pad": _Kind(("edges",), (1, 1), _zero_pad),
    "resize": _Kind(
        ("align_corners",), (2, 2), lambda settings, channels: _Resize(settings["align_corners"])
    ),
}


class OperatorGraph(nn.Module):
    """The network of a graph; of a checkpoint's, build it on the meta device and give it the tensors it has.

    Args:
        operators: as `read_operators` checked them; the last one gives the logits.
    """

    def __init__(self, operators: Sequence[GraphOperator]) -> None:
        super().__init__()
        channels = _channels(operators)
        modules = {
            o.name: _KINDS[o.kind].build(o.settings, channels[o.inputs[0]]) for o in operators
        }
        self.classifier = modules.pop(CLASSIFIER)
        self.backbone = nn.ModuleDict(modules)
        self.operators = tuple(operators)
        last_read = {name: o.name for o in operators for name in o.inputs}
        self._done = {
            o.name: [name for name, reader in last_read.items() if reader == o.name]
            for o in operators
        }

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits.

        Args:
            images: (N, 3, H, W) float, RGB, already normalised.

        Returns:
            (N, num_classes, H, W) logits.
        """
        values = {IMAGE: images}
        for operator in self.operators:
            module = self.get_submodule(operator.path)
            values[operator.name] = module(*(values[name] for name in operator.inputs))
            for name in self._done[operator.name]:
                del values[name]
        return values[self.operators[-1].name]


def read_operators(document: Fields, num_classes: int) -> tuple[GraphOperator, ...]:
    """Return the graph of a document.

    Args:
        document: with the field `operators`.
        num_classes: channels of the classifier.

    Raises:
        ValueError: when it is no graph of known operators that read what stands before them, has not one classifier
            with a channel a class, or numbers that no network has.
    """
    operators: list[GraphOperator] = []
    known = {IMAGE}
    for entry in document.every("operators", 1, _MOST_OPERATORS):
        operator = _read_operator(entry, known)
        known.add(operator.name)
        operators.append(operator)
    _channels(operators)
    last = next((o for o in operators if o.name == CLASSIFIER), None)
    if last is None or last.kind != "conv" or last.settings["channels"] != num_classes:
        raise ValueError(
            f"no convolution {CLASSIFIER!r} has a channel for each of {num_classes} classes"
        )
    return tuple(operators)


def read_graph(document: Fields, num_classes: int) -> GraphSpec:
    """Return the spec of a checkpoint's document; arguments and errors as for `read_operators`."""
    document.only({"factory", "name", "operators"})
    document.choice("name", [MODEL])
    return graph_of(read_operators(document, num_classes))


def graph_of(operators: Sequence[GraphOperator]) -> GraphSpec:
    """Return operators as the spec that a checkpoint holds."""
    return GraphSpec([operator.to_json() for operator in operators])


def needed_for(name: str, operators: Sequence[GraphOperator]) -> list[GraphOperator]:
    """Return the operators that a value is computed by, its own among them, in order."""
    needed, kept = {name}, []
    for operator in reversed(operators):
        if operator.name in needed:
            needed.update(operator.inputs)
            kept.append(operator)
    return kept[::-1]


def build_graph(spec: GraphSpec, num_classes: int) -> OperatorGraph:
    """Return the network of a spec; errors as for `read_operators`."""
    return OperatorGraph(read_operators(Fields({"operators": spec.operators}), num_classes))


def _read_operator(entry: Fields, known: set[str]) -> GraphOperator:
    name, kind = entry.text("name"), entry.choice("kind", _KINDS)
    form = _KINDS[kind]
    entry.only({"name", "kind", "inputs", *form.settings})
    if name in known or not (name == CLASSIFIER or _NAME.fullmatch(name)):
        raise ValueError(f"operator {name!r} comes twice, or has no name such as conv_12")
    inputs = entry.texts("inputs")
    if not form.inputs[0] <= len(inputs) <= form.inputs[1] or not known.issuperset(inputs):
        raise ValueError(
            f"operator {name!r} reads {len(inputs)} values, or one that does not stand before it"
        )
    settings = {key: _SETTINGS[key](entry) for key in form.settings}
    return GraphOperator(name, kind, inputs, settings)


def _read_edges(entry: Fields) -> Edges | str:
    if entry.get("edges") == SAME and entry.get("kind") == "conv":
        return SAME
    return cast(Edges, entry.integers("edges", 4, 0, _MOST_PADDING))


_SETTINGS: Mapping[str, Callable[[Fields], Any]] = {
    "channels": lambda entry: entry.integer("channels", 1, _MOST_CHANNELS),
    "groups": lambda entry: entry.integer("groups", 1, _MOST_CHANNELS),
    **{
        key: lambda entry, key=key: entry.integers(key, 2, 1, _MOST_TAPS)  # type: ignore[misc]
        for key in ("kernel_hw", "stride_hw", "rate_hw")
    },
    "edges": _read_edges,
    "align_corners": lambda entry: entry.choice("align_corners", (True, False)),
}


def _channels(operators: Sequence[GraphOperator]) -> dict[str, int]:
    """Return the channels of every value.

    Raises:
        ValueError: when they do not fit together.
    """
    channels = {IMAGE: 3}
    for operator in operators:
        read = [channels[name] for name in operator.inputs]
        channels[operator.name] = {"conv": _of_convolution, "add": _of_sum, "cat": _of_parts}.get(
            operator.kind, _of_first
        )(operator, read)
    return channels


def _of_first(operator: GraphOperator, read: Sequence[int]) -> int:
    return read[0]


def _of_convolution(operator: GraphOperator, read: Sequence[int]) -> int:
    written, groups = operator.settings["channels"], operator.settings["groups"]
    if read[0] % groups or written % groups:
        raise ValueError(f"operator {operator.name!r} has {groups} groups of {read[0]} channels")
    return int(written)


def _of_sum(operator: GraphOperator, read: Sequence[int]) -> int:
    if len({*read}) > 1:
        raise ValueError(f"operator {operator.name!r} adds {read[0]} channels and {read[1]}")
    return read[0]


def _of_parts(operator: GraphOperator, read: Sequence[int]) -> int:
    if sum(read) > _MOST_CHANNELS:
        raise ValueError(f"operator {operator.name!r} has {sum(read)} channels")
    return sum(read)


def sizes_at(network: OperatorGraph, size_hw: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """Return the (N, C, H, W) of every value for one picture of a size, found on shapes alone.

    Args:
        network: on the meta device.
        size_hw: height and width of the picture.

    Raises:
        ValueError: when they do not fit together, or one is of more numbers than any network has.
    """
    found: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Callable[[Any, Any, torch.Tensor], None]:
        def see(module: Any, inputs: Any, output: torch.Tensor) -> None:
            found[name] = tuple(output.shape)
            if prod(output.shape) > _MOST_VALUES:
                raise ValueError(f"operator {name!r} gives {prod(output.shape)} numbers")

        return see

    hooks = [
        network.get_submodule(o.path).register_forward_hook(note(o.name)) for o in network.operators
    ]
    try:
        with torch.no_grad():
            network(torch.empty(1, 3, *size_hw, device="meta"))
    except RuntimeError as error:
        raise ValueError(f"its operators do not fit together ({first_line(error)})") from error
    finally:
        for hook in hooks:
            hook.remove()
    return found
