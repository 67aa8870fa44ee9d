"""`replay.json`: what a device says of itself and of the class maps that it made of photographs.

A replay is a folder that a phone, a browser or `edge-deeplab demo` wrote: a PNG for each photograph, named after it,
8-bit grey, whose samples are class ids, and this document beside them. It comes from a stranger's machine, so
everything in it has bounds, and a name in it means a file in that folder or nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from edge_deeplab.description import MOST_CLASSES, size_of
from edge_deeplab.documents import Fields, read_json
from edge_deeplab.errors import DataError
from edge_deeplab.files import path_inside, write_atomically

REPLAY = "replay.json"
ENDING = ".png"
_MOST_IMAGES = 100_000
_LONGEST_MS = 3_600_000.0
"""An hour for one stage of one photograph."""
_MOST_PIXELS = 1 << 23
"""Of a class map: no file takes a larger picture."""
_HEXADECIMAL = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class StageTimes:
    """Milliseconds that a device took for a photograph; None for a stage that it did not time.

    Args:
        infer: from the input tensor to the output tensor, with what the runtime does around it.
        prepare: from the photograph to the input tensor.
        draw: from the class map to the picture that is shown.
    """

    infer: float
    prepare: float | None = None
    draw: float | None = None


@dataclass(frozen=True)
class ReplayedImage:
    """One class map.

    Args:
        file: its name, the photograph's with the ending .png.
        sha256: hash of the PNG file.
        ms: how long it took.
    """

    file: str
    sha256: str
    ms: StageTimes

    @property
    def name(self) -> str:
        """The photograph's name without its ending."""
        return self.file.removesuffix(ENDING)


@dataclass(frozen=True)
class AcceleratorUse:
    """What should have run the model, and what did as far as the device can tell."""

    asked: str
    got: str


@dataclass(frozen=True)
class Replay:
    """What a device says.

    Args:
        device: what it is called.
        os: its system and version.
        runtime: what ran the model.
        version: of the runtime.
        accelerator: on what.
        model_sha256: hash of the model's file; of a package's folder `formats.manifest.content_sha256`.
        size_hw: height and width of every class map in pixels: the model's.
        images: the class maps.
        classes: names of the ids in order; None where the device does not tell.
    """

    device: str
    os: str
    runtime: str
    version: str
    accelerator: AcceleratorUse
    model_sha256: str
    size_hw: tuple[int, int]
    images: tuple[ReplayedImage, ...]
    classes: tuple[str, ...] | None = None

    @property
    def runtime_name(self) -> str:
        """Runtime and version, as the other runtimes are named."""
        return f"{self.runtime} {self.version}".strip()

    @property
    def median_ms(self) -> float:
        """Median time of the model on a photograph."""
        return median(image.ms.infer for image in self.images)

    def to_json(self) -> dict[str, Any]:
        """Return the document."""
        return asdict(self)


def read_replay(folder: Path) -> Replay:
    """Return what a replay's document says; the class maps are not read.

    Raises:
        DataError: when there is none, or it says what cannot be meant.
    """
    try:
        return _parse(Fields(read_json(path_inside(folder, REPLAY))))
    except FileNotFoundError as error:
        raise DataError(
            f"{folder} holds no {REPLAY}; a folder that edge-deeplab demo or one of its apps replayed photographs into "
            "was expected; replay them first"
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder / REPLAY} is no account of a replay ({error}); docs/demo.md lists its fields; "
            "mend what wrote it, and replay again"
        ) from error


def write_replay(folder: Path, replay: Replay) -> None:
    """Write the document beside the class maps; an OutputError where that cannot be."""
    write_atomically(folder / REPLAY, json.dumps(replay.to_json(), indent=1) + "\n")


def is_own(name: str) -> bool:
    """Return whether something in a replay's folder can be a replay's."""
    return name == REPLAY or name.endswith(ENDING)


def _parse(document: Fields) -> Replay:
    size_hw = size_of(document)
    if size_hw[0] * size_hw[1] > _MOST_PIXELS:
        raise ValueError(f"size_hw is {size_hw}, more than {_MOST_PIXELS} pixels")
    accelerator = document.fields("accelerator")
    images = tuple(_image(entry) for entry in document.every("images", 1, _MOST_IMAGES))
    _refuse_repeated([image.file for image in images])
    return Replay(
        device=document.text("device"),
        os=document.text("os"),
        runtime=document.text("runtime"),
        version=document.text("version", empty=True),
        accelerator=AcceleratorUse(accelerator.text("asked"), accelerator.text("got")),
        model_sha256=_sha256(document, "model_sha256"),
        size_hw=size_hw,
        images=images,
        classes=_class_names(document) if document.has("classes") else None,
    )


def _image(entry: Fields) -> ReplayedImage:
    file = entry.text("file")
    if Path(file).name != file or not file.endswith(ENDING) or file == ENDING:
        raise ValueError(f"images name {file!r}, not a file ending in {ENDING} without folders")
    ms = entry.fields("ms")
    others = {
        key: ms.between(key, 0, _LONGEST_MS) if ms.has(key) else None for key in ("prepare", "draw")
    }
    times = StageTimes(ms.between("infer", 0, _LONGEST_MS), **others)
    return ReplayedImage(file, _sha256(entry, "sha256"), times)


def _refuse_repeated(files: Sequence[str]) -> None:
    seen: set[str] = set()
    for file in files:
        if file in seen:
            raise ValueError(f"images name {file!r} twice")
        seen.add(file)


def _sha256(document: Fields, key: str) -> str:
    text = document.text(key)
    if len(text) != 64 or not _HEXADECIMAL.issuperset(text):
        raise ValueError(f"{key} is {text[:64]!r}, not 64 hexadecimal digits")
    return text


def _class_names(document: Fields) -> tuple[str, ...]:
    names = document.texts("classes")
    if not 0 < len(names) <= MOST_CLASSES or len(set(names)) < len(names):
        raise ValueError(f"classes are not 1 to {MOST_CLASSES} different names")
    return names
