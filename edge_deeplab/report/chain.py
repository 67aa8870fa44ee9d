"""What a chain measures, as a page needs it: files that were scored and timed on the way are not run again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.evaluation.latency import BenchReport
from edge_deeplab.evaluation.parity import MakeTrial
from edge_deeplab.evaluation.verdict import ParityReport
from edge_deeplab.report.filling import ScoredFiles, fill
from edge_deeplab.report.known import Entry, Scored
from edge_deeplab.report.watching import Watcher


class ChainWitness:
    """Sees what a chain measures (`compress.job.Witness`).

    A step that an earlier run did is not seen: it kept scores, and neither class maps nor the counts of single images.

    Attributes:
        times: of the chain's files; None where they were not timed.
    """

    def __init__(self) -> None:
        self.times: BenchReport | None = None
        self._watchers: list[Watcher] = []
        self._scored: list[tuple[ParityReport, Watcher]] = []

    def watch(self, dataset: SegmentationDataset) -> MakeTrial:
        """Return what makes the trials of a measurement that begins."""
        self._watchers.append(Watcher(dataset))
        return self._watchers[-1].trial

    def scored(self, report: ParityReport) -> None:
        """Take the result of the measurement that began last."""
        self._scored.append((report, self._watchers[-1]))

    def timed(self, times: BenchReport) -> None:
        """Take times, measured now or earlier."""
        self.times = times

    def files(self, paths: Sequence[Path], max_drop: float) -> ScoredFiles:
        """Return what was seen of files, under the paths that they were gathered to.

        Args:
            paths: of a page; in its step each file has the same name.
            max_drop: largest loss of mIoU points that passes.

        Raises:
            Exception: with which a watcher failed.
        """
        found = [fill(*each) for each in self._scored]
        place = {path.name: path for path in paths}
        entries = [
            _gathered(entry, place[entry.path.name], max_drop)
            for files in found
            for entry in files.entries
            if entry.path.name in place
        ]
        references = tuple(scored for files in found for scored in files.references)
        return ScoredFiles(references, tuple(entries))

    def times_of(self, paths: Sequence[Path]) -> BenchReport | None:
        """Return the times of those files that were timed; None where none were."""
        place: Mapping[str, Path] = {path.name: path for path in paths}
        if self.times is None:
            return None
        rows = [row for row in self.times.rows if row.path.name in place]
        gathered = tuple(replace(row, path=place[row.path.name]) for row in rows)
        return replace(self.times, rows=gathered)


def _gathered(entry: Entry, path: Path, max_drop: float) -> Entry:
    parity = entry.parity and replace(entry.parity, path=path, max_drop=max_drop)
    return replace(entry, path=path, parity=parity)


def merge(paths: Sequence[Path], *several: ScoredFiles) -> ScoredFiles:
    """Return files that were scored apart as one list, in the order of their paths, the reference once a size."""
    ordered = [entry for path in paths for entry in _of(path, several)]
    references: dict[tuple[int, int], Scored] = {}
    for scored in (scored for each in several for scored in each.references):
        references.setdefault(scored.evaluation.size_hw, scored)
    numbered = (replace(entry, number=number) for number, entry in enumerate(ordered, 1))
    return ScoredFiles(tuple(references.values()), tuple(numbered))


def _of(path: Path, several: Sequence[ScoredFiles]) -> list[Entry]:
    return [entry for each in several for entry in each.entries if entry.path == path]
