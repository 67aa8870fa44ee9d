"""Channels that can only be removed together: DepGraph's dependencies (Fang et al., arXiv 2301.12900) as plain data.

The idea to hold: a group is a row of channels, and each member says where those channels lie along one axis of one
layer. A concatenation couples stretches of channels of different origin; each stretch is a group of its own here.
"""

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from edge_deeplab.errors import ConfigError, require
from edge_deeplab.models.spec import DEEPLAB, Parts
from edge_deeplab.models.widths import PROBE_HW, is_depthwise
from edge_deeplab.text import first_line

Side = Literal["in", "out"]


@dataclass(frozen=True)
class Member:
    """Where a group's channels lie in one layer.

    Args:
        path: path of the module.
        side: "out" is the first axis of its tensors, "in" the second axis of a convolution's weight. Batch norm and
            depthwise convolutions have "out" alone.
        positions: of the group's channels along that axis, in the group's order.
    """

    path: str
    side: Side
    positions: tuple[int, ...]


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that are removed in all members or in none.

    Args:
        name: path of the first convolution that computes them from others.
        members: every layer that has them.
    """

    name: str
    members: tuple[Member, ...]

    @property
    def channels(self) -> int:
        """How many channels the group has."""
        return len(self.members[0].positions)


def find_groups(
    model: nn.Module, parts: Parts = DEEPLAB, size_hw: tuple[int, int] = PROBE_HW
) -> list[ChannelGroup]:
    """Return the groups of a network that may be pruned: all but the image's channels and the classifier's classes.

    Groups with a grouped convolution that is not depthwise are left out: its channels cannot go one by one.

    Args:
        model: network of (1, 3, H, W) images, in evaluation mode.
        parts: which layers are its classifier, whose classes stay.
        size_hw: height and width of the image that it is run on.

    Raises:
        ConfigError: when a layer's channels cannot be followed, or it stands at two places.
        MissingDependencyError: without torch-pruning.
    """
    torch_pruning = require("torch_pruning", package="torch-pruning", extra="compress")
    _refuse_twins(model)
    image = torch.zeros(1, 3, *size_hw, device=next(model.parameters()).device)
    try:
        with torch.enable_grad(), warnings.catch_warnings():
            # of parameters outside of layers: `check_removable` asks what they do
            warnings.simplefilter("ignore")
            graph = torch_pruning.DependencyGraph().build_dependency(model, image)
    except Exception as error:  # a wrapped module's own code runs
        raise ConfigError(
            f"the channels of {type(model).__name__} cannot be followed ({type(error).__name__}: {first_line(error)}); "
            "a network whose operators torch-pruning knows was expected; use another network"
        ) from error
    paths = {module: path for path, module in model.named_modules()}
    classifier = model.get_submodule(parts.classifier).modules()
    ignored = [m for m in classifier if isinstance(m, nn.Conv2d)]
    scores = {paths[m] for m in ignored}
    order = {path: index for index, path in enumerate(paths.values())}
    groups = [
        ChannelGroup(_name(model, members, order), members)
        for coupled in graph.get_all_groups(ignored_layers=ignored, root_module_types=[nn.Conv2d])
        for members in _split(_positions(coupled, graph, paths))
        if _can_be_pruned(model, members)
        and not any(member.side == "out" and member.path in scores for member in members)
    ]
    return sorted(groups, key=lambda group: order[group.name])


def _refuse_twins(model: nn.Module) -> None:
    seen: dict[nn.Module, str] = {}
    for path, layer in model.named_modules(remove_duplicate=False):
        if layer in seen and any(True for _ in layer.parameters()):
            raise ConfigError(
                f"{seen[layer]} and {path} are one layer, whose channels are two things; a layer for each place was "
                "expected; give each a copy"
            )
        seen[layer] = path


def _positions(
    coupled: Any, graph: Any, paths: dict[nn.Module, str]
) -> dict[tuple[str, Side], dict[int, int]]:
    """Return, by layer and side, where each of the root's channels lies."""
    found: dict[tuple[str, Side], dict[int, int]] = {}
    for item in coupled:
        layer = item.dep.target.module
        if not isinstance(layer, nn.Conv2d | nn.BatchNorm2d):
            if layer in paths and any(True for _ in layer.parameters()):
                raise ConfigError(
                    f"the channels of {paths[layer]} ({type(layer).__name__}) cannot be followed; convolutions and "
                    "batch norm were expected; use another network"
                )
            continue
        one_axis = isinstance(layer, nn.BatchNorm2d) or is_depthwise(layer)
        is_out = one_axis or graph.is_out_channel_pruning_fn(item.dep.handler)
        if max(item.idxs, default=0) >= _width(layer, is_out):
            raise ConfigError(
                f"{paths[layer]} has {_width(layer, is_out)} channels, which cannot be followed through what stands "
                "before it; operators that leave channels where they are were expected; use another network"
            )
        at = found.setdefault((paths[layer], "out" if is_out else "in"), {})
        at.update(zip(item.root_idxs, item.idxs, strict=True))
    return found


def _width(layer: nn.Conv2d | nn.BatchNorm2d, is_out: bool) -> int:
    if isinstance(layer, nn.BatchNorm2d):
        return layer.num_features
    return layer.out_channels if is_out else layer.in_channels


def _split(at: dict[tuple[str, Side], dict[int, int]]) -> list[tuple[Member, ...]]:
    """Split coupled layers into stretches of channels that are in the same layers."""
    layers_of: dict[int, list[tuple[str, Side]]] = defaultdict(list)
    for layer, places in at.items():
        for channel in places:
            layers_of[channel].append(layer)
    stretches: dict[tuple[tuple[str, Side], ...], list[int]] = defaultdict(list)
    for channel in sorted(layers_of):
        stretches[tuple(layers_of[channel])].append(channel)
    return [
        tuple(
            Member(path, side, tuple(at[path, side][c] for c in channels)) for path, side in layers
        )
        for layers, channels in stretches.items()
    ]


def _can_be_pruned(model: nn.Module, members: Sequence[Member]) -> bool:
    """Whether a dense convolution writes the channels, and every layer that has them can lose single ones."""
    layers = [model.get_submodule(member.path) for member in members]
    grouped = [
        isinstance(layer, nn.Conv2d) and layer.groups > 1 and not is_depthwise(layer)
        for layer in layers
    ]
    return bool(_dense_writers(model, members)) and not any(grouped)


def _name(model: nn.Module, members: Sequence[Member], order: Mapping[str, int]) -> str:
    return min(_dense_writers(model, members), key=order.__getitem__)


def _dense_writers(model: nn.Module, members: Sequence[Member]) -> list[str]:
    writers = [member.path for member in members if member.side == "out"]
    return [path for path in writers if _is_dense(model.get_submodule(path))]


def _is_dense(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and not is_depthwise(layer)
