"""A file that was just written, run once: what an export holds against the graph that it lowered."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_deeplab.errors import (
    ChildError,
    MissingDependencyError,
    UnsupportedOperatorError,
)
from edge_deeplab.runtimes.open import open_artifact


def run_once(path: Path, image_hwc: npt.NDArray[np.uint8]) -> npt.NDArray[Any] | str:
    """Return what a file gives for one picture.

    Args:
        path: a file that describes itself.
        image_hwc: (H, W, 3) uint8 RGB of its size.

    Returns:
        (K, H, W) logits or (H, W) class ids, by the file's head; a sentence where it cannot be run here, because a
        package, an operator of the reference evaluator, memory or time is missing.

    Raises:
        ArtifactError: when its runtime refuses the file.
    """
    try:
        runtime = open_artifact(path)
        try:
            told = runtime.description
            gives_logits = told is not None and told.head == "logits"
            answers = runtime.logits if gives_logits else runtime.predict
            found: npt.NDArray[Any] = answers(image_hwc[None])[0]
            return found
        finally:
            runtime.close()
    except (MissingDependencyError, UnsupportedOperatorError, ChildError) as error:
        return str(error)
