"""Calibration with its progress, for the verbs that begin with it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_deeplab.config import QatRecipe
    from edge_deeplab.data.dataset import SegmentationDataset
    from edge_deeplab.models.checkpoint import Checkpoint
    from edge_deeplab.models.quantization import Quantization


def calibrate_with_progress(
    checkpoint: "Checkpoint",
    recipe: "QatRecipe",
    source: "SegmentationDataset",
    keep_float: Sequence[str] = (),
) -> "Quantization":
    """Return the quantizers of a float checkpoint; arguments and errors as for `quantization.qat.quantize`."""
    from edge_deeplab.cli.progress import counting
    from edge_deeplab.quantization.calibration import passes
    from edge_deeplab.quantization.qat import quantize

    section = recipe.quantization
    shown = min(section.calibration_images, len(source)) * passes(section.estimator)
    with counting("calibrating", shown) as progress:
        return quantize(checkpoint, recipe, source, keep_float=keep_float, progress=progress)
