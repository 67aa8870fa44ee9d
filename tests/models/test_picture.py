"""Pixels become what the network takes."""

import numpy as np
import torch

from edge_deeplab.description import Normalisation
from edge_deeplab.models.picture import normalise, to_batch


def test_normalise_treats_each_channel_by_its_own_constants() -> None:
    image_hwc = np.zeros((2, 4, 3), np.uint8)
    image_hwc[0, 1] = (10, 20, 255)
    image_hwc.setflags(write=False)
    normalised = normalise(image_hwc, Normalisation((0.0, 10.0, 127.0), (1.0, 2.0, 128.0)))
    assert to_batch(image_hwc).shape == normalised.shape == (1, 3, 2, 4)
    assert torch.equal(normalised[0, :, 0, 1], torch.tensor([10.0, 5.0, 1.0]))
