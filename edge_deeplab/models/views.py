"""Which views of a picture are evaluated and how they become one: the papers' multi-scale inputs and flipping."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Literal, get_args

import torch
from torch import nn

from edge_deeplab.errors import ConfigError, checking, unknown_choice
from edge_deeplab.models.picture import resize

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

    def scores(self, network: nn.Module, images: torch.Tensor) -> torch.Tensor:
        """Return what the views of some pictures become.

        Args:
            network: maps normalised images (N, 3, H, W) to logits (N, K, h, w).
            images: (N, 3, H, W), normalised.

        Returns:
            (N, K, H, W): class probabilities where `gives_probabilities`, else logits.
        """
        size_hw = (images.shape[-2], images.shape[-1])
        if self.is_picture:
            return resize(network(images), size_hw)
        seen = torch.stack([_see(network, images, *view) for view in self.of(size_hw)])
        if self.gives_probabilities:
            return seen.softmax(dim=2, dtype=torch.float32).mean(dim=0)
        return seen.amax(dim=0)


ONE_VIEW = Views()


def _scaled(size_hw: tuple[int, int], scale: float) -> tuple[int, int]:
    if scale == 1:
        return size_hw
    height, width = (
        max(1, round(side * scale / SIZE_MULTIPLE)) * SIZE_MULTIPLE for side in size_hw
    )
    return height, width


def _see(
    network: nn.Module, images: torch.Tensor, size_hw: tuple[int, int], mirrored: bool
) -> torch.Tensor:
    """Map (N, 3, H, W) to logits (N, K, H, W), seen at another size or in the mirror."""
    view = resize(images.flip(-1) if mirrored else images, size_hw)
    logits = resize(network(view), images.shape[-2:])
    return logits.flip(-1) if mirrored else logits
