"""The score by which a training run chooses the checkpoint that it keeps."""

from pathlib import Path

from edge_deeplab.config import Recipe
from edge_deeplab.data.folder import DataFolder, LabelledFolder
from edge_deeplab.errors import DataError
from edge_deeplab.evaluation.evaluate import evaluate_runtime
from edge_deeplab.models.checkpoint import Checkpoint, load_checkpoint
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.runtimes.torch import TorchRuntime
from edge_deeplab.training.run_folder import Validator


def open_validator(
    folder: DataFolder, recipe: Recipe, progress: Progress = SILENT
) -> Validator | None:
    """Return what scores a checkpoint, or its file, on the recipe's validation split; None where the recipe names none.

    Args:
        folder: the labelled images.
        recipe: the run.
        progress: told each scored image.

    Raises:
        DataError: when the folder has no such split, or no mask of it holds a pixel of a class.
    """
    if not recipe.data.validation_split:
        return None
    dataset = folder.open(recipe.data.validation_split)
    if not any(_is_labelled(dataset, index) for index in range(len(dataset))):
        raise DataError(
            f"no mask of {dataset.name} holds a pixel of any class, so no epoch could be chosen by its score; labels "
            'were expected; name another split as data.validation_split, or "" to keep the last epoch'
        )

    def validate(named: Path | Checkpoint) -> float:
        checkpoint = load_checkpoint(named) if isinstance(named, Path) else named
        stage, runtime = f"validating {checkpoint.name}", TorchRuntime(checkpoint)
        return evaluate_runtime(runtime, dataset, stage=stage, progress=progress).miou

    return Validator(validate, dataset.fingerprint())


def _is_labelled(dataset: LabelledFolder, index: int) -> bool:
    """Whether an image's mask holds a pixel of a class; one that cannot be read is told by who reads it next."""
    try:
        return bool((dataset.read_mask(index) != dataset.ignore_index).any())
    except DataError:
        return True
