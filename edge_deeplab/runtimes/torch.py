"""The reference: a checkpoint's model in torch, in float32, with the evaluation protocols of the papers.

A quantized checkpoint runs with its fake quantizers: what int8 computes, in float.
"""

import time

import numpy as np
import numpy.typing as npt
import torch

from edge_deeplab.description import Description
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.models.picture import normalise, scores_of
from edge_deeplab.models.views import ONE_VIEW, Views
from edge_deeplab.quantization.fake_quantize import fake_quantized
from edge_deeplab.runtimes.artifact import check_images, noise_image
from edge_deeplab.runtimes.base import ClassIds, ImagesNHWC, Logits, Runtime
from edge_deeplab.runtimes.threads import running_torch


class TorchRuntime(Runtime):
    """A checkpoint as a `Runtime`; see `edge_deeplab.runtimes.base` for its methods.

    Args:
        checkpoint: the model, its classes and its normalisation.
        size_hw: height and width of the pictures; None takes the checkpoint's.
        output_stride: another stride than it was trained with.
        views: of each picture that are evaluated, and how they become one.
        threads: number of CPU threads while it runs; None leaves torch's setting.

    Raises:
        CheckpointError: when tensors do not fit the model.
        ConfigError: when there is no such stride.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        size_hw: tuple[int, int] | None = None,
        output_stride: int | None = None,
        views: Views = ONE_VIEW,
        threads: int | None = None,
    ) -> None:
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
        self._views = views
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
        """Return logits: of one view its own, of several the averaged class probabilities or the largest logits."""
        check_images(images, self.size_hw, at_least=1)
        with running_torch(self._threads):
            scores: Logits = torch.cat([self._scores(image) for image in images]).numpy()
        return scores

    def probabilities(self, images: ImagesNHWC) -> Logits:
        """Return class probabilities (N, C, H, W) float32: of several views their mean, or of the largest logits."""
        scores = self.logits(images)
        if self._views.gives_probabilities:
            return scores
        with running_torch(self._threads):
            softened: Logits = torch.from_numpy(scores).softmax(dim=1).numpy()
        return softened

    def time_once(self, images: ImagesNHWC | None = None) -> float:
        """Run the model once, from pixels to class ids as an exported file does, and return the seconds."""
        images = noise_image(self.size_hw) if images is None else images
        check_images(images, self.size_hw, at_least=1)
        start = time.perf_counter()
        self.predict(images[:1])
        return time.perf_counter() - start

    def _scores(self, image_hwc: npt.NDArray[np.uint8]) -> torch.Tensor:
        """Map (H, W, 3) uint8 to (1, C, H, W) scores."""
        return scores_of(self._views, self._model, normalise(image_hwc, self._normalisation))
