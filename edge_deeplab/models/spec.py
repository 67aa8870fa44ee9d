"""What a DeepLab consists of, as plain values: a checkpoint holds them, `models.deeplab` builds from them.

The idea to hold: one network covers the papers' whole family and other people's variants of it, and every difference
between them is a field here. Wrong values often fit the same weights and give other logits, so a spec is said, never
guessed from tensors. Values are bounded, because they come from files of strangers.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass

from edge_deeplab.errors import ConfigError
from edge_deeplab.models.backbones import get_backbone
from edge_deeplab.recipes import first_problem

Convolution = Literal["dense", "normed", "bare"]
"""A 3x3 convolution: dense, or atrous separable with batch norm and ReLU between its halves, or with nothing there."""

OutputStride = Literal[8, 16, 32]
OUTPUT_STRIDES: tuple[int, ...] = get_args(OutputStride)

Channels = Annotated[int, Field(strict=True, ge=1, le=1024)]
Rates = Annotated[tuple[Annotated[int, Field(strict=True, ge=1, le=255)], ...], Field(max_length=6)]
Probability = Annotated[float, Field(strict=True, ge=0, lt=1)]

_NOTHING_ELSE = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_NOTHING_ELSE)
class ASPPSpec:
    """Branches that are concatenated and projected (DeepLabV3 section 3.3): a 1x1, atrous 3x3s, image-level features.

    Args:
        rates: atrous rates at the spec's output stride; none leaves the 1x1 and the pooled branch.
        convolution: of the atrous branches.
        channels: of each branch and of the projection.
        pooling: where image-level features stand in the concatenation, or "none".
        project_kernel: size of the projecting convolution.
        neck: a further 3x3 after the projection, or "none".
        dropout: probability after the projection, in training.
    """

    rates: Rates = (6, 12, 18)
    convolution: Convolution = "dense"
    channels: Channels = 256
    pooling: Literal["first", "last", "none"] = "last"
    project_kernel: Literal[1, 3] = 1
    neck: Convolution | Literal["none"] = "none"
    dropout: Probability = 0.1


@dataclass(frozen=True, config=_NOTHING_ELSE)
class SummedSpec:
    """Branches whose class scores are summed (DeepLabV2 section 3.2); with one rate it is DeepLabV1's LargeFOV.

    Args:
        rates: atrous rates at the spec's output stride, one a branch.
        hidden: channels of a branch's convolutions before the scores, each with bias and ReLU: VGG-16's fc6 and fc7.
            The first convolution of a branch is the atrous 3x3, the others are 1x1.
        dropout: probability after each of them, in training.
    """

    rates: Annotated[Rates, Field(min_length=1)]
    hidden: Annotated[tuple[Channels, ...], Field(max_length=2)] = ()
    dropout: Probability = 0.5


@dataclass(frozen=True, config=_NOTHING_ELSE)
class DecoderSpec:
    """What sharpens ASPP's output with low-level features (DeepLabV3+ section 3.1; its ablations in section 4.1).

    Args:
        reduced_channels: of the low-level features after a 1x1 (table 1: 8 to 64).
        blocks: 3x3 convolutions after the concatenation (table 2: one to three).
        channels: of them.
        convolution: of them.
        conv3: whether features of stride 8 are joined the same way before those of stride 4 (table 2, Conv2 + Conv3).
        low_first: whether low-level features come first in the concatenation.
    """

    reduced_channels: Channels = 48
    blocks: Annotated[int, Field(strict=True, ge=1, le=3)] = 2
    channels: Channels = 256
    convolution: Convolution = "dense"
    conv3: StrictBool = False
    low_first: StrictBool = False


_Head = TypeVar("_Head", ASPPSpec, SummedSpec)


@dataclasses.dataclass(frozen=True)
class Parts:
    """Which layers of a network are its backbone and which its classifier, by path; all others are its head.

    Args:
        backbone: path of the module that gives features; empty where none is told apart.
        classifier: path of the module whose output channels are the classes.
    """

    backbone: str = "backbone"
    classifier: str = "classifier"

    def in_backbone(self, name: str) -> bool:
        """Whether a module or tensor of this name is the backbone's."""
        return f"{name}.".startswith(f"{self.backbone}.")

    def in_classifier(self, name: str) -> bool:
        """Whether a module or tensor of this name is the classifier's."""
        return f"{name}.".startswith(f"{self.classifier}.")


DEEPLAB = Parts()
"""Of every network that `models.deeplab` builds."""


def _known_backbone(name: str) -> str:
    get_backbone(name)
    return name


def _none_said(value: object) -> object:
    return None if value == "none" else value


