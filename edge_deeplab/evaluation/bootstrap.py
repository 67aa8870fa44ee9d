"""How sure a difference in mIoU, a class's IoU or a share of pixels is: a paired bootstrap over images.

Both models are scored on the same resampled images, so that what is hard for both cancels and a small difference can
be told from chance. Intersections and unions add up over images, so a resample is a vector of weights and all of them
are one matrix product.

The score of a resample is that of its images: mIoU over the classes that their masks hold. Which these are is taken
from the reference's counts for both models, so no difference is between means over different classes. A class in few
images is missing from some resamples, and then from both of their scores.

Resamples of few images spread less than the images do, so their percentiles are taken further out, as far as Student's
t lies further out than the normal distribution (the expanded percentile interval: Hesterberg 2015, "What Teachers
Should Know About the Bootstrap"). Of means of normal values it then holds the truth in 94 to 95 of 100 cases from 6
values on, and without it in 89. No resample lies outside of the values, so of 2 it holds it in 50, and of 3 in 78.
"""

from math import sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from edge_deeplab.evaluation.metrics import (
    Counts,
    Floats,
    intersections_and_unions,
    iou_points,
    is_present,
    mean_of_present,
)

FEWEST_IMAGES = 2
"""Images without which there is no interval."""
FEWEST_TRUSTED = 6
"""Images from which on an interval is what it is said to be."""
RESAMPLES = 2000
SEED = 0


def bootstrap_interval(
    reference: Counts,
    candidate: Counts,
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = SEED,
) -> tuple[float, float]:
    """Return the expanded percentile interval of the mIoU difference, candidate minus reference.

    Args:
        reference: (N, K, K + 1) confusion matrices of N images.
        candidate: the other model's, of the same images in the same order: what the masks hold is equal.
        resamples: how often N images are drawn with replacement.
        confidence: share of the resampled differences inside the interval.
        seed: of the draws; one seed gives one interval.

    Returns:
        (low, high) in mIoU points; nan for both of a single image, which tells nothing of others, and when no resample
        has a score.
    """
    if len(reference) < FEWEST_IMAGES:
        return float("nan"), float("nan")
    weights = _draw_weights(len(reference), resamples, seed)
    present = weights @ is_present(reference) > 0  # (resamples, K)
    differences = _weighted_miou(weights, candidate, present) - _weighted_miou(
        weights, reference, present
    )
    return _percentiles(differences, confidence, len(reference))


def class_intervals(
    candidate: Counts, reference: Counts | None = None
) -> list[tuple[float, float]]:
    """Return the 95 % expanded percentile interval of each IoU, or of its difference, candidate minus reference.

    Args:
        candidate: (N, K, K + 1) confusion matrices of N images.
        reference: the other model's, of the same images in the same order; None for the candidate's own IoU.

    Returns:
        (low, high) in points of each of the K classes; nan for both of a single image, and of a class that no resample
        holds.
    """
    images, classes = candidate.shape[:2]
    if images < FEWEST_IMAGES:
        return [(float("nan"), float("nan"))] * classes
    weights = _draw_weights(images, RESAMPLES, SEED)
    present = weights @ is_present(candidate) > 0
    values = _weighted_iou(weights, candidate, present)
    if reference is not None:
        values = values - _weighted_iou(weights, reference, present)
    return [_percentiles(column, 0.95, images) for column in values.T]


def share_interval(
    hits: npt.NDArray[np.int64],
    totals: npt.NDArray[np.int64],
    other_hits: npt.NDArray[np.int64] | None = None,
) -> tuple[float, float]:
    """Return the 95 % expanded percentile interval of a share over images, or of the difference of two such shares.

    Args:
        hits: (N,) pixels that count, of N images.
        totals: (N,) pixels of each.
        other_hits: (N,) what is subtracted from `hits`, for a difference: another count of the same pixels.

    Returns:
        (low, high), fractions; nan for both of a single image, and when no resample has a pixel.
    """
    if len(hits) < FEWEST_IMAGES:
        return float("nan"), float("nan")
    weights = _draw_weights(len(hits), RESAMPLES, SEED)
    counted = hits if other_hits is None else hits - other_hits
    seen = weights @ totals
    shares = np.full(len(weights), np.nan)
    np.divide(weights @ counted, seen, out=shares, where=seen > 0)
    return _percentiles(shares, 0.95, len(hits))


def _draw_weights(images: int, resamples: int, seed: int) -> Floats:
    """Return how often each image is in each resample, (resamples, images)."""
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(images, np.full(images, 1 / images), size=resamples)
    return draws.astype(np.float64)  # whole numbers still, but a BLAS product


def _percentiles(values: Floats, confidence: float, images: int) -> tuple[float, float]:
    """Return the bounds of resampled values, nan aside, for a share of certainty; nan where there is none."""
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    tail = _expanded_tail(confidence, images)
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def _expanded_tail(confidence: float, images: int) -> float:
    """Return the share of resampled values beyond each bound; Student's t by its expansion in the normal's quantile."""
    z, free = NormalDist().inv_cdf((1 + confidence) / 2), images - 1
    t = (
        z
        + (z**3 + z) / (4 * free)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * free**3)
    )
    return NormalDist().cdf(-t * sqrt(images / free))


def _weighted_iou(weights: Floats, confusions: Counts, present: npt.NDArray[np.bool_]) -> Floats:
    """Return the (resamples, K) IoU of the weighted sums of images; nan of classes that a resample does not hold."""
    intersections, unions = intersections_and_unions(confusions)  # each (N, K)
    return iou_points(weights @ intersections, weights @ unions, present)


def _weighted_miou(weights: Floats, confusions: Counts, present: npt.NDArray[np.bool_]) -> Floats:
    """Return the (resamples,) mIoU of the weighted sums of images, over the classes present in each resample."""
    return mean_of_present(_weighted_iou(weights, confusions, present))
