"""What an interval says of a limit."""

from math import inf, nan

import numpy as np
import pytest

from edge_deeplab.evaluation.bootstrap import bootstrap_interval
from edge_deeplab.evaluation.deciding import ParityVerdict, ScoreDifference, worst_verdict
from edge_deeplab.evaluation.metrics import mean_iou

PASSED, FAILED, OPEN = ParityVerdict.PASSED, ParityVerdict.FAILED, ParityVerdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("delta", "interval", "max_drop", "verdict"),
    [
        (0.0, (0.0, 0.0), 0.0, PASSED),
        (-0.1, (-0.5, 0.3), 0.5, PASSED),
        (-0.1, (-0.5001, 0.3), 0.5, OPEN),
        (-0.7, (-0.9, -0.5), 0.5, OPEN),
        (-0.7, (-0.9, -0.5001), 0.5, FAILED),
        (-0.001, (-0.001, -0.001), 0.0, FAILED),
        (0.2, (0.1, 0.3), 0.0, PASSED),
        (0.2, (-0.1, 0.3), 0.0, OPEN),
        (0.2, (nan, nan), 0.5, OPEN),
        (0.0, (nan, nan), 0.5, OPEN),
        (nan, (nan, nan), 0.5, FAILED),
        (nan, (-0.1, 0.1), 0.5, FAILED),
        (-inf, (-inf, -inf), 0.5, FAILED),
    ],
)
def test_verdict_is_passed_only_where_the_whole_interval_is_within_the_limit(
    delta, interval, max_drop, verdict
):
    assert ScoreDifference(delta, interval, 40, max_drop).verdict is verdict


def test_no_verdict_is_passed_with_an_interval_that_reaches_below_the_limit():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(4000):
        low, delta, high = np.sort(rng.normal(0, 1, 3).round(2))
        max_drop = float(rng.choice([0.0, 0.5, 1.0]))
        verdict = ScoreDifference(delta, (low, high), 20, max_drop).verdict
        seen.add(verdict)
        assert (verdict is PASSED) == (low >= -max_drop)
        assert (verdict is FAILED) == (high < -max_drop)
    assert seen == {*ParityVerdict}


@pytest.mark.parametrize(
    ("delta", "interval", "more"),
    [
        (-0.4, (-0.6, -0.2), 120),  # half of 0.2 is wanted: four times the 40 images
        (-0.6, (-0.7, -0.4), 120),  # on the other side of the limit the upper half counts
        (-0.499, (-0.599, -0.399), 400_000),
        (-0.5, (-0.6, -0.4), None),
        (-0.5 + 1e-9, (-0.6, -0.4), None),
        (-0.1, (nan, nan), None),
        (0.0, (-0.1, 0.1), None),
        (-1.0, (-1.1, -0.9), None),
    ],
)
def test_more_images_follow_from_how_far_the_limit_is_in_widths_of_the_interval(
    delta, interval, more
):
    assert ScoreDifference(delta, interval, 40, 0.5).more_images == more


def test_doubt_says_what_was_seen_and_what_would_settle_it():
    assert ScoreDifference(-0.4, (-0.6, -0.2), 40, 0.5).doubt == (
        "differs from the reference by -0.400 mIoU points (95 % interval -0.600 to -0.200) on 40 images; an interval "
        "on one side of a loss of 0.5 points was expected; about 120 more images like these would settle it"
    )
    at_limit = ScoreDifference(-0.5, (-0.6, -0.4), 40, 0.5).doubt
    assert "at the limit, which no number of images settles" in at_limit
    alone = ScoreDifference(-0.4, (nan, nan), 1, 0.5).doubt
    assert "nan" not in alone
    assert "1 image gives no interval; 2 or more do" in alone


def test_as_many_more_images_as_are_told_do_settle_it():
    """Images like those that were seen: the very same ones, again and again."""
    rng = np.random.default_rng(3)
    reference = np.zeros((12, 2, 3), np.int64)
    reference[:, 0, 0] = reference[:, 1, 1] = 1000
    candidate = reference.copy()
    lost = rng.integers(0, 40, 12)
    candidate[:, 0, 0] -= lost
    candidate[:, 0, 1] += lost
    delta = mean_iou(candidate.sum(0)) - mean_iou(reference.sum(0))
    for max_drop in (-delta + 0.25, -delta - 0.25):
        seen = ScoreDifference(delta, bootstrap_interval(reference, candidate), 12, max_drop)
        assert seen.verdict is OPEN
        assert seen.more_images is not None
        enough, too_few = (round(1 + share * seen.more_images / 12) for share in (1.3, 0.5))
        for times in (enough, too_few):
            both = (np.concatenate([each] * times) for each in (reference, candidate))
            settled = ScoreDifference(delta, bootstrap_interval(*both), 12 * times, max_drop)
            expected = PASSED if max_drop > -delta else FAILED
            assert settled.verdict is (expected if times == enough else OPEN)


def test_worst_verdict_is_what_files_came_to_together():
    assert worst_verdict([]) is PASSED
    assert worst_verdict([PASSED, PASSED]) is PASSED
    assert worst_verdict([PASSED, OPEN]) is OPEN
    assert worst_verdict([OPEN, FAILED, PASSED]) is FAILED
