"""Which views of a picture are evaluated and how they become one: the papers' multi-scale inputs and flipping."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Literal, get_args

from edge_deeplab.errors import ConfigError, checking, unknown_choice

Fuse = Literal["average", "maximum"]
"""Of class probabilities (DeepLabV3+ section 4), or of scores at each position (DeepLabV2 section 3.2)."""

FUSES: tuple[Fuse, ...] = get_args(Fuse)
SIZE_MULTIPLE = 16
"""Rescaled pictures are rounded to it, so that every stage sees the parity it was trained with."""


@dataclass(frozen=True)
class Views:
    """The views of one picture.

    Args:
        scales: the picture is seen at each of these scales.
        flip: also in the mirror, left to right.
        fuse: how the views become one.

    Raises:
        ConfigError: when there is no scale, or one that is not positive, or no such way to fuse, or nothing to fuse.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    fuse: Fuse = "average"

    def __post_init__(self) -> None:
        if not self.scales or not all(isfinite(scale) and scale > 0 for scale in self.scales):
            raise ConfigError(
                f"scales {list(self.scales)} came; at least one, each above 0, was expected; "
                "pass for example 0.75, 1 and 1.25"
            )
        if self.fuse not in FUSES:
            with checking("fuse"):
                raise unknown_choice("way to fuse views", str(self.fuse), FUSES)
        if self.fuse != "average" and self.is_picture:
            raise ConfigError(
                f"a way to fuse views, {self.fuse}, came with one view; several were expected with it; add scales or a "
                "flip, or leave it out"
            )

    @property
    def is_picture(self) -> bool:
        """Whether the picture alone is seen, as it is."""
        return self.scales == (1.0,) and not self.flip

    @property
    def gives_probabilities(self) -> bool:
        """Whether what they become is class probabilities; else it is logits."""
        return self.fuse == "average" and not self.is_picture

    def of(self, size_hw: tuple[int, int]) -> Iterator[tuple[tuple[int, int], bool]]:
        """Yield the size of each view of a picture, and whether it is mirrored."""
        for scale in self.scales:
            for mirrored in (False, True) if self.flip else (False,):
                yield _scaled(size_hw, scale), mirrored


ONE_VIEW = Views()


def _scaled(size_hw: tuple[int, int], scale: float) -> tuple[int, int]:
    if scale == 1:
        return size_hw
    height, width = (
        max(1, round(side * scale / SIZE_MULTIPLE)) * SIZE_MULTIPLE for side in size_hw
    )
    return height, width
