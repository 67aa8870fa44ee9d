"""What every step of a chain is given: the data, how much of the machine, and who is told how it stands."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from edge_deeplab.compress.steps import Finished, Step, run_step
from edge_deeplab.data.folder import DataFolder, LabelledFolder
from edge_deeplab.progress import SILENT, Progress

STEPS_FOLDER = "steps"


@dataclass(frozen=True)
class Job:
    """One run of a chain.

    Args:
        data: the labelled images.
        output: folder of the run.
        workers: processes that draw crops.
        progress: told how it stands: a line a step, and what a step tells.
        finished: the steps that are done, in order.
    """

    data: DataFolder
    output: Path
    workers: int = 1
    progress: Progress = SILENT
    finished: list[Finished] = field(default_factory=list)

    def run(self, step: Step) -> Finished:
        """Do a step, or find it done; errors as for `run_step`."""
        done = run_step(step, self.output / STEPS_FOLDER, self.progress)
        self.finished.append(done)
        return done

    def open_splits(self, splits: Sequence[str]) -> list[LabelledFolder]:
        """Return splits of the data; errors as for `DataFolder.open`."""
        return [self.data.open(split) for split in splits]

    def hash_splits(self, splits: Sequence[str]) -> dict[str, str]:
        """Return the hashes of splits of the data, as inputs of a step; each is read once a run."""
        for split in splits:
            if split not in self._hashes:
                self._hashes[split] = self.data.open(split).content_sha256()
        return {f"data {split}": self._hashes[split] for split in splits}

    @cached_property
    def _hashes(self) -> dict[str, str]:
        return {}
