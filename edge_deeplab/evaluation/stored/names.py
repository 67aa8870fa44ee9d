"""Names under which the formats' tensors meet.

In this project's files they are those of the canonical operators (`converters.names`): an activation is named after
the operator whose result is stored, a weight or bias after its convolution, with its role behind it. In other people's
files they are the file's own.
"""

from collections.abc import Container

IMAGE = "image"
_NORMALISED = (
    "image_int8",
    "image_to_fp16",
    "mul",
    "permute_default",
    "quantize_per_tensor",
)
"""What computes the picture's integers in the formats: all are the tensor "image"."""
_ENDINGS = ("_cast_fp16", "_weight")


def canonical_name(name: str) -> str:
    """Return the canonical operator's name for that of a tensor of this project's files."""
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return IMAGE if name in _NORMALISED else name


def free_name(name: str, taken: Container[str]) -> str:
    """Return a name, numbered when it is taken already."""
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free
