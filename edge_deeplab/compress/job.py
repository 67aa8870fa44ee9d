"""What every step of a chain is given: the data, how much of the machine, and who is told how it stands."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from edge_deeplab.compress.steps import Finished, Step, run_step
from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.data.folder import DataFolder, LabelledFolder
from edge_deeplab.evaluation.latency import BenchReport
from edge_deeplab.evaluation.parity import MakeTrial
from edge_deeplab.evaluation.verdict import ParityReport
from edge_deeplab.progress import SILENT, Progress

STEPS_FOLDER = "steps"


class Witness(Protocol):
    """Who sees more of what a chain measures than its steps keep."""

    def watch(self, dataset: SegmentationDataset) -> MakeTrial:
        """Return what makes the trials of a measurement of files that begins now."""
        ...

    def scored(self, report: ParityReport) -> None:
        """Take the result of the measurement that began last."""
        ...

    def timed(self, times: BenchReport) -> None:
        """Take the times of files, measured now or by an earlier run."""
        ...


@dataclass(frozen=True)
class Job:
    """One run of a chain.

    Args:
        data: the labelled images.
        output: folder of the run.
        workers: processes that draw crops.
        progress: told how it stands: a line a step, and what a step tells.
        witness: who sees what is measured; None for nobody.
        finished: the steps that are done, in order.
    """

    data: DataFolder
    output: Path
    workers: int = 1
    progress: Progress = SILENT
    witness: Witness | None = None
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
