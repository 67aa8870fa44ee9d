"""Hugging Face's transformers: MobileNetV2ForSemanticSegmentation, TensorFlow's DeepLabV3 without atrous branches.

Its logits have the size of the last features; here they are enlarged as its `post_process_semantic_segmentation` does.
"""

from collections.abc import Iterator

from edge_deeplab.documents import Fields
from edge_deeplab.models.backbones import TENSORFLOW
from edge_deeplab.models.foreign.renaming import Renames, block
from edge_deeplab.models.foreign.told import Source, Told, only_value, value_or
from edge_deeplab.models.foreign.torchvision import inverted_residuals
from edge_deeplab.models.spec import ASPPSpec, ModelSpec, read_spec

_ARCHITECTURE = "MobileNetV2ForSemanticSegmentation"
_STAGES = (2, 3, 4, 3, 3, 1)
"""Inverted residuals of each of timm's stages after the first."""
_FIXED = {
    "num_channels": 3,
    "depth_multiplier": 1,
    "depth_divisible_by": 8,
    "min_depth": 8,
    "expand_ratio": 6,
    "first_layer_is_expansion": True,
    "hidden_act": "relu6",
}
_PARTS = ("convolution", "normalization")


def read_config(document: Fields) -> Told:
    """Return what a `config.json` means; what it leaves out has transformers' defaults."""
    architectures = document.get("architectures")
    if architectures != [_ARCHITECTURE]:
        raise ValueError(f"architectures is {architectures!r:.80}, not {[_ARCHITECTURE]}")
    for key, value in _FIXED.items():
        only_value(document, key, value, "no backbone here is built otherwise")
    spec = read_spec(
        {
            "name": "hf_deeplabv3_mobilenet_v2",
            "backbone": "mobilenetv2_100",
            "aspp": {
                "rates": (),
                "pooling": "first",
                "dropout": value_or(document, "classifier_dropout_prob", 0.8),
            },
            "output_stride": value_or(document, "output_stride", 32),
            "batch_norm_eps": value_or(document, "layer_norm_eps", 1e-3),
            "same_padding": value_or(document, "tf_padding", True),
        }
    )
    return Told(spec, TENSORFLOW, _names(document))


def _names(document: Fields) -> tuple[str, ...] | None:
    """Return the names of the classes, if somebody gave them any: transformers numbers them otherwise."""
    if not document.has("id2label"):
        return None
    labels = document.fields("id2label")
    names = tuple(labels.text(str(i)) for i in range(len(document.table("id2label"))))
    if len(set(names)) < len(names):
        raise ValueError("id2label gives two classes one name")
    return None if names == tuple(f"LABEL_{i}" for i in range(len(names))) else names


def renames(spec: ModelSpec, aspp: ASPPSpec) -> Renames:
    """Return the names of its tensors to ours."""
    head = "segmentation_head"
    return {
        **dict(_backbone()),
        **_block("aspp.branches.0.project", f"{head}.conv_pool"),
        **_block("aspp.branches.1", f"{head}.conv_aspp"),
        **_block("aspp.project", f"{head}.conv_projection"),
        f"{head}.classifier.convolution": "classifier",
    }


def _block(ours: str, theirs: str) -> Renames:
    return block(ours, "dense", *(f"{theirs}.{part}" for part in _PARTS))


def _backbone() -> Iterator[tuple[str, str]]:
    stem, first = "mobilenet_v2.conv_stem", "backbone.blocks.0.0"
    yield from _pair(f"{stem}.first_conv", "backbone.conv_stem", "backbone.bn1")
    yield from _pair(f"{stem}.conv_3x3", f"{first}.conv_dw", f"{first}.bn1")
    yield from _pair(f"{stem}.reduce_1x1", f"{first}.conv_pw", f"{first}.bn2")
    for number, _, ours in inverted_residuals(_STAGES):
        theirs = f"mobilenet_v2.layer.{number}"
        yield from _pair(f"{theirs}.expand_1x1", f"{ours}.conv_pw", f"{ours}.bn1")
        yield from _pair(f"{theirs}.conv_3x3", f"{ours}.conv_dw", f"{ours}.bn2")
        yield from _pair(f"{theirs}.reduce_1x1", f"{ours}.conv_pwl", f"{ours}.bn3")


def _pair(theirs: str, *ours: str) -> Iterator[tuple[str, str]]:
    return zip((f"{theirs}.{part}" for part in _PARTS), ours, strict=True)


HUGGING_FACE = Source(
    project="transformers",
    says="the config.json beside the weights",
    renames=renames,
    read_config=read_config,
    dropped=("mobilenet_v2.conv_1x1",),
)
