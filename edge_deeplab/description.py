"""The self-description that travels inside every exported file and every checkpoint.

Whoever runs a file (parity, bench, demo) takes class names, palette, size and normalisation from here and from nowhere
else, so training, export and device cannot disagree. This module needs no torch.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

from edge_deeplab.errors import ArtifactError

FORMAT = "edge-deeplab/1"
METADATA_KEY = "edge_deeplab"
"""Key (ONNX metadata_props, TFLite metadata buffer, Core ML user-defined metadata) the JSON stands under."""

Head = Literal["classes", "logits"]


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
        target: "onnx", "tflite" or "coreml".
        precision: "fp32", "fp16" or "int8".
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
    target: str
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


def classes_to_json(classes: Sequence[ClassInfo]) -> list[dict[str, Any]]:
    """Return classes as plain JSON values."""
    return [{"name": c.name, "color": list(c.color)} for c in classes]


def classes_from_json(document: Sequence[Mapping[str, Any]]) -> tuple[ClassInfo, ...]:
    """Return classes from JSON values as `classes_to_json` writes them.

    Raises:
        ValueError: when two have one name: scores and class maps go by name and would merge them.
    """
    classes = tuple(
        ClassInfo(str(c["name"]), cast("tuple[int, int, int]", tuple(int(v) for v in c["color"])))
        for c in document
    )
    for name, count in Counter(c.name for c in classes).items():
        if count > 1:
            raise ValueError(f"{count} classes have the name {name!r}")
    return classes


def parse_description(text: str, *, path: str) -> Description:
    """Return the description embedded in an artifact.

    Args:
        text: the JSON text.
        path: the artifact, for the error message.

    Raises:
        ArtifactError: when the text is not a description of a known format.
    """
    try:
        document = json.loads(text)
        if document.pop("format") != FORMAT:
            raise ValueError(f"format is not {FORMAT}")
        normalisation = document.pop("normalisation")
        return Description(
            **{
                **document,
                "size_hw": tuple(int(v) for v in document["size_hw"]),
                "classes": classes_from_json(document["classes"]),
                "normalisation": Normalisation(
                    tuple(normalisation["mean"]), tuple(normalisation["std"])
                ),
            }
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{path} carries a self-description that cannot be read ({error}); "
            f"expected format {FORMAT}; export it again with this version"
        ) from error
