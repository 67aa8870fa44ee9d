"""A DeepLabV3+ on a backbone of MobileNetV2's blocks, one a stage: its kinds of operators, files in half the time."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from edge_deeplab.models.backbones import BACKBONES
from edge_deeplab.models.family import FAMILY
from edge_deeplab.models.torchvision_without_operators import load_timm

FULL, SHALLOW = "mobilenetv2_100", "shallow_mobilenetv2"
NAME = f"deeplabv3plus_{SHALLOW}"
STAGES = (
    "ds_r1_k3_s1_c16",
    "ir_r1_k3_s2_e6_c24",
    "ir_r2_k3_s2_e6_c32",
    "ir_r1_k3_s2_e6_c64",
    "ir_r1_k3_s2_e6_c96",
)
"""timm's notation: repeats, kernel, stride, expansion, channels; the third has a residual."""


def shallow_mobilenetv2(pretrained: bool = False, **options: Any) -> Any:
    """Return timm's network of these stages."""
    from timm.models import _efficientnet_builder as builder
    from timm.models import efficientnet

    blocks = builder.decode_arch_def([[stage] for stage in STAGES])
    channels = partial(builder.round_channels, multiplier=1.0)
    activation = builder.resolve_act_layer(options, "relu6")
    return efficientnet._create_effnet(
        FULL, pretrained, block_args=blocks, round_chs_fn=channels, act_layer=activation, **options
    )


@pytest.fixture(scope="module")
def shallow() -> Iterator[str]:
    """The name of the network, which is one of the family's while a module's tests run."""
    load_timm()
    from timm.models._registry import _model_entrypoints

    member = FAMILY[f"deeplabv3plus_{FULL}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(_model_entrypoints, SHALLOW, shallow_mobilenetv2)
        patch.setitem(BACKBONES, SHALLOW, replace(BACKBONES[FULL], timm_name=SHALLOW))
        spec = replace(member.spec, name=NAME, backbone=SHALLOW)
        patch.setitem(FAMILY, NAME, replace(member, spec=spec))  # type: ignore[arg-type]
        yield NAME
