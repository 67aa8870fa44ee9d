"""What the face's keywords may name: checkpoints, recipes and exported files, as objects, paths or names."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib import import_module
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edge_deeplab.data.class_list import ClassList, read_class_list
from edge_deeplab.description import ClassInfo, classes_from_json, voc_colour
from edge_deeplab.errors import ConfigError

if TYPE_CHECKING:
    from edge_deeplab.api import types as types
    from edge_deeplab.data.folder import DataFolder
else:

    class _Types:
        """The module `types`, imported when `typing.get_type_hints` asks for one of them."""

        def __getattr__(self, name: str) -> Any:
            return getattr(import_module("edge_deeplab.api.types"), name)

    types = _Types()


class HasPath(Protocol):
    """What lies in a file: what `export` returns has its path."""

    @property
    def path(self) -> Path: ...


Artifacts = str | Path | HasPath | Iterable[str | Path | HasPath]
"""Exported files: what `export` returned, their paths, or folders that it wrote; one or several."""


def to_path(keyword: str, given: str | Path) -> Path:
    """Return the path that a keyword came with.

    Raises:
        ConfigError: when it is none.
    """
    if not isinstance(given, str | Path):
        raise ConfigError(
            f"{keyword} came as {given!r:.60}; a path was expected; pass a str or Path"
        )
    return Path(given)


def to_path_or_none(keyword: str, given: str | Path | None) -> Path | None:
    """Return the path that a keyword came with, if it came; errors as for `to_path`."""
    return None if given is None else to_path(keyword, given)


def to_paths(artifacts: Artifacts) -> tuple[Path, ...]:
    """Return the paths of exported files.

    Raises:
        ConfigError: when there is none, or something that is no file is among them.
    """
    one = isinstance(artifacts, str | Path) or hasattr(artifacts, "path")
    try:
        several = [artifacts] if one else list(artifacts)  # type: ignore[arg-type]
        found: list[Any] = [getattr(each, "path", each) for each in several]
    except TypeError:
        found = [artifacts]
    if not found:
        raise ConfigError("no artifact came; at least one was expected; name a file or a folder")
    return tuple(to_path("an artifact", each) for each in found)


def to_folders(keyword: str, given: str | Path | Iterable[str | Path]) -> tuple[Path, ...]:
    """Return the paths that a keyword came with: one, several or none; errors as for `to_path`."""
    if isinstance(given, str | Path) or not isinstance(given, Iterable):
        return (to_path(keyword, given),)
    return tuple(to_path(keyword, each) for each in given)


def to_names(keyword: str, given: str | Iterable[str]) -> tuple[str, ...]:
    """Return the names that a keyword came with: one, or several.

    Raises:
        ConfigError: when they are no names.
    """
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, Iterable) or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"{keyword} came as {given!r:.60}; a name or a list of names was expected"
        )
    return tuple(names)


NamedClasses = Sequence[str | ClassInfo] | str | Path | ClassList | None
"""Classes: as they are, by name in PASCAL VOC's colours, or the file that lists them."""


def to_class_list(given: NamedClasses) -> ClassList | None:
    """Return the classes that a keyword came with, and what their file ignores.

    Raises:
        ConfigError: when they are none of these, too many, or two have one name.
        DataError: for a dataset.toml that cannot be used.
    """
    if given is None or isinstance(given, ClassList):
        return given
    if isinstance(given, str | Path):
        return read_class_list(Path(given))
    try:
        told = [
            c if isinstance(c, ClassInfo) else ClassInfo(c, voc_colour(i))
            for i, c in enumerate(given)
        ]
        return ClassList(classes_from_json([asdict(c) for c in told]))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"classes came as {given!r:.60} ({error}); names in the order of their ids were expected, or their file"
        ) from error


def to_folder(
    data: str | Path,
    max_pixels: int,
    label_map: "types.NamedLabelMap",
    classes: NamedClasses = None,
) -> "DataFolder":
    """Return the labelled images that were named; errors as for `to_path`, `to_class_list` and `DataFolder.named`."""
    from edge_deeplab.data.folder import DataFolder

    return DataFolder.named(to_path("data", data), max_pixels, label_map, to_class_list(classes))


def to_sizes(given: Sequence[int] | Sequence[Sequence[int]] | None) -> tuple[tuple[int, int], ...]:
    """Return the sizes that were asked for: one, or a sequence of them; none of None. Errors as for `to_size`."""
    if given is None:
        return ()
    several = isinstance(given, Sequence) and any(isinstance(each, Sequence) for each in given)
    sizes: Any = given if several else (given,)
    if any(each is None for each in sizes):
        raise ConfigError(
            f"size_hw came as {given!r:.60}; heights and widths were expected, no None"
        )
    return tuple(size for each in sizes if (size := to_size(each)))


def to_size(given: Sequence[int] | None) -> tuple[int, int] | None:
    """Return the height and width that were asked for, as whole numbers; None stays None.

    Raises:
        ConfigError: when they are no two whole numbers from 1.
    """
    if given is None:
        return None
    try:
        height, width = (index(side) for side in given)
        if min(height, width) < 1:
            raise ValueError("a side is below 1")
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"size_hw came as {given!r:.60} ({error}); height and width in pixels were expected; pass (368, 480)"
        ) from error
    return height, width
