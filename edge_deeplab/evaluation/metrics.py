"""Scores of class maps: confusion matrices, mIoU, pixel accuracy and boundary bands.

The idea to hold: every score comes from per-image counts, and counts add up. The score of a set is the score of a sum
of confusion matrices, never a mean of per-image scores, so images can be resampled (bootstrap) by weighting the counts.

mIoU is the mean over the classes that the scored pixels of the masks hold, whatever is predicted: two predictions for
the same masks are averaged over the same classes, so their scores may be subtracted. A class that no mask holds has no
IoU; predicting it costs the classes whose pixels it takes.

IoU is in points (0 to 100), accuracy and agreement are fractions. A score of nothing is nan.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from edge_deeplab.errors import DataError

Ids = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NO_CLASS = 255
"""Predicted id that stands for "none of the data set's classes": always wrong, and no class's false positive."""

_BLOCK_PIXELS = 1 << 20
"""Pixels that are counted at once: counting takes 8 bytes a pixel several times over, a mask only one."""

BAND_WIDTH_PX = 3
"""Width of the boundary band that reports use: about the thickness of CamVid's thin classes."""


def confusion_matrix(
    mask_ids: Ids,
    predicted_ids: Ids,
    num_classes: int,
    ignore_index: int | None = None,
    *,
    within: npt.NDArray[np.bool_] | None = None,
) -> Counts:
    """Count pixels by true and predicted class.

    Args:
        mask_ids: (H, W) uint8 true ids.
        predicted_ids: (H, W) uint8 ids; one that is no class is counted as `NO_CLASS`.
        num_classes: K.
        ignore_index: true id that is not scored, or None.
        within: (H, W) bool; pixels outside are not scored.

    Returns:
        (K, K + 1) int64: rows are true classes, columns predicted ones, the last column is `NO_CLASS`.

    Raises:
        DataError: when the shapes differ or the mask holds an id that is neither a class nor ignored.
    """
    if mask_ids.shape != predicted_ids.shape:
        raise DataError(
            f"a prediction of shape {predicted_ids.shape} came for a mask of shape {mask_ids.shape}; "
            "equal shapes were expected; resize the prediction to the mask"
        )
    scored = np.ones(mask_ids.shape, bool) if within is None else within
    if ignore_index is not None:
        scored = scored & (mask_ids != ignore_index)
    chosen, true, predicted = scored.ravel(), mask_ids.ravel(), predicted_ids.ravel()
    counts = np.zeros(num_classes * (num_classes + 1), np.int64)
    for start in range(0, mask_ids.size, _BLOCK_PIXELS):
        block = slice(start, start + _BLOCK_PIXELS)
        counts += _count(true[block][chosen[block]], predicted[block][chosen[block]], num_classes)
    return counts.reshape(num_classes, num_classes + 1)


def _count(true: Ids, predicted: Ids, num_classes: int) -> Counts:
    """Return the cells of the confusion matrix, flat, over (N,) true and predicted ids."""
    if true.size and true.max() >= num_classes:
        raise DataError(
            f"a mask holds label {true.max()}; 0 to {num_classes - 1} was expected; mend the mask"
        )
    column = np.minimum(predicted, num_classes).astype(np.int64)
    cells = true.astype(np.int64) * (num_classes + 1) + column
    return np.bincount(cells, minlength=num_classes * (num_classes + 1))


def intersections_and_unions(confusion: Counts) -> tuple[Counts, Counts]:
    """Return each class's intersection and union in pixels.

    Args:
        confusion: (..., K, K + 1) as from `confusion_matrix`.

    Returns:
        Two (..., K) arrays. Both are sums over pixels, so they add up over images like the matrices do.
    """
    classes = confusion[..., :-1]
    intersections = np.diagonal(classes, axis1=-2, axis2=-1)
    unions = confusion.sum(-1) + classes.sum(-2) - intersections
    return intersections, unions


def is_present(confusion: Counts) -> npt.NDArray[np.bool_]:
    """Return which classes the masks hold, (..., K) bool; equal for all predictions of the same images."""
    present: npt.NDArray[np.bool_] = confusion.sum(-1) > 0
    return present


def iou_points(
    intersections: npt.NDArray[np.number],
    unions: npt.NDArray[np.number],
    present: npt.NDArray[np.bool_],
) -> Floats:
    """Return intersection over union in points, (..., K); nan for a class that is not present in the masks."""
    iou = np.full(unions.shape, np.nan)
    np.divide(100.0 * intersections, unions, out=iou, where=present)
    return iou


def mean_of_present(values: Floats) -> Floats:
    """Return the mean over the last axis without the nan entries; nan where nothing is left."""
    present = ~np.isnan(values)
    count = present.sum(-1)
    mean = np.full(count.shape, np.nan)
    np.divide(np.where(present, values, 0.0).sum(-1), count, out=mean, where=count > 0)
    return mean


def class_iou(confusion: Counts) -> Floats:
    """Return the IoU of each class in points, (..., K); nan for a class that the masks do not hold."""
    return iou_points(*intersections_and_unions(confusion), is_present(confusion))


def mean_iou(confusion: Counts) -> float:
    """Return the mIoU of one (K, K + 1) confusion matrix in points, over the classes that the masks hold."""
    return float(mean_of_present(class_iou(confusion)))


def pixel_accuracy(confusion: Counts) -> float:
    """Return the fraction of scored pixels that are right; nan when none is scored."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else float("nan")


def pixel_agreement(first_ids: Ids, second_ids: Ids) -> float:
    """Return the fraction of pixels at which two predictions of one shape say the same; no label is asked."""
    return float(np.mean(first_ids == second_ids))


def boundary_band(mask_ids: Ids, width_px: int = BAND_WIDTH_PX) -> npt.NDArray[np.bool_]:
    """Return the pixels near a label boundary: the trimap of DeepLabV3+ section 4.3.

    A boundary runs between two 4-neighbours of different label. The paper dilates the void labels, which in PASCAL VOC
    stand on every object boundary; here the boundaries themselves are dilated (by a square), with those to void among
    them, so that data sets without void contours have a band too.

    Args:
        mask_ids: (H, W) uint8 true ids.
        width_px: pixels on each side of a boundary; 1 takes only those that touch it.

    Returns:
        (H, W) bool.
    """
    return next(boundary_bands(mask_ids, (width_px,)))


def boundary_bands(mask_ids: Ids, widths_px: Sequence[int]) -> Iterator[npt.NDArray[np.bool_]]:
    """Yield the boundary band of each width; arguments as for `boundary_band`, widths above 0 and rising."""
    band = np.zeros(mask_ids.shape, bool)
    across_rows = mask_ids[1:] != mask_ids[:-1]
    across_columns = mask_ids[:, 1:] != mask_ids[:, :-1]
    band[1:] |= across_rows
    band[:-1] |= across_rows
    band[:, 1:] |= across_columns
    band[:, :-1] |= across_columns
    reached = 1
    for width in widths_px:
        for _ in range(width - reached):
            band = _dilate(_dilate(band).T).T
        reached = width
        yield band


def _dilate(band: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Grow a band by one row up and down."""
    grown = band.copy()
    grown[1:] |= band[:-1]
    grown[:-1] |= band[1:]
    return grown
