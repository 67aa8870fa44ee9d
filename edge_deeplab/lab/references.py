"""The checkpoints that executed files are held against: found as parity finds them, each scored once a size."""

import hashlib
from functools import cache, cached_property
from pathlib import Path

from edge_deeplab.errors import CheckpointError, MissingDependencyError, require
from edge_deeplab.evaluation.evaluate import evaluate_runtime
from edge_deeplab.evaluation.reference import find_reference, open_reference
from edge_deeplab.evaluation.request import ScoringRequest
from edge_deeplab.evaluation.scores import Evaluation
from edge_deeplab.models.shipped import resolve_checkpoint
from edge_deeplab.progress import Progress


class References:
    """Finds and scores the checkpoints of files.

    Args:
        request: how files are opened, and the images.
        named: the checkpoint of all files; None for the one that each was exported from.
        progress: told of files whose checkpoint is not there, and of each image.

    Attributes:
        dataset: the labelled images.

    Raises:
        CheckpointError: when the named one is not found.
        DataError: for a data set that cannot be read.
        MissingDependencyError: for a named one without torch, which runs it.
    """

    def __init__(self, request: ScoringRequest, named: str | None, progress: Progress) -> None:
        if named is not None:
            require("torch", package="torch", extra="train")
        self._named = None if named is None else resolve_checkpoint(named)
        self._request, self._progress = request, progress
        self.dataset = request.open_data()
        self.find = cache(self._find)
        self.score = cache(self._score)

    @cached_property
    def digest(self) -> str:
        """A hash of all that is scored; the images are read for it once, however many cells are run."""
        digest = hashlib.sha256(repr((self.dataset.classes, self.dataset.ignore_index)).encode())
        for index in range(len(self.dataset)):
            sample = self.dataset[index]
            for array in (sample.image_hwc, sample.mask_ids):
                digest.update(repr(array.shape).encode() + array.tobytes())
        return digest.hexdigest()

    def _find(self, path: Path) -> Path | None:
        """Return a file's checkpoint; None where none is named and what the file says leads to none."""
        if self._named is not None:
            return self._named
        with self._request.open_file(path) as own:
            description = own.description
        if description is None:
            self._progress.note(
                f"{path} does not say what it was exported from: no reference is scored; name one"
            )
            return None
        try:
            require("torch", package="torch", extra="train")
            return find_reference(None, {path: description})
        except (CheckpointError, MissingDependencyError) as error:
            self._progress.note(f"no reference is scored: {error}")
            return None

    def _score(self, checkpoint: Path, size_hw: tuple[int, int]) -> Evaluation:
        """Return a checkpoint's scores at an input size."""
        self._progress.begin(f"loading torch and {checkpoint.name}")
        runtime = open_reference(checkpoint, size_hw)
        return evaluate_runtime(runtime, self.dataset, progress=self._progress)
