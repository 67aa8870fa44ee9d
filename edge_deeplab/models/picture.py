"""A picture as the network takes it: pixels (H, W, 3) become a batch of one, and are normalised; and its size."""

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.description import Normalisation
from edge_deeplab.models.views import Views


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


def scores_of(views: Views, network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return what the views of some pictures become.

    Args:
        views: of each picture.
        network: maps normalised images (N, 3, H, W) to logits (N, K, h, w).
        images: (N, 3, H, W), normalised.

    Returns:
        (N, K, H, W): class probabilities where `views.gives_probabilities`, else logits.
    """
    size_hw = (images.shape[-2], images.shape[-1])
    if views.is_picture:
        return resize(network(images), size_hw)
    seen = torch.stack([_see(network, images, *view) for view in views.of(size_hw)])
    if views.gives_probabilities:
        return seen.softmax(dim=2, dtype=torch.float32).mean(dim=0)
    return seen.amax(dim=0)


def _see(
    network: nn.Module, images: torch.Tensor, size_hw: tuple[int, int], mirrored: bool
) -> torch.Tensor:
    """Map (N, 3, H, W) to logits (N, K, H, W), seen at another size or in the mirror."""
    view = resize(images.flip(-1) if mirrored else images, size_hw)
    logits = resize(network(view), images.shape[-2:])
    return logits.flip(-1) if mirrored else logits
