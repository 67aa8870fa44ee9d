"""VainF's DeepLabV3Plus-Pytorch: DeepLabV3 and DeepLabV3+ on ResNets, by the names of the files that it writes.

Its MobileNetV2 pads before a block's expansion, so that borders are what ReLU6 makes of batch norm's shift, and no spec
says that; its Xception and HRNet are other networks than timm's.
"""

from edge_deeplab.models.foreign.renaming import Renames, block, torchvision_aspp, torchvision_block
from edge_deeplab.models.foreign.told import Source
from edge_deeplab.models.spec import ASPPSpec, DecoderSpec, ModelSpec

_HALVES = ".body"
"""Where `--separable_conv` has the two convolutions that replace a 3x3."""


def _spec(backbone: str, output_stride: int, *, is_plus: bool) -> ModelSpec:
    spec = ModelSpec(
        name=f"vainf_deeplabv3{'plus' if is_plus else ''}_{backbone}",
        backbone=backbone,
        aspp=ASPPSpec(neck="none" if is_plus else "dense"),
        decoder=DecoderSpec(blocks=1, low_first=True) if is_plus else None,
    )
    return spec.at_stride(output_stride)


def renames(spec: ModelSpec, aspp: ASPPSpec) -> Renames:
    """Return the names of its tensors to ours."""
    head = "classifier.classifier"
    if spec.decoder is None:
        neck = "dense" if aspp.neck == "none" else aspp.neck
        return {
            "backbone": "backbone",
            **torchvision_aspp(f"{head}.0", aspp, halves=_HALVES),
            **torchvision_block("aspp.neck", neck, f"{head}.1", f"{head}.2", halves=_HALVES),
            f"{head}.4": "classifier",
        }
    refine, kind = "decoder.refine.0", spec.decoder.convolution
    return {
        "backbone": "backbone",
        **torchvision_aspp("classifier.aspp", aspp, halves=_HALVES),
        **block("decoder.reduce", "dense", "classifier.project.0", "classifier.project.1"),
        **torchvision_block(refine, kind, f"{head}.0", f"{head}.1", halves=_HALVES),
        f"{head}.3": "classifier",
    }


VAINF = Source(
    project="VainF's DeepLabV3Plus-Pytorch",
    says="the name of a network with its output stride, as deeplabv3plus_resnet50_os16",
    renames=renames,
    networks={
        f"deeplabv3{'plus' if is_plus else ''}_{backbone}_os{stride}": _spec(
            backbone, stride, is_plus=is_plus
        )
        for is_plus in (True, False)
        for backbone in ("resnet50", "resnet101")
        for stride in (16, 8)
    },
    refused={
        "mobilenet": "its blocks pad before their expansion, which gives other borders than any network here",
        "xception": "it is another Xception than timm's",
        "hrnetv2": "there is no HRNet here",
    },
)
