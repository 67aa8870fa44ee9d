"""Names under which the formats' tensors meet.

In this project's files they are those of the canonical operators (`operator_names`): an activation is named after
the operator whose result is stored, a weight or bias after its convolution, with its role behind it. In other people's
files they are the file's own.
"""

from collections import Counter

IMAGE, SCORES = "image", "logits"
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


class FreeNames:
    """Numbers names that are taken already; thousands of equal ones cost no more than as many others."""

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()

    def next(self, name: str) -> str:
        """Return a name that no earlier call returned: the name itself, then with a number behind it."""
        while True:
            self._times[name] += 1
            free = name if self._times[name] == 1 else f"{name} ({self._times[name]})"
            if free == name or not self._times[free]:
                self._times[free] += free != name
                return free
