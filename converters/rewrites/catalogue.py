"""The rewrites that an export can ask for, by name: the one list that `export`, the rules and `rewrites` speak of.

Those that every export runs are in `pipeline`. A new one is a module of its own here, an entry below, and a test that
proves its equivalence.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch.export import ExportedProgram

from edge_deeplab.converters.rewrites.argmax_before_upsampling import argmax_before_upsampling
from edge_deeplab.converters.rewrites.cast_whole_pixels import cast_whole_pixels
from edge_deeplab.converters.rewrites.deinterlace import deinterlace
from edge_deeplab.converters.rewrites.hard_activations import (
    clamp_relu6,
    expand_hard_sigmoid,
    expand_hard_swish,
)
from edge_deeplab.converters.rewrites.integer_ratio_resize import integer_ratio_resize
from edge_deeplab.converters.rewrites.logits_before_upsampling import logits_before_upsampling
from edge_deeplab.converters.rewrites.pad_classes import pad_classes
from edge_deeplab.converters.rewrites.resize_as_convolution import resize_as_convolution
from edge_deeplab.converters.rewrites.split_depthwise import split_depthwise
from edge_deeplab.converters.rewrites.split_groups import split_groups
from edge_deeplab.converters.rewrites.spread_pooled_pixel import spread_pooled_pixel
from edge_deeplab.converters.rewrites.zero_insert import zero_insert
from edge_deeplab.errors import unknown_choice

Modules = frozenset[str] | None
"""Paths of the modules that a rewrite is to change; None for all that it fits."""


@dataclass(frozen=True)
class CataloguedRewrite:
    """A rewrite that can be asked for.

    Args:
        apply: maps (program, modules) to the program with those modules rewritten; one it does not fit is left alone.
        does: what it turns into what, one sentence.
        equality: what is proven of the outputs, for example "bit-equal in int8, within 1e-5 in float32".
        asked_by: what asks for it.
    """

    apply: Callable[[ExportedProgram, Modules], ExportedProgram]
    does: str
    equality: str
    asked_by: str = "export --profile NAME, where a rule of the profile names it"


@dataclass(frozen=True)
class StandingRewrite:
    """A rewrite that nobody has to ask for.

    Args:
        name: of its function in `pipeline`, with hyphens.
        does: what it turns into what, one sentence.
        equality: what is proven of the outputs.
        runs_on: the graphs that it runs on.
    """

    name: str
    does: str
    equality: str
    runs_on: str = "every graph"


@dataclass(frozen=True)
class AskedRewrite:
    """A rewrite that an export asks for.

    Args:
        name: a key of `REWRITES`.
        modules: those to change.
        reason: why, for the manifest; a rule's id or the option that was given.
    """

    name: str
    modules: Modules = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the manifest's entry; "modules" is null where all were asked for."""
        modules = None if self.modules is None else sorted(self.modules)
        return {"name": self.name, "modules": modules, "reason": self.reason}


REWRITES: Mapping[str, CataloguedRewrite] = {
    "zero-insert": CataloguedRewrite(
        apply=zero_insert,
        does="an atrous convolution becomes a dense one: its filter gets rate - 1 zeros between the taps",
        equality="bit-equal in int8, within 1e-5 in float32",
        asked_by="export --atrous, or a rule of --profile",
    ),
    "deinterlace": CataloguedRewrite(
        apply=deinterlace,
        does="the map of an atrous convolution is cut into rate x rate phases, convolved densely and interlaced again",
        equality="bit-equal in int8, within 1e-5 in float32",
        asked_by="export --atrous, or a rule of --profile",
    ),
    "argmax-before-upsampling": CataloguedRewrite(
        apply=argmax_before_upsampling,
        does="logits are enlarged to half the height, the class map is taken there and its rows are written twice",
        equality="not equal: 0.75 % of the pixels change and 0.05 mIoU is lost (CamVid test, 368x480, float32)",
        asked_by="export --head fast",
    ),
    "logits-before-upsampling": CataloguedRewrite(
        apply=logits_before_upsampling,
        does="logits come out as small as they are computed, and whoever reads them enlarges them",
        equality="enlarged bilinearly they are the logits within 1e-5 in float32; int8 rounds once less",
        asked_by="export --head quarter-logits",
    ),
    "expand-hard-swish": CataloguedRewrite(
        apply=expand_hard_swish,
        does="hard-swish becomes (x / 6) ReLU6(x + 3)",
        equality="within 1e-6 of the largest value in float32",
    ),
    "expand-hard-sigmoid": CataloguedRewrite(
        apply=expand_hard_sigmoid,
        does="hard-sigmoid becomes ReLU6(x + 3) / 6",
        equality="within 1e-6 in float32",
    ),
    "clamp-relu6": CataloguedRewrite(
        apply=clamp_relu6,
        does="ReLU6 and hard-tanh become a clamp with both bounds as arguments",
        equality="bit-equal in float32 and int8",
    ),
    "pad-classes": CataloguedRewrite(
        apply=pad_classes,
        does="the scores under a class map are filled up to a multiple of four classes with some that never win",
        equality="bit-equal class maps in float32 and int8",
    ),
    "cast-whole-pixels": CataloguedRewrite(
        apply=cast_whole_pixels,
        does="the picture is cast to int32 first and to float32 from there",
        equality="bit-equal",
    ),
    "split-depthwise": CataloguedRewrite(
        apply=split_depthwise,
        does="a depthwise convolution of concatenated maps becomes one of each map, concatenated after it",
        equality="bit-equal in int8 and float32",
    ),
    "split-groups": CataloguedRewrite(
        apply=split_groups,
        does="a grouped convolution becomes depthwise where filters read one channel each, else one a group",
        equality="bit-equal in int8, within 1e-5 in float32",
    ),
    "integer-ratio-resize": CataloguedRewrite(
        apply=integer_ratio_resize,
        does="a bilinear resize whose ratio is not whole, or that aligns corners, becomes two constant matrix products",
        equality="within 1e-5 of the largest value in float32; int8 maps are left alone",
    ),
    "spread-pooled-pixel": CataloguedRewrite(
        apply=spread_pooled_pixel,
        does="ASPP's pooled pixel is added to a map of zeros in place of a resize, which would name the map's size",
        equality="bit-equal in int8, within 1e-6 in float32",
        asked_by="export --size of several sizes, for a Core ML or ONNX file that takes each",
    ),
    "resize-as-convolution": CataloguedRewrite(
        apply=resize_as_convolution,
        does="a bilinear resize by an even ratio becomes depthwise convolutions of repeated rows, with whole weights",
        equality="within 1e-5 in float32; bit-equal in int8 but where a sum lies in the middle of two integers",
    ),
}

