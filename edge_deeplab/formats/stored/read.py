"""The numbers that quantized files really hold, read back from each format and compared.

Names are those of the canonical operators (`operator_names`), so the same tensor has the same name in all formats.
What is read, and what the formats do not store, stands in `docs/quantization.md`.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.source import unreadable
from edge_deeplab.formats.stored.comparison import Comparison, compare_files
from edge_deeplab.formats.stored.coreai import open_coreai
from edge_deeplab.formats.stored.coreml import open_coreml
from edge_deeplab.formats.stored.executorch import open_executorch
from edge_deeplab.formats.stored.file import StoredFile
from edge_deeplab.formats.stored.onnx import open_onnx
from edge_deeplab.formats.stored.reader import StoredReader
from edge_deeplab.formats.stored.tflite import open_tflite
from edge_deeplab.targets import TARGETS, TargetName, target_of

_OPENERS: Mapping[TargetName, Callable[[Path], StoredReader]] = {
    "onnx": open_onnx,
    "tflite": open_tflite,
    "coreml": open_coreml,
    "executorch": open_executorch,
    "coreai": open_coreai,
}
"""Targets whose files store integers that are read back."""
_DAMAGED = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    RecursionError,
    struct.error,
)
"""What protobuf, flatbuffers and NumPy raise on damaged content."""


def read_stored(path: Path) -> StoredFile:
    """Return every quantized tensor of a file, this project's or not; nothing in it is executed.

    Raises:
        ArtifactError: when the file is damaged, of an unknown format, holds no quantized tensor, or is quantized in a
            form that is not read.
        MissingDependencyError: without the package that knows the format.
    """
    target = target_of(path)
    if target is None or target not in _OPENERS:
        known = ", ".join(TARGETS[name].ending for name in _OPENERS)
        raise ArtifactError(f"{path} is none of {known}; a quantized file was expected")
    try:
        reader = _OPENERS[target](path)
        tensors = {name: reader.tensor(name) for name in reader.names}
    except _DAMAGED as error:
        raise unreadable(path, "a quantized model", str(error)) from error
    if not tensors:
        raise ArtifactError(
            f"{path} holds no quantized tensor; a file exported in int8, or another quantized one, "
            "was expected"
        )
    return StoredFile(path, tensors)


def compare_stored(paths: Sequence[Path]) -> Comparison:
    """Compare every scale, zero point, axis, weight integer and bias of several files; errors as for `read_stored`."""
    return compare_files([read_stored(path) for path in paths])
