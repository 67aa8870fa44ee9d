"""What the face's keywords may name: checkpoints, recipes and exported files, as objects, paths or names."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from edge_deeplab.config import CompressRecipe, Recipe
    from edge_deeplab.models.checkpoint import Checkpoint

    NamedCheckpoint = Checkpoint | str | Path | None
    """A checkpoint, or what names one: a file, a run's folder, a shipped name; None for the default shipped one."""

    NamedRecipe = Recipe | Mapping[str, object] | str | Path | None
    """A recipe of the verb's kind, what its file would hold, the file's path, or None for the defaults."""

    NamedChain = CompressRecipe | Mapping[str, object] | str | Path
    """The recipe of a chain, what its file would hold, or the file's path."""


Given = TypeVar("Given")


class HasPath(Protocol):
    """What lies in a file: what `export` returns has its path."""

    @property
    def path(self) -> Path: ...


Artifacts = str | Path | HasPath | Sequence[str | Path | HasPath]
"""HasPath files: what `export` returned, their paths, or folders that it wrote; one or several."""


def to_path(given: "Given | str") -> "Given | Path":
    """Return a path that came as text; everything else as it is."""
    return Path(given) if isinstance(given, str) else given


def to_paths(artifacts: Artifacts) -> tuple[Path, ...]:
    """Return the paths of exported files."""
    several = (
        artifacts
        if isinstance(artifacts, Sequence) and not isinstance(artifacts, str)
        else [artifacts]
    )
    return tuple(Path(each) if isinstance(each, str | Path) else each.path for each in several)
