"""The score by which a training run chooses the checkpoint that it keeps."""

from pathlib import Path

from edge_deeplab.config import Recipe
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.evaluation.evaluate import evaluate_runtime
from edge_deeplab.models.checkpoint import Checkpoint, load_checkpoint
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.runtimes.torch import TorchRuntime
from edge_deeplab.training.run_folder import Validator


def open_validator(
    data: Path, recipe: Recipe, *, max_pixels: int = MAX_PIXELS, progress: Progress = SILENT
) -> Validator | None:
    """Return what scores a checkpoint, or its file, on the recipe's validation split; None where the recipe names none.

    Args:
        data: a data folder, as for `open_dataset`.
        recipe: the run.
        max_pixels: a larger image is refused.
        progress: told each scored image.

    Raises:
        DataError: when the folder has no such split.
    """
    if not recipe.data.validation_split:
        return None
    dataset = open_dataset(data, recipe.data.validation_split, max_pixels=max_pixels)

    def validate(named: Path | Checkpoint) -> float:
        checkpoint = load_checkpoint(named) if isinstance(named, Path) else named
        stage, runtime = f"validating {checkpoint.name}", TorchRuntime(checkpoint)
        return evaluate_runtime(runtime, dataset, stage=stage, progress=progress).miou

    return validate
