"""Picks the reader of a file by its ending."""

from collections.abc import Callable
from pathlib import Path

from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.coreml import read_mil
from edge_deeplab.formats.graph import FileGraph
from edge_deeplab.formats.onnx import read_onnx
from edge_deeplab.formats.tflite import read_tflite

READERS: dict[str, Callable[[Path], FileGraph]] = {
    ".tflite": read_tflite,
    ".onnx": read_onnx,
    ".mlpackage": read_mil,
}


def read_graph(path: Path) -> FileGraph:
    """Return what an exported file holds.

    Args:
        path: a `.tflite` or `.onnx` file, or an `.mlpackage` folder, of this project or anyone's.

    Raises:
        ArtifactError: when it cannot be read, or its ending is another.
        MissingDependencyError: when the package that knows the format is not installed.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ArtifactError(
            f"{path} ends in {path.suffix or 'nothing'}; one of {', '.join(READERS)} was expected; "
            "export a checkpoint with edge-deeplab export, or name another file"
        )
    return reader(path)
