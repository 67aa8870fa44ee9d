"""What loads and executes one format: an engine knows tensors, and nothing of pictures or classes."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from edge_deeplab.errors import ArtifactError, EdgeDeepLabError
from edge_deeplab.runtimes.inputs import ImageTensor, Tensor
from edge_deeplab.text import first_line


class Engine(Protocol):
    """A loaded file that executes tensors.

    Attributes:
        name: runtime and version.
        image: the input.
        description_text: the embedded self-description; None where the file has none.
    """

    name: str
    image: ImageTensor
    description_text: str | None

    def run(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the file's first output."""
        ...

    def run_scores(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the scores: the output itself, or the input of the argmax that makes it.

        Raises:
            ArtifactError: when the file has no argmax.
        """
        ...


EngineFactory = Callable[..., Engine]
"""Makes an engine of a path and its settings."""


class TimedEngine(Engine, Protocol):
    """An engine that times itself where it runs, and can be ended."""

    def time_run(self, tensor: Tensor) -> float:
        """Execute the file once and return the seconds from the input tensor to the output tensor."""
        ...

    def close(self) -> None:
        """End what runs the file."""
        ...


def execute(run: Callable[[Tensor], Tensor], tensor: Tensor, path: Path, runtime: str) -> Tensor:
    """Return what an engine gives; whatever its layers raise becomes one sentence.

    Args:
        run: a method of the engine.
        tensor: its input.
        path: the file.
        runtime: name and version.

    Raises:
        ArtifactError: when it fails, or gives no numbers.
    """
    try:
        output = run(tensor)
    except (EdgeDeepLabError, MemoryError):
        raise
    except Exception as error:  # a runtime raises what its own layers raise
        raise ArtifactError(
            f"{path} could be loaded but not run by {runtime} ({type(error).__name__}: {first_line(error)}); "
            "a file that this runtime executes was expected; export it again"
        ) from error
    if not isinstance(output, np.ndarray) or output.dtype.kind not in "biuf":
        kind = getattr(output, "dtype", type(output).__name__)
        raise ArtifactError(
            f"{path} gives {kind}; a tensor of numbers was expected, class ids or scores; "
            "export it with one of them as its first output"
        )
    return output
