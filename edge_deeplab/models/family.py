"""The papers' family: every named network, with where it is described.

They are the papers' architectures on timm's ImageNet backbones; how they were trained is not part of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from edge_deeplab.errors import unknown_choice
from edge_deeplab.models.backbones import BACKBONES, get_backbone
from edge_deeplab.models.spec import ASPPSpec, Convolution, DecoderSpec, ModelSpec, SummedSpec

V3_PLUS = "deeplabv3plus_"
_FC6_FC7 = (1024, 1024)
_ELSEWHERE = ("vgg16", "resnet50c", "resnet101c")
"""Backbones of the papers before it, and of mmsegmentation's networks, which are imported."""


@dataclass(frozen=True)
class NamedSpec:
    """A named network.

    Args:
        spec: what it consists of.
        source: paper and section.
    """

    spec: ModelSpec
    source: str


def _largefov() -> NamedSpec:
    head = SummedSpec(rates=(12,), hidden=_FC6_FC7)
    return NamedSpec(
        ModelSpec(name="deeplabv1_largefov_vgg16", backbone="vgg16", summed=head, output_stride=8),
        "DeepLabV1, arXiv 1412.7062, sections 3.1 and 3.2",
    )


def _v2(size: str, rates: tuple[int, ...], backbone: str) -> NamedSpec:
    """VGG-16's branches are its own fc6 and fc7; ResNet's give scores at once."""
    is_vgg = backbone == "vgg16"
    spec = ModelSpec(
        name=f"deeplabv2_aspp_{size}_{backbone}",
        backbone=backbone,
        summed=SummedSpec(rates=rates, hidden=_FC6_FC7 if is_vgg else ()),
        output_stride=8,
        first_dilated=not is_vgg,
    )
    return NamedSpec(spec, "DeepLabV2, arXiv 1606.00915, section 3.2")


def _v3(backbone: str) -> NamedSpec:
    spec = ModelSpec(
        name=f"deeplabv3_{backbone}",
        backbone=backbone,
        aspp=ASPPSpec(),
        first_dilated=True,
        multi_grid=(1, 2, 4),
    )
    return NamedSpec(spec, "DeepLabV3, arXiv 1706.05587, sections 3.2.1 and 3.3")


def _v3_plus(backbone: str) -> NamedSpec:
    convolution: Convolution = "normed" if get_backbone(backbone).separable else "dense"
    spec = ModelSpec(
        name=f"{V3_PLUS}{backbone}",
        backbone=backbone,
        aspp=ASPPSpec(convolution=convolution),
        decoder=DecoderSpec(convolution=convolution),
    )
    section = "3.2" if backbone.startswith("xception") else "3.1"
    return NamedSpec(spec, f"DeepLabV3+, arXiv 1802.02611, section {section}")


_NAMED = (
    *(_v3_plus(backbone) for backbone in BACKBONES if backbone not in _ELSEWHERE),
    *(_v3(backbone) for backbone in ("resnet50", "resnet101")),
    *(
        _v2(size, rates, backbone)
        for backbone in ("resnet101", "vgg16")
        for size, rates in (("s", (2, 4, 8, 12)), ("l", (6, 12, 18, 24)))
    ),
    _largefov(),
)

FAMILY: Mapping[str, NamedSpec] = {member.spec.name: member for member in _NAMED}
"""Every named network, the newest paper's first."""


def find_spec(name: str) -> ModelSpec:
    """Return a named spec; a backbone's name alone means DeepLabV3+ on it.

    Raises:
        ConfigError: when there is none of that name.
    """
    member = FAMILY.get(str(name)) or FAMILY.get(f"{V3_PLUS}{name}")
    if member is None:
        raise unknown_choice("model", name, list(FAMILY))
    return member.spec