ALWAYS: tuple[StandingRewrite, ...] = (
    StandingRewrite(
        "remove-no-ops", "copies and run-time checks of types are dropped", "bit-equal"
    ),
    StandingRewrite(
        "fold-constants", "what depends on weights alone, or on nothing, is stored", "bit-equal"
    ),
    StandingRewrite(
        "unite-forms",
        "what can be said in several forms is said in one that every target knows: sums with a factor, poolings that "
        "divide by another number than their window's, paddings that crop",
        "within 1e-5 in float32",
    ),
    StandingRewrite(
        "smooth-by-matrices",
        "a resize that smooths (antialias) becomes multiplications by the weights of its rows and columns",
        "within 1e-5 in float32",
    ),
    StandingRewrite(
        "take-int8-forms",
        "hard-sigmoid becomes a 1x1 depthwise convolution, hard-swish and SiLU products of x and a gate, pooling of "
        "the whole map its mean",
        "once gates are quantized to 0..1 the same, but for a factor within 3e-5 of 1/6",
        "int8 graphs",
    ),
    StandingRewrite(
        "insert-quantizers",
        "a checkpoint's scales become quantize and dequantize operators, its weights integers",
        "what training's fake quantizers compute, up to float32 rounding",
        "int8 graphs",
    ),
    StandingRewrite(
        "normalise-in-int8",
        "a normalisation that is no shift of the pixels by 128 becomes a 1x1 depthwise convolution of integers",
        "bit-equal but at rounding boundaries, within 0.01 of a step",
        "int8 graphs",
    ),
    StandingRewrite(
        "fold-batch-norm",
        "batch norm is multiplied into the convolution before it",
        "within 1e-5 in float32; weights in int8 keep their integers up to sign",
    ),
    StandingRewrite(
        "add-pooled-features",
        "ASPP's pooled upsampling and its share of the projection become a broadcast term",
        "within 1e-4 in float32",
        "float graphs",
    ),
    StandingRewrite(
        "round-biases",
        "biases become whole multiples of input scale times weight scale, as the files store them",
        "each bias within half of that product",
        "int8 graphs",
    ),
    StandingRewrite(
        "name-operators", "operators are named after module and operation", "bit-equal"
    ),
)
"""What every export runs; `pipeline` has the order, which int8 and float graphs do not share."""


@dataclass(frozen=True)
class RewriteList:
    """Every rewrite, those that nobody has to ask for first.

    Args:
        always: what every export runs.
        asked: what an export can ask for, by name.
    """

    always: tuple[StandingRewrite, ...]
    asked: Mapping[str, CataloguedRewrite]

    def to_json(self) -> dict[str, Any]:
        """Return the document of `rewrites --json`."""
        standing = [
            {**asdict(rewrite), "always": True, "asked_by": None} for rewrite in self.always
        ]
        asked = [
            {
                "name": name,
                "does": rewrite.does,
                "equality": rewrite.equality,
                "always": False,
                "asked_by": rewrite.asked_by,
                "runs_on": "the modules asked for",
            }
            for name, rewrite in self.asked.items()
        ]
        return {"rewrites": standing + asked}


def get_rewrite(name: str) -> CataloguedRewrite:
    """Return a rewrite by name.

    Raises:
        ConfigError: for an unknown one; the choices are listed.
    """
    if name not in REWRITES:
        raise unknown_choice("rewrite", name, tuple(REWRITES))
    return REWRITES[name]
