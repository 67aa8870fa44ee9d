"""The paired bootstrap against a plain loop, and its known behaviours."""

from math import sqrt
from statistics import NormalDist

import numpy as np
import pytest

from edge_deeplab.evaluation.bootstrap import (
    _expanded_tail,
    bootstrap_interval,
    class_intervals,
    share_interval,
)
from edge_deeplab.evaluation.metrics import Counts, mean_iou


def confusions_of(images: int, accuracy: float, seed: int = 0) -> Counts:
    """Return (images, 3, 4) confusion matrices of a model with about this accuracy."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 20, (images, 3, 4))
    counts[:, range(3), range(3)] = (rng.uniform(0.5, 1.5, (images, 3)) * 1000 * accuracy).astype(
        int
    )
    counts[..., 3] = 0
    return counts


T_TABLE = {6: 2.5706, 10: 2.2622, 40: 2.0227, 233: 1.9702}
"""The 97.5 % quantile of Student's t, by number of images (one more than its degrees of freedom)."""


def test_interval_of_identical_models_is_zero_to_zero():
    confusions = confusions_of(20, 0.7)
    assert bootstrap_interval(confusions, confusions) == (0.0, 0.0)


def test_interval_equals_the_quantiles_of_a_plain_loop():
    reference, candidate = confusions_of(5, 0.7, seed=1), confusions_of(5, 0.6, seed=2)
    draws = np.random.default_rng(3).multinomial(5, np.full(5, 0.2), size=40)
    differences = [
        mean_iou(np.einsum("i,ijk->jk", w, candidate))
        - mean_iou(np.einsum("i,ijk->jk", w, reference))
        for w in draws
    ]
    tail = _expanded_tail(0.95, 5)
    expected = np.quantile(differences, [tail, 1 - tail])
    assert bootstrap_interval(reference, candidate, resamples=40, seed=3) == pytest.approx(expected)


def test_class_intervals_are_drawn_as_those_of_the_mean():
    reference, candidate = confusions_of(9, 0.7, seed=1), confusions_of(9, 0.6, seed=2)
    for confusions in (reference, candidate):
        confusions[:, 1:] = 0  # no mask holds another class: the first one's IoU is the mean
    expected = bootstrap_interval(reference, candidate)
    assert expected[0] < expected[1]
    assert class_intervals(candidate, reference)[0] == pytest.approx(expected)
    nothing = class_intervals(np.zeros_like(reference))
    assert np.isnan(nothing).all()
    (low, high), *_ = class_intervals(confusions_of(9, 0.6, seed=2))
    assert 0 < low < high < 100
    assert np.isnan(class_intervals(candidate[:1], reference[:1])).all()


def test_interval_is_the_same_for_the_same_seed_and_another_for_another():
    reference, candidate = confusions_of(30, 0.7, seed=1), confusions_of(30, 0.7, seed=2)
    first = bootstrap_interval(reference, candidate, seed=5)
    assert first == bootstrap_interval(reference, candidate, seed=5)
    assert first != bootstrap_interval(reference, candidate, seed=6)


def test_interval_of_a_model_that_is_worse_everywhere_lies_below_zero():
    reference = confusions_of(40, 0.9)
    worse = reference.copy()
    worse[:, 0, 1] += 100
    low, high = bootstrap_interval(reference, worse)
    assert low < high < 0


def test_interval_contains_the_difference_and_narrows_with_more_images():
    widths = []
    for images in (10, 160):
        reference = confusions_of(images, 0.7, seed=1)
        candidate = confusions_of(images, 0.7, seed=2)
        low, high = bootstrap_interval(reference, candidate)
        difference = mean_iou(candidate.sum(0)) - mean_iou(reference.sum(0))
        assert low <= difference <= high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_interval_of_images_without_scored_pixels_is_nan():
    nothing = np.zeros((4, 3, 4), np.int64)
    assert np.isnan(bootstrap_interval(nothing, nothing)).all()


def test_interval_of_a_class_invented_by_one_side_costs_only_its_pixels():
    reference = np.zeros((12, 3, 4), np.int64)
    reference[:, 0, 0] = reference[:, 1, 1] = 1000  # class 2 is in no mask
    candidate = reference.copy()
    candidate[0, 0, 0], candidate[0, 0, 2] = 999, 1
    low, high = bootstrap_interval(reference, candidate)
    assert -0.1 < low <= high <= 0


def test_interval_of_a_class_in_one_image_averages_both_sides_over_the_same_classes():
    reference = np.zeros((12, 3, 4), np.int64)
    reference[:, 0, 0] = reference[:, 1, 1] = 1000
    reference[0, 2, 2] = 1000  # a third of the resamples have no pixel of class 2
    candidate = reference.copy()
    candidate[1:, 0, 0], candidate[1:, 0, 2] = 999, 1
    low, high = bootstrap_interval(reference, candidate)
    # with the class: its union grows by at most 11 of 1000; without it: a pixel of 1000 is lost
    assert -2 < low <= high < 0


def test_interval_of_a_share_holds_it_and_follows_how_images_differ() -> None:
    totals = np.full(40, 100)
    low, high = share_interval(np.full(40, 7), totals)
    assert (low, high) == (0.07, 0.07)
    hits = np.random.default_rng(0).integers(0, 20, 40)
    low, high = share_interval(hits, totals)
    assert low < hits.sum() / totals.sum() < high


def test_interval_of_the_difference_of_shares_is_paired() -> None:
    totals, hits = np.full(40, 100), np.random.default_rng(0).integers(5, 50, 40)
    assert share_interval(hits, totals, hits - 3) == (0.03, 0.03)


def test_interval_of_a_share_of_nothing_is_nan() -> None:
    nothing = np.zeros(3, np.int64)
    assert np.isnan(share_interval(nothing, nothing)).all()


@pytest.mark.parametrize("images", [6, 10, 40, 233])
def test_tails_are_as_far_out_as_students_t(images: int) -> None:
    expected = NormalDist().cdf(-T_TABLE[images] * sqrt(images / (images - 1)))
    assert _expanded_tail(0.95, images) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("images", [6, 10, 20])
def test_interval_of_few_images_holds_the_truth_as_often_as_it_says(images: int) -> None:
    rng, held = np.random.default_rng(0), 0
    totals = np.full(images, 10_000)
    for _ in range(400):
        low, high = share_interval(rng.normal(5000, 500, images).astype(np.int64), totals)
        held += low <= 0.5 <= high
    assert 0.92 <= held / 400 <= 0.98
