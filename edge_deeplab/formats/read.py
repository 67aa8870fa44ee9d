"""Picks the reader of a file by its ending, and tells the sizes that it is to be read at."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from edge_deeplab.errors import ArtifactError, EdgeDeepLabError
from edge_deeplab.formats.foreign_kinds import refuse_core_ml_file
from edge_deeplab.formats.graph import FileGraph
from edge_deeplab.formats.sizes import Size
from edge_deeplab.targets import TargetName, endings, target_of


def read_graph(path: Path, size_hw: Size | None = None) -> FileGraph:
    """Return what an exported file holds.

    Args:
        path: a file, or the folder of a package, of one of `TARGETS`, of this project or anyone's.
        size_hw: one of its `sizes_of`, which shapes are told at; None: its default.

    Raises:
        ArtifactError: when it cannot be read, or its ending is another.
        MissingDependencyError: when the package that knows the format is not installed.
    """
    refuse_core_ml_file(path)
    target = target_of(path)
    if not path.suffix and not path.exists():
        raise ArtifactError(f"{path} does not exist; pass a file that edge-deeplab export wrote")
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
    reader = getattr(import_module(f"{__package__}.{target}"), f"read_{target}")
    graph: FileGraph = reader(path) if size_hw is None else reader(path, size_hw)
    return graph


def sizes_of(path: Path) -> tuple[Size | None, ...]:
    """Return the sizes that a file is looked at: those that it lists, the default first; None alone, its one size.

    A file that cannot be read has None too: whoever reads it next is told why. Core ML packages, TFLite and ONNX files
    list sizes.
    """
    try:
        return _listed(path) or (None,)
    except EdgeDeepLabError:
        return (None,)


def _listed(path: Path) -> tuple[Size, ...]:
    target = target_of(path)
    if target == "coreml":
        from edge_deeplab.formats.coreml import coreml_sizes

        return coreml_sizes(path)
    if target == "tflite":
        from edge_deeplab.formats.tflite_sizes import tflite_sizes

        return tflite_sizes(path)
    if target == "onnx":
        from edge_deeplab.formats.onnx_sizes import onnx_sizes

        return onnx_sizes(path)
    return ()


def is_readable(target: TargetName) -> bool:
    """Tell whether a target's files have a reader."""
    return find_spec(f"{__package__}.{target}") is not None
