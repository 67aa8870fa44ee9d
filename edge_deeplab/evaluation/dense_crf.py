"""A fully connected CRF after the network, as DeepLabV2 has it (arXiv 1606.00915, section 3.3): never part of a file.

Mean-field inference is Kraehenbuehl and Koltun's (arXiv 1210.5644), by the package pydensecrf2.
"""

import time
from dataclasses import dataclass, fields
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edge_deeplab.data.images import ImageHWC
from edge_deeplab.errors import ConfigError, require
from edge_deeplab.runtimes.artifact import noise_image
from edge_deeplab.runtimes.base import ClassIds, ImagesNHWC, Logits, Runtime

if TYPE_CHECKING:
    from edge_deeplab.runtimes.torch import TorchRuntime

_LEAST = 1e-6
"""Probabilities below are taken as it: their logarithm is an energy."""


_WEIGHTS, _DISTANCES = (1e-3, 1e3), (0.1, 1e4)
_BOUNDS = {
    "appearance": _WEIGHTS,
    "appearance_px": _DISTANCES,
    "appearance_rgb": _DISTANCES,
    "smoothness": _WEIGHTS,
    "smoothness_px": _DISTANCES,
    "iterations": (1, 100),
}


def load_library() -> ModuleType:
    """Return the package that infers.

    Raises:
        MissingDependencyError: when it is not installed.
    """
    return require("pydensecrf.densecrf", package="pydensecrf2", extra="crf")


@dataclass(frozen=True)
class DenseCrf:
    """How much pixels that look alike, and pixels that are near, pull each other to one class.

    Args:
        appearance: weight of pixels that are near and of like colour (w1).
        appearance_px: how near, in pixels (sigma alpha).
        appearance_rgb: how like, in units of 0..255 (sigma beta).
        smoothness: weight of pixels that are near, whatever their colour (w2).
        smoothness_px: how near, in pixels (sigma gamma).
        iterations: of mean-field inference.

    Raises:
        ConfigError: when a weight is not from 0.001 to 1000, a distance not from 0.1 to 10000, or the iterations are
            not from 1 to 100: far outside, the package ends the program.
    """

    appearance: float = 4.0
    appearance_px: float = 67.0
    appearance_rgb: float = 3.0
    smoothness: float = 3.0
    smoothness_px: float = 1.0
    iterations: int = 10

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high = _BOUNDS[field.name]
            value = getattr(self, field.name)
            wanted = int if field.name == "iterations" else int | float
            if isinstance(value, bool) or not isinstance(value, wanted) or not low <= value <= high:
                raise ConfigError(
                    f"{field.name} of a dense CRF came as {value!r:.60}; a number from {low:g} to {high:g} was "
                    f"expected; pass for example {field.default:g}"
                )

    def refine(
        self, probabilities: npt.NDArray[np.float32], image_hwc: ImageHWC
    ) -> npt.NDArray[np.uint8]:
        """Return class ids (H, W).

        Args:
            probabilities: (K, H, W) of the classes.
            image_hwc: (H, W, 3) uint8 RGB, what they were computed from.

        Raises:
            MissingDependencyError: without pydensecrf2.
        """
        count, height, width = probabilities.shape
        field = load_library().DenseCRF2D(width, height, count)
        energies = -np.log(np.maximum(probabilities, _LEAST), dtype=np.float32)
        field.setUnaryEnergy(np.ascontiguousarray(energies.reshape(count, -1)))
        field.addPairwiseGaussian(sxy=self.smoothness_px, compat=self.smoothness)
        field.addPairwiseBilateral(
            sxy=self.appearance_px,
            srgb=self.appearance_rgb,
            rgbim=np.array(image_hwc, order="C"),  # a copy: it takes none that is read-only
            compat=self.appearance,
        )
        refined = np.array(field.inference(self.iterations))  # (K, H * W)
        ids: npt.NDArray[np.uint8] = refined.argmax(axis=0).reshape(height, width).astype(np.uint8)
        return ids


class RefinedRuntime(Runtime):
    """The reference with a dense CRF after it; see `edge_deeplab.runtimes.base` for its methods.

    Args:
        network: gives the probabilities; its logits stay as they are.
        crf: what makes class ids of them.
    """

    def __init__(self, network: "TorchRuntime", crf: DenseCrf) -> None:
        self.name = f"{network.name}, dense CRF"
        self.path, self.size_hw = network.path, network.size_hw
        self.description = network.description
        self._network, self._crf = network, crf

    def predict(self, images: ImagesNHWC) -> ClassIds:
        """Return class ids."""
        ids = np.empty(images.shape[:3], np.uint8)
        for index, image_hwc in enumerate(images):
            (probabilities,) = self._network.probabilities(images[index : index + 1])
            ids[index] = self._crf.refine(probabilities, image_hwc)
        return ids

    def logits(self, images: ImagesNHWC) -> Logits:
        """Return the network's logits, which the CRF leaves alone."""
        return self._network.logits(images)

    def time_once(self, images: ImagesNHWC | None = None) -> float:
        """Run once, from pixels to class ids, and return the seconds."""
        images = noise_image(self.size_hw) if images is None else images
        start = time.perf_counter()
        self.predict(images[:1])
        return time.perf_counter() - start
