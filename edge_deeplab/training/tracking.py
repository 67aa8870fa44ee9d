"""A run's numbers for TensorBoard, through Accelerate's tracker."""

from pathlib import Path
from typing import Any

from edge_deeplab.errors import require

TENSORBOARD_FOLDER = "tensorboard"


def check_tensorboard() -> None:
    """Check that TensorBoard's files can be written.

    Raises:
        MissingDependencyError: without tensorboard.
    """
    require("tensorboard", package="tensorboard", extra="tensorboard")


def open_tracker(run: Path) -> Any:
    """Return what an epoch's numbers are told to (`log`), and that ends with `finish`.

    Args:
        run: the run's folder; the files go to its folder `tensorboard`.

    Raises:
        MissingDependencyError: without tensorboard.
    """
    check_tensorboard()
    from accelerate.tracking import TensorBoardTracker

    tracker = TensorBoardTracker(TENSORBOARD_FOLDER, logging_dir=run)
    tracker.start()
    return tracker
