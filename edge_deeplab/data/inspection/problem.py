"""One thing that is wrong with a data set."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal[
    "description",
    "split",
    "list",
    "image",
    "mask",
    "pair",
    "size",
    "label",
    "link",
    "class",
    "copy",
    "near copy",
]
"""What it is about: `dataset.toml`, a missing or empty split, a list of images, a picture that cannot be read, a mask
that is none, an image without a mask or the reverse, two sizes, ids of no class, a link out of the folder, a class
without pixels, the same pixels twice, or pictures that look alike in two splits."""

STOPS: frozenset[Kind] = frozenset(
    ("description", "split", "list", "image", "mask", "pair", "size", "label")
)
"""Kinds on which training or scoring ends; the others spoil what comes of it."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Args:
        path: the file or folder that it is about.
        problem: one sentence: what came, and what to do.
        kind: what it is about.
        stops: whether reading the data ends on it.
    """

    path: Path
    problem: str
    kind: Kind
    stops: bool

    @classmethod
    def of(cls, kind: Kind, path: Path, sentence: str) -> "Problem":
        """Return a problem that stops where its kind does."""
        return cls(path, sentence, kind, kind in STOPS)

    def to_json(self) -> dict[str, str | bool]:
        """Return its entry in the document of `data --json`."""
        return {
            "path": str(self.path),
            "problem": self.problem,
            "kind": self.kind,
            "stops": self.stops,
        }
