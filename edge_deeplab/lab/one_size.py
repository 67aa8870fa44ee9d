"""Files of several sizes for tools that know of one graph: a copy of one size alone, of which alone they then speak."""

from collections.abc import Callable, Mapping
from pathlib import Path

from edge_deeplab.formats.onnx import parse_onnx
from edge_deeplab.formats.onnx_sizes import fix_size
from edge_deeplab.formats.read import sizes_of
from edge_deeplab.formats.sizes import Size
from edge_deeplab.formats.tflite_sizes import size_alone
from edge_deeplab.targets import TargetName, target_of


def of_one_size(path: Path, size_hw: Size | None, folder: Path) -> Path:
    """Return a file of one size.

    Args:
        path: an exported file.
        size_hw: of several sizes that it lists, the one that is meant; None where it takes one.
        folder: where a copy may be written.

    Returns:
        The file itself where it does not list that size among others, else the copy.
    """
    target = target_of(path)
    if target is None or size_hw is None or target not in _ALONE or size_hw not in sizes_of(path):
        return path
    copy = folder / path.name
    copy.write_bytes(_ALONE[target](path, size_hw))
    return copy


def _tflite_alone(path: Path, size_hw: Size) -> bytes:
    return size_alone(path.read_bytes(), size_hw)


def _onnx_alone(path: Path, size_hw: Size) -> bytes:
    model = parse_onnx(path)
    fix_size(model, size_hw)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


_ALONE: Mapping[TargetName, Callable[[Path, Size], bytes]] = {
    "tflite": _tflite_alone,
    "onnx": _onnx_alone,
}
"""Targets whose files may list sizes, and what writes the file of one."""
