"""What a page needs of class maps beyond their counts, taken from what parity predicts anyway.

Kept are counts near boundaries and, of each file, the few images at which it agrees least with the reference, encoded
at once, so that memory does not grow with the data.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge_deeplab.data.dataset import Sample, SegmentationDataset
from edge_deeplab.data.transforms import resize_ids
from edge_deeplab.evaluation.evaluate import Tally
from edge_deeplab.evaluation.metrics import Ids
from edge_deeplab.evaluation.scores import TrimapBand
from edge_deeplab.evaluation.trial import Trial
from edge_deeplab.formats.sizes import Size
from edge_deeplab.report.bands import BandCounts, MaskBands
from edge_deeplab.report.pictures import Layers, SharedLayers, draw_layers, draw_shared

KEPT = 3
"""Images of each file that are kept."""


@dataclass(frozen=True)
class KeptImage:
    """An image at which a file and the reference disagree.

    Args:
        index: its place in the data set.
        name: its name there.
        agreement: fraction of pixels at which both say the same.
        classes: ids that either of both says where they differ, the most frequent first.
        layers: its pictures.
    """

    index: int
    name: str
    agreement: float
    classes: tuple[int, ...]
    layers: Layers


@dataclass
class WatchedTrial(Trial):
    """A file on its way through the images, seen by a watcher; `Trial` says the rest.

    Args:
        watcher: whose; None watches nothing.
        bands: counts near boundaries.
        kept: the images of least agreement, the least first.
    """

    watcher: "Watcher | None" = None
    bands: BandCounts | None = None
    kept: list[KeptImage] = field(default_factory=list)

    def run(self, sample: Sample, reference_ids: Mapping[Size, Ids]) -> None:
        """Predict, count and show one image, in place; a failure becomes the trial's result."""
        super().run(sample, reference_ids)
        if self.contestant is None or self.ids is None or self.watcher is None:
            return
        size_hw = self.contestant.size_hw
        if self.watcher.error is None:
            try:
                self.watcher.see(sample, self, size_hw, reference_ids[size_hw])
            except Exception as error:  # of the page alone: the scores go on
                self.watcher.error = error


class Watcher:
    """Makes trials and sees what they and the reference predict.

    Args:
        dataset: the labelled images.
        kept: images of each file that are kept.

    Attributes:
        error: with which it failed, and after which it sees nothing more; None while it sees.
    """

    def __init__(self, dataset: SegmentationDataset, kept: int = KEPT) -> None:
        self.dataset = dataset
        self.error: Exception | None = None
        self.trials: list[WatchedTrial] = []
        self._kept = kept
        self._masks = MaskBands()
        self._references: dict[Size, tuple[BandCounts, list[Sample]]] = {}
        self._shared: dict[Size, tuple[Sample, SharedLayers]] = {}

    def trial(self, path: Path, tally: Tally, *, listed_hw: Size | None = None) -> WatchedTrial:
        """Return a trial that is watched."""
        trial = WatchedTrial(path, tally, listed_hw=listed_hw, watcher=self, bands=self._counts())
        self.trials.append(trial)
        return trial

    def reference_bands(self, size_hw: Size) -> tuple[TrimapBand, ...]:
        """Return the reference's scores near boundaries at an input size; none where nothing ran at it."""
        counts = self._references.get(size_hw)
        return () if counts is None else counts[0].bands()

    def see(self, sample: Sample, trial: WatchedTrial, size_hw: Size, reference_ids: Ids) -> None:
        """Count what a trial and the reference predict near boundaries, and keep the image if it is among the worst.

        Args:
            sample: the labelled image.
            trial: which has just predicted it; changed in place.
            size_hw: its input size.
            reference_ids: (H, W) uint8, at that size.
        """
        assert trial.ids is not None
        assert trial.bands is not None
        levels = self._masks.of(sample)
        mask = sample.mask_ids
        shape = (mask.shape[0], mask.shape[1])
        trial.bands.add(levels, mask, resize_ids(trial.ids, shape))
        counts, last = self._references.setdefault(size_hw, (self._counts(), []))
        if not last or last[0] is not sample:
            last[:] = [sample]
            counts.add(levels, mask, resize_ids(reference_ids, shape))
        self._keep(sample, trial, reference_ids)

    def _keep(self, sample: Sample, trial: WatchedTrial, reference_ids: Ids) -> None:
        """Keep an image where it is among the trial's worst, in place; one of full agreement shows nothing."""
        agreement, ids = trial.agreements[-1], trial.ids
        full = len(trial.kept) >= self._kept
        if ids is None or agreement == 1 or (full and agreement >= trial.kept[-1].agreement):
            return
        differs = ids != reference_ids
        told = np.bincount(np.concatenate([ids[differs], reference_ids[differs]]))
        classes = [int(c) for c in np.argsort(told)[::-1] if told[c]]
        image = KeptImage(
            index=len(trial.agreements) - 1,
            name=sample.name,
            agreement=agreement,
            classes=tuple(c for c in classes if c < len(self.dataset.classes)),
            layers=self._draw(sample, reference_ids, ids),
        )
        trial.kept.append(image)
        trial.kept.sort(key=lambda kept: kept.agreement)
        del trial.kept[self._kept :]

    def _draw(self, sample: Sample, reference_ids: Ids, ids: Ids) -> Layers:
        """Return an image's pictures; those that files share are drawn once."""
        classes, size_hw = self.dataset.classes, (ids.shape[0], ids.shape[1])
        drawn = self._shared.get(size_hw)
        if drawn is None or drawn[0] is not sample:
            drawn = sample, draw_shared(sample, reference_ids, classes)
            self._shared[size_hw] = drawn
        return draw_layers(drawn[1], reference_ids, ids, classes)

    def _counts(self) -> BandCounts:
        return BandCounts(len(self.dataset.classes), self.dataset.ignore_index)
