"""A checkpoint's canonical graph as a runtime: what every file was lowered from, run in torch.

Held against it, a file shows what its converter and its runtime change, and nothing of what the rewrites or the
quantizers did before.
"""

import time

import numpy as np
import torch

from edge_deeplab.converters.capture import capture
from edge_deeplab.description import Description
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.models.picture import resize
from edge_deeplab.runtimes.artifact import check_images, noise_image
from edge_deeplab.runtimes.base import ClassIds, ImagesNHWC, Logits, Runtime
from edge_deeplab.runtimes.threads import running_torch


class CanonicalRuntime(Runtime):
    """A checkpoint's canonical graph; see `edge_deeplab.runtimes.base` for its methods.

    Args:
        checkpoint: float or quantized.
        size_hw: height and width of the pictures; None takes the checkpoint's.
        threads: number of CPU threads while it runs; None leaves torch's setting.

    Raises:
        CheckpointError: when tensors do not fit the model.
        CaptureError: when the model cannot be captured.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        size_hw: tuple[int, int] | None = None,
        threads: int | None = None,
    ) -> None:
        self.name = f"canonical graph, torch {torch.__version__}"
        self.path = checkpoint.path
        self.size_hw = checkpoint.info.size_hw if size_hw is None else size_hw
        quantization = checkpoint.quantization
        self.description: Description | None = checkpoint.describe(
            target=None,
            precision="fp32" if quantization is None else "int8",
            head="logits",
            size_hw=self.size_hw,
            provenance=checkpoint.info.provenance,
        )
        normalisation = checkpoint.info.normalisation
        self._graph = capture(
            checkpoint.build(), normalisation, self.size_hw, "logits", quantization
        )
        self._threads = threads

    def predict(self, images: ImagesNHWC) -> ClassIds:
        """Return class ids."""
        check_images(images, self.size_hw)
        if not len(images):
            return np.empty(images.shape[:3], np.uint8)
        classes: ClassIds = self.logits(images).argmax(axis=1).astype(np.uint8)
        return classes

    def logits(self, images: ImagesNHWC) -> Logits:
        """Return logits."""
        check_images(images, self.size_hw, at_least=1)
        with running_torch(self._threads):
            found = [self._graph.run(torch.from_numpy(image.copy())) for image in images]
        scores: Logits = resize(torch.stack(found), self.size_hw).numpy()
        return scores

    def time_once(self, images: ImagesNHWC | None = None) -> float:
        """Run the graph once and return the seconds."""
        images = noise_image(self.size_hw) if images is None else images
        start = time.perf_counter()
        self.predict(images[:1])
        return time.perf_counter() - start
