"""mmsegmentation: its DeepLabV3 and DeepLabV3+ on ResNetV1c, by name or by their configuration as JSON.

The configuration that lies in a checkpoint is code and is not run; `mmengine.Config.fromfile(...).dump("config.json")`
writes it as JSON.
"""

from collections.abc import Iterator
from typing import cast

from edge_deeplab.description import Normalisation
from edge_deeplab.documents import Fields
from edge_deeplab.models.foreign.renaming import Renames, block
from edge_deeplab.models.foreign.told import IMAGENET, Source, Told, only_value, value_or
from edge_deeplab.models.spec import ASPPSpec, Convolution, DecoderSpec, ModelSpec

_STRIDES = {8: ((1, 2, 1, 1), (1, 1, 2, 4)), 16: ((1, 2, 2, 1), (1, 1, 1, 2))}
"""By output stride, strides and dilations of the stages."""
_HEADS = {"ASPPHead": False, "DepthwiseSeparableASPPHead": True}
"""Whether a head is that of DeepLabV3+."""
_BACKBONE_KEYS = {
    *("type", "depth", "num_stages", "out_indices", "dilations", "strides", "contract_dilation"),
    *("norm_cfg", "norm_eval", "style", "multi_grid", "pretrained", "init_cfg", "frozen_stages"),
    *("with_cp", "in_channels", "stem_channels", "base_channels", "avg_down", "deep_stem"),
}
_HEAD_KEYS = {
    *("type", "in_channels", "in_index", "input_transform", "channels", "num_classes"),
    *("out_channels", "threshold", "conv_cfg", "norm_cfg", "act_cfg", "align_corners", "dilations"),
    *("dropout_ratio", "loss_decode", "ignore_index", "sampler", "init_cfg"),
}
_PLUS_KEYS = {"c1_in_channels", "c1_channels"}


def _spec(depth: int, *, is_plus: bool) -> ModelSpec:
    convolution: Convolution = "normed" if is_plus else "dense"
    return ModelSpec(
        name=f"mmseg_deeplabv3{'plus' if is_plus else ''}_r{depth}",
        backbone=f"resnet{depth}c",
        aspp=ASPPSpec((12, 24, 36), convolution, 512, pooling="first", project_kernel=3),
        decoder=DecoderSpec(channels=512, convolution=convolution) if is_plus else None,
        output_stride=8,
    )


def read_config(document: Fields) -> Told:
    """Return what a configuration's table `model` means; defaults are theirs."""
    model = document.fields("model")
    model.choice("type", ("EncoderDecoder",))
    head, backbone = model.fields("decode_head"), model.fields("backbone")
    is_plus = _HEADS[head.choice("type", _HEADS)]
    _check_head(head, is_plus=is_plus)
    rates = value_or(head, "dilations", [1, 6, 12, 18])
    if not isinstance(rates, list) or rates[:1] != [1]:
        raise ValueError(
            f"model.decode_head.dilations is {rates!r:.60}, not a list that begins with 1"
        )
    _check_norms(backbone, head)
    channels = head.get("channels")
    options = {
        "output_stride": _output_stride(backbone),
        "aspp": {"rates": rates[1:], "channels": channels},
        "align_corners": value_or(head, "align_corners", False),
    }
    if is_plus:
        options["decoder"] = {"channels": channels, "reduced_channels": head.get("c1_channels")}
    return Told(
        _spec(_depth(backbone), is_plus=is_plus).with_options(options), _normalisation(model)
    )


def _check_head(head: Fields, *, is_plus: bool) -> None:
    head.only(_HEAD_KEYS | _PLUS_KEYS if is_plus else _HEAD_KEYS)
    if head.has("act_cfg"):
        head.fields("act_cfg").choice("type", ("ReLU",))
    if head.has("in_index"):
        head.choice("in_index", (-1, 3))
    only_value(head, "conv_cfg", None, "convolutions are torch's own here")
    only_value(head, "input_transform", None, "the head reads the last stage")
    if head.has("out_channels"):
        classes = value_or(head, "num_classes", None)
        only_value(head, "out_channels", classes, "each class has a channel of scores")