@dataclass(frozen=True, config=_NOTHING_ELSE)
class ModelSpec:
    """One DeepLab.

    Args:
        name: what it is called; says nothing of how it is built.
        backbone: a key of `models.backbones.BACKBONES`.
        aspp: its head, if that concatenates; exactly one of `aspp` and `summed` is given.
        summed: its head, if that sums.
        decoder: follows `aspp`; None is DeepLabV3 (a document may say "none").
        output_stride: of the backbone's last features.
        first_dilated: whether a stage that lost its stride is dilated from its first convolution on, as in the papers'
            own code, torchvision's MobileNetV3 and segmentation_models.pytorch; else from the second block on.
        multi_grid: factors on the rates of the last stage's blocks (DeepLabV3 section 3.2.1), or none.
        batch_norm_eps: of the backbone; None leaves it as timm has it.
        same_padding: whether the backbone pads as TensorFlow does, more at bottom and right where strides are even.
        align_corners: how the decoder's and the last resizing sample.
        upsample_logits: whether logits are enlarged to the image; else they have the size of the last features.
        factory: a key of `models.deeplab.FACTORIES`.
    """

    name: Annotated[str, Field(pattern="^[ -~]{1,255}$")]
    backbone: Annotated[str, Field(max_length=64), AfterValidator(_known_backbone)]
    aspp: ASPPSpec | None = None
    summed: SummedSpec | None = None
    decoder: Annotated[DecoderSpec | None, BeforeValidator(_none_said)] = None
    output_stride: OutputStride = 16
    first_dilated: StrictBool = False
    multi_grid: Annotated[Rates, Field(max_length=3)] = ()
    batch_norm_eps: Annotated[float, Field(strict=True, gt=0, le=0.1)] | None = None
    same_padding: StrictBool = False
    align_corners: StrictBool = False
    upsample_logits: StrictBool = True
    factory: Literal["deeplab"] = "deeplab"

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse what does not go together."""
        backbone = get_backbone(self.backbone)
        if (self.aspp is None) == (self.summed is None):
            raise ValueError("exactly one of aspp and summed is a network's head")
        if self.decoder is not None and self.aspp is None:
            raise ValueError(
                "a decoder follows aspp; summed branches give scores, which none refines"
            )
        if self.multi_grid and (backbone.last_stage is None or len(self.multi_grid) != 3):
            raise ValueError("multi_grid is three factors, for the last three blocks of a ResNet")
        if self.same_padding and not backbone.pads_same:
            raise ValueError(
                f"{self.backbone} cannot be padded as TensorFlow pads; leave same_padding out"
            )
        return self

    @property
    def parts(self) -> Parts:
        """Which layers are backbone and classifier."""
        return DEEPLAB

    @property
    def low_strides(self) -> tuple[int, ...]:
        """Strides of the low-level features that are read, finest first."""
        if self.decoder is None:
            return ()
        return (4, 8) if self.decoder.conv3 else (4,)

    @property
    def is_separable(self) -> bool:
        """Whether the head's atrous convolutions are separable."""
        return self.aspp is not None and self.aspp.convolution != "dense"

    def at_stride(self, output_stride: int) -> "ModelSpec":
        """Return the spec at another output stride, with rates that keep the field of view in pixels.

        A rate that would come to less than one is one: DeepLabV2's smallest, at a coarser stride than it was made for.

        Raises:
            ConfigError: when there is no such stride.
        """
        check_output_stride(output_stride)
        return dataclasses.replace(
            self,
            output_stride=output_stride,  # type: ignore[arg-type]
            aspp=_moved(self.aspp, self.output_stride, output_stride),
            summed=_moved(self.summed, self.output_stride, output_stride),
        )

    def with_options(self, options: Mapping[str, Any]) -> "ModelSpec":
        """Return the spec with other values for some fields.

        Args:
            options: by field; of `aspp`, `summed` and `decoder` a table of some of theirs. `output_stride` comes first
                and moves the rates; `separable` sets the convolutions of branches and decoder.

        Raises:
            ConfigError: for an unknown field or an impossible value.
        """
        own = {field.name for field in dataclasses.fields(self)} - {"name", "backbone", "factory"}
        choices = own | {"separable"}
        if unknown := sorted(set(options) - choices):
            raise ConfigError(
                f"model option {unknown[0]!r} is not known; use one of: {', '.join(sorted(choices))}"
            )
        spec = self
        if options.get("output_stride") is not None:
            spec = spec.at_stride(options["output_stride"])
        document = dataclasses.asdict(spec)
        if options.get("separable") is not None:
            for part in ("aspp", "decoder"):
                if document[part] is not None:
                    document[part]["convolution"] = "normed" if options["separable"] else "dense"
        for key in set(options) & own - {"output_stride"}:
            value, standing = options[key], document[key]
            is_table = isinstance(value, Mapping) and isinstance(standing, Mapping)
            document[key] = {**standing, **value} if is_table else value
        try:
            return read_spec(document)
        except ValueError as error:
            raise ConfigError(
                f"the options of model {self.name} cannot be met ({error}); change them"
            ) from error


def read_spec(document: object) -> ModelSpec:
    """Return the spec that `dataclasses.asdict` wrote as a document.

    Raises:
        ValueError: when it is none; says which field holds what.
    """
    try:
        return TypeAdapter(ModelSpec).validate_python(document)
    except ValidationError as error:
        raise ValueError(first_problem(ModelSpec, error)) from error


def check_output_stride(output_stride: int) -> None:
    """Check a stride against the choices.

    Raises:
        ConfigError: when it is none of them.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise ConfigError(
            f"output stride {output_stride} is not one of 8, 16, 32; choose one of them"
        )


def _moved(head: _Head | None, stride: int, other: int) -> _Head | None:
    """Return a head with rates for another output stride."""
    if head is None:
        return None
    rates = tuple(max(1, rate * stride // other) for rate in head.rates)
    return dataclasses.replace(head, rates=rates)
