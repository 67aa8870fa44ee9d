"""The reference: a checkpoint's model in torch, in float32, with the evaluation protocols of the papers.

A quantized checkpoint runs with its fake quantizers: what int8 computes, in float.
"""

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from edge_deeplab.description import Description
from edge_deeplab.errors import ConfigError
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.models.picture import normalise, resize
from edge_deeplab.quantization.fake_quantize import fake_quantized
from edge_deeplab.runtimes.artifact import check_images, noise_image
from edge_deeplab.runtimes.base import ClassIds, ImagesNHWC, Logits, Runtime
from edge_deeplab.runtimes.threads import running_torch

SIZE_MULTIPLE = 16
"""Rescaled pictures are rounded to it, so that every stage sees the parity it was trained with."""


class TorchRuntime(Runtime):
    """A checkpoint as a `Runtime`; see `edge_deeplab.runtimes.base` for its methods.

    Args:
        checkpoint: the model, its classes and its normalisation.
        size_hw: height and width of the pictures; None takes the checkpoint's.
        output_stride: another stride than it was trained with.
        scales: the picture is evaluated at each of these scales and the class probabilities are averaged
            (DeepLabV3+ section 4, "multi-scale inputs").
        flip: also average with the left-right flipped picture.
        threads: number of CPU threads while it runs; None leaves torch's setting.

    Raises:
        CheckpointError: when tensors do not fit the model.
        ConfigError: when there is no scale, or one that is not positive.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        size_hw: tuple[int, int] | None = None,
        output_stride: int | None = None,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        threads: int | None = None,
    ) -> None:
        if not scales or min(scales) <= 0:
            raise ConfigError(
                f"scales {list(scales)} came; at least one, each above 0, was expected; "
                "pass for example 0.75, 1 and 1.25"
            )
        self.name = f"torch {torch.__version__}"
        self.path = checkpoint.path
        self.size_hw = checkpoint.info.size_hw if size_hw is None else size_hw
        self.description: Description | None = checkpoint.describe(
            target=None,
            precision="fp32" if checkpoint.quantization is None else "int8",
            head="logits",
            size_hw=self.size_hw,
            provenance=checkpoint.info.provenance,
        )
        model = checkpoint.build(output_stride=output_stride)
        quantization = checkpoint.quantization
        self._model = model if quantization is None else fake_quantized(model, quantization)
        self._views = [
            (_scaled(self.size_hw, scale), mirrored)
            for scale in scales
            for mirrored in ((False, True) if flip else (False,))
        ]
        self._threads = threads
        self._normalisation = checkpoint.info.normalisation

    def predict(self, images: ImagesNHWC) -> ClassIds:
        """Return class ids."""
        check_images(images, self.size_hw)
        ids = np.empty(images.shape[:3], np.uint8)
        with running_torch(self._threads):
            for index, image_hwc in enumerate(images):
                ids[index] = self._scores(image_hwc).argmax(dim=1)[0].numpy()
        return ids

    def logits(self, images: ImagesNHWC) -> Logits:
        """Return logits; with several scales, or flipping, the averaged class probabilities."""
        check_images(images, self.size_hw, at_least=1)
        with running_torch(self._threads):
            scores: Logits = torch.cat([self._scores(image) for image in images]).numpy()
        return scores

    def time_once(self, images: ImagesNHWC | None = None) -> float:
        """Run the model once, from pixels to class ids as an exported file does, and return the seconds."""
        images = noise_image(self.size_hw) if images is None else images
        check_images(images, self.size_hw, at_least=1)
        start = time.perf_counter()
        self.predict(images[:1])
        return time.perf_counter() - start

    def _scores(self, image_hwc: npt.NDArray[np.uint8]) -> torch.Tensor:
        """Map (H, W, 3) uint8 to (1, C, H, W) scores."""
        normalised = normalise(image_hwc, self._normalisation)
        if self._views == [(self.size_hw, False)]:
            return resize(self._model(normalised), self.size_hw)
        probabilities = [self._probabilities(normalised, *view) for view in self._views]
        return torch.stack(probabilities).mean(dim=0)

    def _probabilities(
        self, images: torch.Tensor, size_hw: tuple[int, int], mirrored: bool
    ) -> torch.Tensor:
        """Map (1, 3, H, W) to class probabilities (1, C, H, W), seen at another size or in the mirror."""
        view = resize(images.flip(-1) if mirrored else images, size_hw)
        logits = resize(self._model(view), self.size_hw)
        return (logits.flip(-1) if mirrored else logits).softmax(dim=1)


def _scaled(size_hw: tuple[int, int], scale: float) -> tuple[int, int]:
    if scale == 1:
        return size_hw
    height, width = (
        max(1, round(side * scale / SIZE_MULTIPLE)) * SIZE_MULTIPLE for side in size_hw
    )
    return height, width
