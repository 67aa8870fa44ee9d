"""segmentation_models.pytorch: DeepLabV3 and DeepLabV3Plus; `save_pretrained` writes their configuration.

Its rates are those that were passed, at every output stride, and its own encoders dilate a stage from its first
convolution on, which timm's (`tu-`) do not.
"""

from edge_deeplab.description import Normalisation
from edge_deeplab.documents import Fields
from edge_deeplab.models.backbones import BACKBONES
from edge_deeplab.models.foreign.renaming import Renames, block, torchvision_aspp, torchvision_block
from edge_deeplab.models.foreign.told import IMAGENET, Source, Told, only_value, value_or
from edge_deeplab.models.spec import ASPPSpec, ModelSpec, read_spec
from edge_deeplab.models.torchvision_without_operators import load_timm

_TIMM = "tu-"
_OWN = ("resnet50", "resnet101")
_LIKE_TIMM = tuple(name for name in BACKBONES if not name.startswith(("vgg", "xception")))
_REASONS = {
    "mobilenet_v2": ", whose features end in the 1280 channels of a classifier's convolution",
}
_ARGUMENTS = {
    *("_model_class", "encoder_name", "encoder_depth", "encoder_weights", "encoder_output_stride"),
    *("decoder_channels", "decoder_atrous_rates", "decoder_aspp_separable", "decoder_aspp_dropout"),
    *("in_channels", "classes", "activation", "upsampling", "aux_params"),
}


def read_config(document: Fields) -> Told:
    """Return what the arguments of `smp.DeepLabV3` or `smp.DeepLabV3Plus` mean; defaults are theirs."""
    document.only(_ARGUMENTS)
    is_plus = document.choice("_model_class", ("DeepLabV3", "DeepLabV3Plus")) == "DeepLabV3Plus"
    encoder = document.text("encoder_name")
    stride = value_or(document, "encoder_output_stride", 16 if is_plus else 8)
    only_value(document, "in_channels", 3, "pictures have three channels")
    only_value(document, "encoder_depth", 5, "a DeepLab reads what comes after all five stages")
    only_value(
        document,
        "upsampling",
        4 if is_plus else stride,
        "scores must come out at the picture's size",
    )
    channels = value_or(document, "decoder_channels", 256)
    separable = value_or(document, "decoder_aspp_separable", is_plus)
    spec = read_spec(
        {
            "name": f"smp_{'deeplabv3plus' if is_plus else 'deeplabv3'}_{encoder}",
            "backbone": _backbone(encoder),
            "aspp": {
                "rates": value_or(document, "decoder_atrous_rates", (12, 24, 36)),
                "convolution": "bare" if separable else "dense",
                "channels": channels,
                "neck": "bare" if is_plus else "dense",
                "dropout": value_or(document, "decoder_aspp_dropout", 0.5),
            },
            "decoder": {"blocks": 1, "channels": channels, "convolution": "bare"}
            if is_plus
            else None,
            "output_stride": stride,
            "first_dilated": not encoder.startswith(_TIMM),
            "align_corners": True,
        }
    )
    return Told(spec, _normalisation(encoder))


def _backbone(encoder: str) -> str:
    """Return which backbone an encoder is."""
    if encoder in _OWN:
        return encoder
    timm_name = encoder.removeprefix(_TIMM).partition(".")[0]
    if encoder.startswith(_TIMM) and timm_name in _LIKE_TIMM:
        return timm_name
    choices = ", ".join([*_OWN, *(f"{_TIMM}{name}" for name in _LIKE_TIMM)])
    reason = _REASONS.get(encoder, "")
    raise ValueError(f"encoder_name is {encoder!r:.60}{reason}; one of {choices} was expected")


def _normalisation(encoder: str) -> Normalisation:
    """Return what `smp.encoders.get_preprocessing_params` says, in units of 0..255."""
    if not encoder.startswith(_TIMM):
        return IMAGENET
    told = load_timm().get_pretrained_cfg(encoder.removeprefix(_TIMM))
    if told is None:
        raise ValueError(f"encoder_name is {encoder!r:.60}, whose weights timm does not know")
    (r, g, b), (red, green, blue) = (
        tuple(255 * v for v in values) for values in (told.mean, told.std)
    )
    return Normalisation((r, g, b), (red, green, blue))


def renames(spec: ModelSpec, aspp: ASPPSpec) -> Renames:
    """Return the names of its tensors to ours; versions before 0.4 numbered the decoder of DeepLabV3."""
    shared = {
        "encoder": "backbone",
        "encoder.model": "backbone",
        "segmentation_head.0": "classifier",
    }
    if spec.decoder is None:
        return {
            **shared,
            **torchvision_aspp("decoder.aspp", aspp),
            **torchvision_aspp("decoder.0", aspp),
            **block("aspp.neck", "dense", "decoder.conv", "decoder.bn"),
            **block("aspp.neck", "dense", "decoder.1", "decoder.2"),
        }
    return {
        **shared,
        **torchvision_aspp("decoder.aspp.0", aspp),
        **torchvision_block("aspp.neck", "bare", "decoder.aspp.1", "decoder.aspp.2"),
        **block("decoder.reduce", "dense", "decoder.block1.0", "decoder.block1.1"),
        **torchvision_block("decoder.refine.0", "bare", "decoder.block2.0", "decoder.block2.1"),
    }


SMP = Source(
    project="segmentation_models.pytorch",
    says="the config.json that save_pretrained writes, or the same as TOML",
    renames=renames,
    read_config=read_config,
    dropped=("classification_head",),
)
