"""A picture as the network takes it: pixels (H, W, 3) become a batch of one, and are normalised; and its size."""

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from edge_deeplab.description import Normalisation


def to_batch(image_hwc: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Return a picture as (1, 3, H, W) float32 in 0..255; a copy, so that a read-only array will do."""
    return torch.from_numpy(np.array(image_hwc)).permute(2, 0, 1)[None].float()


def normalise(image_hwc: npt.NDArray[np.uint8], normalisation: Normalisation) -> torch.Tensor:
    """Return a picture as (1, 3, H, W) float32, normalised.

    Args:
        image_hwc: (H, W, 3) uint8.
        normalisation: constants in 0..255 pixel units.
    """
    mean, std = (
        torch.tensor(v).reshape(1, 3, 1, 1) for v in (normalisation.mean, normalisation.std)
    )
    return (to_batch(image_hwc) - mean) / std


def resize(maps: torch.Tensor, size_hw: tuple[int, ...]) -> torch.Tensor:
    """Return (N, C, H, W) pictures or logits at another size, bilinearly; the same where they have it."""
    if maps.shape[-2:] == size_hw:
        return maps
    return functional.interpolate(maps, size=size_hw, mode="bilinear", align_corners=False)