def _depth(backbone: Fields) -> int:
    backbone.only(_BACKBONE_KEYS)
    backbone.choice("type", ("ResNetV1c",))
    only_value(backbone, "style", "pytorch", "caffe's strides stand elsewhere")
    only_value(backbone, "multi_grid", None, "its factors replace dilations, which no spec says")
    only_value(backbone, "contract_dilation", True, "the backbones here contract", unsaid=False)
    return cast(int, backbone.choice("depth", (50, 101)))


def _output_stride(backbone: Fields) -> int:
    pair = tuple(tuple(backbone.integers(key, 4, 1, 64)) for key in ("strides", "dilations"))
    for stride, known in _STRIDES.items():
        if pair == known:
            return stride
    raise ValueError(f"strides and dilations are {pair}, not those of output stride 8 or 16")


def _check_norms(*parts: Fields) -> None:
    for part in parts:
        if part.has("norm_cfg"):
            norm = part.fields("norm_cfg")
            norm.choice("type", ("BN", "SyncBN"))
            only_value(norm, "eps", 1e-5, "head and backbone have timm's and torch's here")


def _normalisation(model: Fields) -> Normalisation:
    if not model.has("data_preprocessor"):
        return IMAGENET
    told = model.fields("data_preprocessor")
    only_value(told, "bgr_to_rgb", True, "pictures are RGB here", unsaid=False)
    mean, std = told.numbers("mean", 3), told.numbers("std", 3)
    return Normalisation(
        cast("tuple[float, float, float]", mean), cast("tuple[float, float, float]", std)
    )


def renames(spec: ModelSpec, aspp: ASPPSpec) -> Renames:
    """Return the names of its tensors to ours."""
    head, convolution = "decode_head", aspp.convolution
    table = {
        "backbone": "backbone",
        **dict(_stem()),
        **block("aspp.branches.0.project", "dense", *_layers(f"{head}.image_pool.1", "dense")),
        **block("aspp.branches.1", "dense", *_layers(f"{head}.aspp_modules.0", "dense")),
        **block("aspp.project", "dense", *_layers(f"{head}.bottleneck", "dense")),
        f"{head}.conv_seg": "classifier",
    }
    for i, _ in enumerate(aspp.rates, 1):
        layers = _layers(f"{head}.aspp_modules.{i}", convolution)
        table |= block(f"aspp.branches.{i + 1}", convolution, *layers)
    if spec.decoder is not None:
        table |= block("decoder.reduce", "dense", *_layers(f"{head}.c1_bottleneck", "dense"))
        for i in range(spec.decoder.blocks):
            layers = _layers(f"{head}.sep_bottleneck.{i}", "normed")
            table |= block(f"decoder.refine.{i}", "normed", *layers)
    return table


def _layers(theirs: str, convolution: Convolution) -> Iterator[str]:
    halves = ("",) if convolution == "dense" else (".depthwise_conv", ".pointwise_conv")
    return (f"{theirs}{half}.{layer}" for half in halves for layer in ("conv", "bn"))


def _stem() -> Iterator[tuple[str, str]]:
    """Three 3x3 convolutions; timm has the last batch norm beside them."""
    for i in (0, 1, 3, 4, 6):
        yield f"backbone.stem.{i}", f"backbone.conv1.{i}"
    yield "backbone.stem.7", "backbone.bn1"


MMSEG = Source(
    project="mmsegmentation",
    says="the name of a network, as deeplabv3plus_r50-d8, or its configuration as JSON",
    renames=renames,
    networks={
        f"deeplabv3{'plus' if is_plus else ''}_r{depth}-d8": _spec(depth, is_plus=is_plus)
        for is_plus in (True, False)
        for depth in (50, 101)
    },
    read_config=read_config,
    dropped=("auxiliary_head",),
)
