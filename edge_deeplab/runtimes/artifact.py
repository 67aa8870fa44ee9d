"""The `Runtime` of every exported file: an engine executes its tensors, this class gives them their meaning.

An engine (ONNX Runtime, LiteRT, Core ML, the MIL evaluator) knows how to load and execute one format and nothing of
pictures or classes; so they cannot disagree on preprocessing. It runs in a bounded child (`child_engine`).
"""

from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.data.transforms import resize_image
from edge_deeplab.description import Normalisation, parse_description
from edge_deeplab.errors import ArtifactError, DataError
from edge_deeplab.runtimes.base import ClassIds, ImagesNHWC, Logits, Runtime
from edge_deeplab.runtimes.engine import TimedEngine
from edge_deeplab.runtimes.inputs import ImageTensor, Tensor
from edge_deeplab.runtimes.outputs import class_map, score_map
from edge_deeplab.text import size_text

UNIT_RANGE = Normalisation((0.0, 0.0, 0.0), (255.0, 255.0, 255.0))
"""What stands in for an unknown normalisation where only time is measured."""


class ArtifactRuntime(Runtime):
    """An exported file as a `Runtime`; see `edge_deeplab.runtimes.base` for its methods.

    Args:
        path: the file.
        engine: what executes it.
        normalisation: of an input of a file that does not describe itself; a uint8 input takes pixels as they are.
        size_hw: another height and width than the engine's own, that the file takes too.

    Raises:
        ArtifactError: when the self-description cannot be read, or the picture is larger than any that is read.
    """

    def __init__(
        self,
        path: Path,
        engine: TimedEngine,
        normalisation: Normalisation | None,
        size_hw: tuple[int, int] | None = None,
    ) -> None:
        self.name = engine.name
        self.path = path
        self._image = engine.image if size_hw is None else engine.image.resized(size_hw)
        self.size_hw = self._image.size_hw
        _check_size(path, self.size_hw)
        text = engine.description_text
        told = None if text is None else parse_description(text, path=str(path))
        self.description = (
            told if told is None or size_hw is None else replace(told, size_hw=size_hw)
        )
        self._engine = engine
        self._normalisation = normalisation if self.description is None else None
        self._threshold: float | None = None

    def read_as_mask(self, threshold: float) -> None:
        """Take what another project's file gives for a mask of one class, in place; a file that describes itself stays.

        Args:
            threshold: from this value on, in the file's own units, a pixel is of class 1, below it of class 0.
        """
        self._threshold = threshold if self.description is None else None

    def predict(self, images: ImagesNHWC) -> ClassIds:
        """Return class ids; a smaller output is enlarged to the size of the picture."""
        check_images(images, self.size_hw)
        ids = np.empty(images.shape[:3], np.uint8)
        for index, image_hwc in enumerate(images):
            ids[index] = self.read_ids(self.execute(image_hwc))
        return ids

    @property
    def image(self) -> ImageTensor:
        """The file's input, at the size that it is run at."""
        return self._image

    def resized(self, image_hwc: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return a picture of any size at the file's, (H, W, 3) uint8, as every command resizes it."""
        return np.array(resize_image(image_hwc, self.size_hw))

    def execute(self, image_hwc: npt.NDArray[np.uint8]) -> Tensor:
        """Return the file's first output for a picture of its size, as it lies; errors as for `encode`."""
        return self._engine.run(self.encode(image_hwc))

    def read_ids(self, output: Tensor) -> ClassIds:
        """Return the (H, W) class ids that the file's first output means, whatever executed it."""
        return class_map(
            output,
            self._image,
            path=str(self.path),
            classes=self._classes,
            threshold=self._threshold,
        )

    def logits(self, images: ImagesNHWC) -> Logits:
        """Return scores; smaller ones are enlarged to the size of the picture."""
        check_images(images, self.size_hw, at_least=1)
        outputs = [self._engine.run_scores(self.encode(image_hwc)) for image_hwc in images]
        return np.stack(
            [score_map(o, self._image, path=str(self.path), classes=self._classes) for o in outputs]
        )

    @property
    def _classes(self) -> int | None:
        """How many classes the file says that it has."""
        return None if self.description is None else len(self.description.classes)

    def close(self) -> None:
        """End the process that runs the file."""
        self._engine.close()

    def time_once(self, images: ImagesNHWC | None = None) -> float:
        """Execute the file once and return the seconds that took."""
        if images is None:
            return self._engine.time_run(self._noise)
        check_images(images, self.size_hw, at_least=1)
        return self._engine.time_run(self._stand_in(images[0]))

    @cached_property
    def _noise(self) -> Tensor:
        """The input tensor of one fixed picture of noise."""
        return self._stand_in(noise_image(self.size_hw)[0])

    def _stand_in(self, image_hwc: npt.NDArray[np.uint8]) -> Tensor:
        """Return the input tensor of a picture for timing, where an unknown normalisation does not matter."""
        normalisation = UNIT_RANGE if self._lacks_normalisation() else self._normalisation
        return self._image.encode(image_hwc, normalisation)

    def encode(self, image_hwc: npt.NDArray[np.uint8]) -> Tensor:
        """Return a picture as the file's input tensor.

        Raises:
            ArtifactError: when it is not known what pixels are normalised with.
        """
        if self._lacks_normalisation():
            raise ArtifactError(
                f"{self.path} takes {self._image.dtype} input and does not describe itself, so what its pixels "
                "are normalised with is not known; pass normalisation (mean and std of R, G, B in 0..255)"
            )
        return self._image.encode(image_hwc, self._normalisation)

    def _lacks_normalisation(self) -> bool:
        told = self.description is not None or self._normalisation is not None
        return not told and not self._image.takes_pixels()


def check_images(images: ImagesNHWC, size_hw: tuple[int, int], *, at_least: int = 0) -> None:
    """Check that images are what a runtime takes.

    Raises:
        DataError: when they are not (N, H, W, 3) uint8 of `size_hw`, or fewer than `at_least`.
    """
    if not isinstance(images, np.ndarray):
        raise DataError(
            f"images came as {type(images).__name__}; one (N, {size_hw[0]}, {size_hw[1]}, 3) uint8 array was expected; "
            "stack pictures with numpy.stack"
        )
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (*size_hw, 3):
        raise DataError(
            f"images of shape {images.shape} and type {images.dtype} came; "
            f"(N, {size_hw[0]}, {size_hw[1]}, 3) uint8 was expected; resize them to the file's size"
        )
    if len(images) < at_least:
        raise DataError(f"{len(images)} images came; at least {at_least} was expected; pass more")


def noise_image(size_hw: tuple[int, int]) -> ImagesNHWC:
    """Return one fixed (1, H, W, 3) uint8 picture of noise."""
    return np.random.default_rng(0).integers(0, 256, (1, *size_hw, 3), np.uint8)


def _check_size(path: Path, size_hw: tuple[int, int]) -> None:
    """Check that pictures can be made for a file: a few bytes in it can ask for gigabytes."""
    if size_hw[0] * size_hw[1] > MAX_PIXELS:
        raise ArtifactError(
            f"{path} takes pictures of {size_text(size_hw)}; at most {MAX_PIXELS} pixels were expected; export it at "
            "a size that it is used at"
        )
