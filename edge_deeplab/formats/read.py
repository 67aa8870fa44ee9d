"""Picks the reader of a file by its ending."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.graph import FileGraph
from edge_deeplab.targets import TargetName, endings, target_of


def read_graph(path: Path) -> FileGraph:
    """Return what an exported file holds.

    Args:
        path: a file, or the folder of a package, of one of `TARGETS`, of this project or anyone's.

    Raises:
        ArtifactError: when it cannot be read, or its ending is another.
        MissingDependencyError: when the package that knows the format is not installed.
    """
    target = target_of(path)
    if target is None:
        raise ArtifactError(
            f"{path} ends in {path.suffix or 'nothing'}; one of {endings()} was expected; "
            "export a checkpoint with edge-deeplab export, or name another file"
        )
    if not is_readable(target):
        raise ArtifactError(
            f"{path} is a {target} file, whose operators are not read yet: it is not checked; a file of another target "
            "was expected"
        )
    graph: FileGraph = getattr(import_module(f"{__package__}.{target}"), f"read_{target}")(path)
    return graph


def is_readable(target: TargetName) -> bool:
    """Tell whether a target's files have a reader."""
    return find_spec(f"{__package__}.{target}") is not None
