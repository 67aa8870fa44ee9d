"""Counts near label boundaries for many predictions of one mask, whose bands are found once for all of them."""

import numpy as np
import numpy.typing as npt

from edge_deeplab.data.dataset import Sample
from edge_deeplab.evaluation.metrics import Ids, boundary_bands
from edge_deeplab.evaluation.scores import TrimapBand

WIDTHS_PX = (1, 2, 3, 5, 10, 20)
"""Pixels on each side of a boundary, rising."""
_OUTSIDE = len(WIDTHS_PX)

Levels = npt.NDArray[np.uint8]
"""(H, W): the place in `WIDTHS_PX` of the narrowest band that a pixel lies in; `_OUTSIDE` where none does."""


class MaskBands:
    """The bands of the mask that is under way."""

    def __init__(self) -> None:
        self._sample: Sample | None = None
        self._levels: Levels = np.zeros((0, 0), np.uint8)

    def of(self, sample: Sample) -> Levels:
        """Return the bands of a sample's mask; asked again for the same sample they are not found again."""
        if sample is not self._sample:
            levels = np.full(sample.mask_ids.shape, _OUTSIDE, np.uint8)
            for place, band in enumerate(boundary_bands(sample.mask_ids, WIDTHS_PX)):
                levels[band & (levels == _OUTSIDE)] = place
            self._sample, self._levels = sample, levels
        return self._levels


class BandCounts:
    """The counts of one runtime in each band.

    Args:
        num_classes: K.
        ignore_index: true id that is not scored, or None.
    """

    def __init__(self, num_classes: int, ignore_index: int | None) -> None:
        self._classes, self._ignore = num_classes, ignore_index
        self._counts = np.zeros((_OUTSIDE, num_classes, num_classes + 1), np.int64)

    def add(self, levels: Levels, mask_ids: Ids, predicted_ids: Ids) -> None:
        """Count one image, in place.

        Args:
            levels: of its mask (`MaskBands`).
            mask_ids: (H, W) uint8 true ids.
            predicted_ids: (H, W) uint8 ids at the mask's size.
        """
        inside = levels < _OUTSIDE
        if self._ignore is not None:
            inside &= mask_ids != self._ignore
        level, true = levels[inside].astype(np.int64), mask_ids[inside].astype(np.int64)
        predicted = np.minimum(predicted_ids[inside], self._classes).astype(np.int64)
        cells = (level * self._classes + true) * (self._classes + 1) + predicted
        counts = np.bincount(cells, minlength=self._counts.size)
        self._counts += counts.reshape(self._counts.shape)

    def bands(self) -> tuple[TrimapBand, ...]:
        """Return the scores of each band; a wider one holds the narrower."""
        widening = self._counts.cumsum(0)
        return tuple(TrimapBand(w, c) for w, c in zip(WIDTHS_PX, widening, strict=True))
