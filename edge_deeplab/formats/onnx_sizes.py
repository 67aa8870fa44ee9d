"""ONNX files that take pictures of several sizes: height and width are free, and metadata lists what was proven.

Such a file computes at any size that its operators allow; only those that it lists were exported, so only those are
looked at.
"""

import re
from pathlib import Path
from typing import Any

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.formats.sizes import Size, check_count
from edge_deeplab.formats.source import read_bytes, unreadable
from edge_deeplab.formats.wire import sized_fields

SIZES_KEY = f"{METADATA_KEY}_sizes"
"""Key of the metadata that lists them: "368x480,512x512", the default first."""
HEIGHT, WIDTH = "height", "width"
"""Names of the picture's free dimensions."""

_SIZE = r"[1-9]\d{0,5}x[1-9]\d{0,5}"
_SIZES = re.compile(rf"{_SIZE}(,{_SIZE})*")
_MODEL_METADATA, _ENTRY_KEY, _ENTRY_VALUE = 14, 1, 2


def onnx_sizes(path: Path) -> tuple[Size, ...]:
    """Return the sizes of the picture that a file lists, the default first; none where it lists none.

    It needs no package, because a machine that only runs files may have ONNX Runtime alone.

    Raises:
        ArtifactError: when it cannot be read, or lists what are no sizes.
    """
    content = read_bytes(path)
    try:
        for entry in sized_fields(content, _MODEL_METADATA):
            if SIZES_KEY.encode() in sized_fields(entry, _ENTRY_KEY):
                text = b"".join(sized_fields(entry, _ENTRY_VALUE))
                return parse_sizes(text.decode(errors="replace"))
    except ValueError as error:
        raise unreadable(path, "an ONNX model", str(error)) from error
    return ()


def sizes_in(model: Any) -> tuple[Size, ...]:
    """Return the sizes that a ModelProto lists.

    Raises:
        ValueError: when it lists what are no sizes.
    """
    texts = [entry.value for entry in model.metadata_props if entry.key == SIZES_KEY]
    return parse_sizes(texts[0]) if texts else ()


def parse_sizes(text: str) -> tuple[Size, ...]:
    """Return the sizes in a text, each once.

    Raises:
        ValueError: when it is none of sizes, or they are too many.
    """
    if not _SIZES.fullmatch(text):
        raise ValueError(f"it lists sizes as {text[:40]!r}; 368x480,512x512 was expected")
    found = [(int(h), int(w)) for h, w in (size.split("x") for size in text.split(","))]
    check_count(len(found))
    return tuple(dict.fromkeys(found))


def fix_size(model: Any, size_hw: Size) -> None:
    """Set the free height and width of a ModelProto's picture and of what it gives, in place.

    Raises:
        ValueError: when the picture has another size then.
    """
    sides = dict(zip((HEIGHT, WIDTH), size_hw, strict=True))
    for value in (*model.graph.input, *model.graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param in sides:
                dimension.dim_value = sides[dimension.dim_param]
    picture = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    if picture not in ([1, *size_hw, 3], [1, 3, *size_hw]):
        raise ValueError(
            f"its picture of shape {picture[:8]} is not free to be of a size that it lists"
        )
