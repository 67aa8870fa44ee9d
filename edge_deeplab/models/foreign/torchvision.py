"""torchvision: its three DeepLabV3, by the names of their functions."""

from collections.abc import Iterator

from edge_deeplab.models.foreign.renaming import Renames, block, torchvision_aspp
from edge_deeplab.models.foreign.told import Source
from edge_deeplab.models.spec import ASPPSpec, ModelSpec

_MOBILENETV3_STAGES = (2, 3, 4, 2, 3)
"""Inverted residuals of each of timm's stages after the first."""
_SQUEEZED = (2, 4, 5)
"""Stages of these whose blocks have squeeze and excitation."""


def _spec(backbone: str, **fields: object) -> ModelSpec:
    return ModelSpec(
        name=f"torchvision_deeplabv3_{backbone}",
        backbone=backbone,
        aspp=ASPPSpec(rates=(12, 24, 36), neck="dense", dropout=0.5),
        **fields,  # type: ignore[arg-type]
    )


def renames(spec: ModelSpec, aspp: ASPPSpec) -> Renames:
    """Return the names of its tensors to ours."""
    is_mobile = spec.backbone.startswith("mobilenetv3")
    return {
        **(dict(_mobilenetv3()) if is_mobile else {"backbone": "backbone"}),
        **torchvision_aspp("classifier.0", aspp),
        **block("aspp.neck", "dense", "classifier.1", "classifier.2"),
        "classifier.4": "classifier",
    }


def inverted_residuals(stages: tuple[int, ...]) -> Iterator[tuple[int, int, str]]:
    """Return the blocks of timm's mobile networks after the first stage: their number, stage and path."""
    paths = (
        (stage, f"backbone.blocks.{stage}.{i}")
        for stage, count in enumerate(stages, 1)
        for i in range(count)
    )
    return ((number, stage, path) for number, (stage, path) in enumerate(paths))


def _mobilenetv3() -> Iterator[tuple[str, str]]:
    yield from _pair("backbone.0", "backbone.conv_stem", "backbone.bn1")
    first = "backbone.blocks.0.0"
    yield from _pair("backbone.1.block.0", f"{first}.conv_dw", f"{first}.bn1")
    yield from _pair("backbone.1.block.1", f"{first}.conv_pw", f"{first}.bn2")
    for number, stage, ours in inverted_residuals(_MOBILENETV3_STAGES):
        theirs = f"backbone.{number + 2}.block"
        yield from _pair(f"{theirs}.0", f"{ours}.conv_pw", f"{ours}.bn1")
        yield from _pair(f"{theirs}.1", f"{ours}.conv_dw", f"{ours}.bn2")
        if stage in _SQUEEZED:
            yield f"{theirs}.2.fc1", f"{ours}.se.conv_reduce"
            yield f"{theirs}.2.fc2", f"{ours}.se.conv_expand"
        yield from _pair(
            f"{theirs}.{3 if stage in _SQUEEZED else 2}", f"{ours}.conv_pwl", f"{ours}.bn3"
        )
    yield from _pair("backbone.16", "backbone.blocks.6.0.conv", "backbone.blocks.6.0.bn1")


def _pair(theirs: str, convolution: str, norm: str) -> Iterator[tuple[str, str]]:
    yield f"{theirs}.0", convolution
    yield f"{theirs}.1", norm


TORCHVISION = Source(
    project="torchvision",
    says="the name of a network",
    renames=renames,
    networks={
        "deeplabv3_resnet50": _spec("resnet50", output_stride=8),
        "deeplabv3_resnet101": _spec("resnet101", output_stride=8),
        "deeplabv3_mobilenet_v3_large": _spec(
            "mobilenetv3_large_100", first_dilated=True, batch_norm_eps=1e-3
        ),
    },
    dropped=("aux_classifier",),
)
