"""What a run was started with beside its recipe, kept in its folder, so that it is found and resumed by that alone."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

from safetensors import SafetensorError, safe_open

from edge_deeplab.data.class_list import ClassList
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.description import classes_of
from edge_deeplab.documents import Fields, parse_json, read_json
from edge_deeplab.errors import CheckpointError
from edge_deeplab.files import STATE_FILE, write_atomically

STARTED_FILE = "run.json"
RUNS = "runs"
"""The folder in which runs are looked for, beside the working directory itself."""

KIND = "edge-deeplab-run/"
_FORMAT = f"{KIND}2"


@dataclass(frozen=True)
class StartedWith:
    """What a training was started with.

    Args:
        data: its data folder.
        epochs: of its recipe.
        init: the checkpoint that it starts from, a path or a shipped name; "" where there is none.
        backbone_weights: their archive; "" where there is none.
        teacher: as `init`.
        label_map: its file; "" where there is none.
        max_pixels: a larger image is refused.
        classes: that were told of the data, with what is ignored; None where there are none.
    """

    data: str
    epochs: int
    init: str = ""
    backbone_weights: str = ""
    teacher: str = ""
    label_map: str = ""
    max_pixels: int = MAX_PIXELS
    classes: ClassList | None = None

    def write(self, folder: Path) -> None:
        """Keep it in a run's folder.

        Raises:
            OutputError: when it cannot be written.
        """
        text = json.dumps({"format": _FORMAT, **asdict(self)}, indent=2)
        write_atomically(folder / STARTED_FILE, f"{text}\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return what a run's folder says.

        Raises:
            CheckpointError: when it says nothing, or what cannot be meant.
        """
        path = folder / STARTED_FILE
        try:
            told = Fields(read_json(path))
            told.choice("format", [_FORMAT])
            told.only(["format", *(field.name for field in fields(cls))])
            words = {
                name: told.prose(name)
                for name in ("data", "init", "backbone_weights", "teacher", "label_map")
            }
            return cls(
                epochs=told.integer("epochs", 0, 1 << 31),
                max_pixels=told.integer("max_pixels", 1, 1 << 63),
                classes=_listed(told.fields("classes")) if told.has("classes") else None,
                **words,
            )
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"{path} does not say what the run was started with ({error}); name its data, recipe and start as they "
                "were named then"
            ) from error


def _listed(told: Fields) -> ClassList:
    ignored = told.integer("ignore_index", 0, 255) if told.has("ignore_index") else None
    return ClassList(classes_of(told), ignored)


def find_unfinished(place: Path) -> Path:
    """Return the one run in a folder, or in its `runs`, that has epochs left.

    Raises:
        CheckpointError: when there is none, or more than one.
    """
    states = [*place.glob(f"*/{STATE_FILE}"), *place.glob(f"{RUNS}/*/{STATE_FILE}")]
    left = [state.parent for state in states if _has_epochs_left(state)]
    left.sort(key=lambda run: (run / STATE_FILE).stat().st_mtime, reverse=True)
    if not left:
        raise CheckpointError(
            f"there is nothing to resume: no run with epochs left lies in {place.resolve()} or its folder {RUNS}; name "
            "the output of one"
        )
    if len(left) > 1:
        raise CheckpointError(
            f"{len(left)} runs have epochs left, the latest first: {', '.join(map(str, left))}; one was expected; name "
            "the output of the one that is to go on"
        )
    return left[0]


def _has_epochs_left(state: Path) -> bool:
    """Return whether a training left this state before its last epoch; what cannot be read is no such run."""
    try:
        epochs = StartedWith.read(state.parent).epochs
        with safe_open(state, framework="pt") as file:
            done = Fields(parse_json((file.metadata() or {})["training"])).integer(
                "epoch", 0, 1 << 31
            )
    except (CheckpointError, SafetensorError, OSError, ValueError, KeyError):
        return False
    return done < epochs
