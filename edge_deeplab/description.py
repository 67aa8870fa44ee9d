"""The self-description that travels inside every exported file and every checkpoint.

Whoever runs a file (parity, bench, demo) takes class names, palette, size and normalisation from here and from nowhere
else, so training, export and device cannot disagree. This module needs no torch.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, cast, get_args

from edge_deeplab.documents import Fields, parse_json
from edge_deeplab.errors import ArtifactError
from edge_deeplab.targets import TARGETS, TargetName

FORMAT = "edge-deeplab/1"
METADATA_KEY = "edge_deeplab"
"""Key that the JSON stands under: ONNX metadata_props, TFLite's metadata buffer, Core ML's user-defined metadata, a
constant method of ExecuTorch's program, Core AI's asset metadata."""

MOST_CLASSES = 255
"""Class ids are bytes, and one value is left for pixels that are of no class."""
LARGEST_SIDE = 1 << 16
"""Pixels of a side; no runtime takes pictures as large."""

Head = Literal["classes", "logits"]
_Three = tuple[float, float, float]


@dataclass(frozen=True)
class ClassInfo:
    """One class of a data set.

    Args:
        name: what it is called.
        color: (R, G, B), 0 to 255.
    """

    name: str
    color: tuple[int, int, int]


def voc_colour(index: int) -> tuple[int, int, int]:
    """Return (R, G, B) of an id in PASCAL VOC's colour map: its bits, spread over the channels from the top."""
    red, green, blue = (
        sum((index >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(8))
        for channel in range(3)
    )
    return red, green, blue


@dataclass(frozen=True)
class Normalisation:
    """Per-channel (R, G, B) constants, in units of 0..255 pixel values: x = (pixel - mean) / std."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True)
class Description:
    """What an artifact says of itself.

    Args:
        model: model name, for example "deeplabv3plus_efficientnet_lite0".
        checkpoint: name of the checkpoint it was exported from (a shipped name or a file name, never a path).
        checkpoint_sha256: hash of that checkpoint file.
        target: what the file is made for; None of what runs in torch and is no file.
        precision: "fp32", "fp16" or "int8"; of weights alone "w8", "w6" or "w4".
        head: "classes" (int class ids come out) or "logits".
        size_hw: input height and width in pixels.
        classes: the classes in id order.
        ignore_index: mask value that is not scored, or None.
        normalisation: constants; already inside the graph, whose input is raw 0..255 RGB.
        licence: licence of the weights.
        provenance: package versions and whatever else made the file.
    """

    model: str
    checkpoint: str
    checkpoint_sha256: str
    target: TargetName | None
    precision: str
    head: Head
    size_hw: tuple[int, int]
    classes: tuple[ClassInfo, ...]
    ignore_index: int | None
    normalisation: Normalisation
    licence: str
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the JSON text that is embedded in artifacts."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)


def classes_from_json(document: Sequence[Mapping[str, Any]]) -> tuple[ClassInfo, ...]:
    """Return classes from JSON values, each a name and a colour; errors as for `classes_of`."""
    return classes_of(Fields({"classes": document}))


def parse_description(text: str, *, path: str) -> Description:
    """Return the description embedded in an artifact.

    Args:
        text: the JSON text.
        path: the artifact, for the error message.

    Raises:
        ArtifactError: when the text is not a description of a known format.
    """
    try:
        return _read_description(Fields(parse_json(text)))
    except ValueError as error:
        raise ArtifactError(
            f"{path} carries a self-description that cannot be read ({error}); "
            f"expected format {FORMAT}; export it again with this version"
        ) from error


def classes_of(document: Fields) -> tuple[ClassInfo, ...]:
    """Return the field `classes` of a document.

    Raises:
        ValueError: when there are none, or more than a class map of bytes can hold, one has no name or colour, or two
            have one name: scores and class maps go by name and would merge them.
    """
    classes = tuple(
        ClassInfo(c.text("name"), cast("tuple[int, int, int]", c.integers("color", 3, 0, 255)))
        for c in document.every("classes", 1, MOST_CLASSES)
    )
    for name, count in Counter(c.name for c in classes).items():
        if count > 1:
            raise ValueError(f"{count} classes have the name {name!r}")
    return classes


def normalisation_of(document: Fields) -> Normalisation:
    """Return the field `normalisation` of a document.

    Raises:
        ValueError: when it is not two times three finite numbers, or pixels would be divided by 0.
    """
    constants = document.fields("normalisation")
    mean, std = constants.numbers("mean", 3), constants.numbers("std", 3)
    if min(std) <= 0:
        raise ValueError(f"normalisation.std is {std}, not three positive numbers")
    return Normalisation(cast("_Three", mean), cast("_Three", std))


def size_of(document: Fields) -> tuple[int, int]:
    """Return the field `size_hw` of a document.

    Raises:
        ValueError: when it is not a height and a width of 1 to 65536 pixels.
    """
    return cast("tuple[int, int]", document.integers("size_hw", 2, 1, LARGEST_SIDE))


def ignore_index_of(document: Fields) -> int | None:
    """Return the field `ignore_index` of a document; it may be absent.

    Raises:
        ValueError: when it is no value that a mask can have.
    """
    return document.integer("ignore_index", 0, 255) if document.has("ignore_index") else None


def checked_name(name: str) -> str:
    """Return a name that is looked for in folders.

    Raises:
        ValueError: when it is a path, which would be looked for elsewhere.
    """
    if name == ".." or name != Path(name).name:
        raise ValueError(f"checkpoint is {name!r}, not a name without folders")
    return name


def _read_description(document: Fields) -> Description:
    document.only({"format", *(field.name for field in fields(Description))})
    document.choice("format", [FORMAT])
    return Description(
        model=document.text("model"),
        checkpoint=checked_name(document.text("checkpoint")),
        checkpoint_sha256=document.text("checkpoint_sha256", empty=True),
        target=document.choice("target", tuple(TARGETS)),
        precision=document.text("precision"),
        head=document.choice("head", get_args(Head)),
        size_hw=size_of(document),
        classes=classes_of(document),
        ignore_index=ignore_index_of(document),
        normalisation=normalisation_of(document),
        licence=document.prose("licence"),
        provenance=document.table("provenance"),
    )
