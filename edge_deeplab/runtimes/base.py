"""The one protocol that parity, bench, demo and evaluate speak to.

A runtime owns a loaded file and the preprocessing that the file itself does not contain; callers hand it raw RGB pixels
of the right size and get class ids.
"""

import sys
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from edge_deeplab.description import Description

ImagesNHWC = npt.NDArray[np.uint8]
ClassIds = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]
REFERENCE_EVALUATOR, CORE_AI = "mil-reference", "coreai-core"
"""How the names of what executes Core ML and Core AI files off the Mac begin; their times are not a device's."""


def is_timed_here(runtime: str) -> bool:
    """Tell whether the times of a runtime, by its name, are those of what devices use."""
    names = (REFERENCE_EVALUATOR,) if sys.platform == "darwin" else (REFERENCE_EVALUATOR, CORE_AI)
    return not runtime.startswith(names)


class Runtime(Protocol):
    """A loaded artifact that maps images to class ids; `with` closes it.

    Attributes:
        name: runtime and version that executes it, for example "onnxruntime 1.31.1" or "mil-reference".
        path: the file.
        description: what the file says of itself; None where it is another project's file that says nothing.
        size_hw: input height and width in pixels.
    """

    name: str
    path: Path
    description: Description | None
    size_hw: tuple[int, int]

    def predict(self, images: ImagesNHWC) -> ClassIds:
        """Return class ids.

        Args:
            images: (N, H, W, 3) uint8 RGB, H and W equal to `size_hw`; any N (files are run image by image).

        Returns:
            (N, H, W) uint8 class ids.
        """
        ...

    def logits(self, images: ImagesNHWC) -> Logits:
        """Return the scores that the class map is taken from.

        Args:
            images: as for `predict`, at least one.

        Returns:
            (N, C, H, W) float32; also for files whose output is the class map (the argmax's input is tapped).

        Raises:
            ArtifactError: when the file has no tensor of that meaning.
        """
        ...

    def time_once(self, images: ImagesNHWC | None = None) -> float:
        """Execute the file once and return how long that took, in seconds: what bench repeats.

        Only the execution is timed, from the input tensor to the output tensor; turning pixels into that tensor and the
        output into class ids is not. It works for every file that runs, also where `predict` would have to know more.

        Args:
            images: (1, H, W, 3) uint8 RGB, H and W equal to `size_hw`; None takes one fixed picture of noise.
        """
        ...

    def close(self) -> None:
        """Give back what running the file takes; an exported file cannot be run after it."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
