"""Temporal smoothing: what each kind gives, what it holds, when it begins anew, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from edge_deeplab.errors import ArtifactError, ConfigError
from edge_deeplab.runtimes.smoothing import (
    ExponentialSmoothing,
    MajoritySmoothing,
    check_smoothing,
    ids_of,
    parse_smoothing,
)


def scores(*values: float) -> np.ndarray:
    """Return scores of as many classes, (C, 1, 2), the same at both pixels."""
    return np.repeat(np.array(values, np.float32)[:, None, None], 2, axis=2)


def ids(*values: int) -> np.ndarray:
    return np.array([values], np.uint8)


def test_exponential_is_the_running_average_of_scores() -> None:
    smoothing = ExponentialSmoothing(0.25)
    expected = scores(4, 0)
    np.testing.assert_array_equal(smoothing.smooth(expected), expected)
    for newest in (scores(0, 8), scores(2, 2), scores(-4, 1)):
        expected = expected + np.float32(0.25) * (newest - expected)
        np.testing.assert_allclose(smoothing.smooth(newest), expected, rtol=1e-6)


def test_exponential_leaves_the_scores_it_is_given_as_they_are() -> None:
    smoothing, first, second = ExponentialSmoothing(), scores(1, 2), scores(5, 6)
    smoothing.smooth(first)
    smoothing.smooth(second)
    np.testing.assert_array_equal(first, scores(1, 2))
    np.testing.assert_array_equal(second, scores(5, 6))


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_exponential_forgets_scores_that_are_no_numbers(broken: float) -> None:
    smoothing = ExponentialSmoothing(0.5)
    smoothing.smooth(scores(1, 0))
    smoothing.smooth(scores(broken, 0))
    smoothing.smooth(scores(3, 0))
    assert np.isfinite(smoothing.smooth(scores(3, 0))).all()


def test_exponential_after_a_cut_holds_the_old_scene_by_its_weight() -> None:
    smoothing = ExponentialSmoothing(0.4)
    for _ in range(5):
        smoothing.smooth(scores(1, 0))
    seen = [int(ids_of(smoothing.smooth(scores(0, 1)))[0, 0]) for _ in range(3)]
    assert seen == [0, 1, 1], "0.6 and then 0.36 of what was there before"


def test_majority_is_the_most_frequent_class_of_the_last_frames() -> None:
    rng = np.random.default_rng(0)
    film = rng.integers(0, 4, (12, 6, 7)).astype(np.uint8)
    smoothing = MajoritySmoothing(5)
    for at, frame in enumerate(film):
        shown = smoothing.smooth(frame)
        last = film[max(0, at - 4) : at + 1]
        counts = (last[None] == np.arange(4)[:, None, None, None]).sum(axis=1)
        assert (np.take_along_axis(counts, shown[None].astype(int), 0)[0] == counts.max(0)).all()


def test_majority_of_equally_frequent_classes_is_the_one_seen_last() -> None:
    smoothing = MajoritySmoothing(3)
    assert smoothing.smooth(ids(1)) == 1
    assert smoothing.smooth(ids(2)) == 2
    assert smoothing.smooth(ids(3)) == 3
    assert MajoritySmoothing(4).smooth(ids(255)) == 255


def test_majority_after_a_cut_shows_the_new_scene_once_it_fills_half_of_the_frames() -> None:
    smoothing = MajoritySmoothing(5)
    for _ in range(5):
        smoothing.smooth(ids(0))
    assert [int(smoothing.smooth(ids(1))[0, 0]) for _ in range(4)] == [0, 0, 1, 1]


def test_majority_keeps_its_own_copy_of_a_frame_that_its_maker_uses_again() -> None:
    smoothing, frame = MajoritySmoothing(3), ids(7, 7)
    smoothing.smooth(frame)
    smoothing.smooth(frame)
    frame[:] = 1
    np.testing.assert_array_equal(smoothing.smooth(ids(1, 2)), ids(7, 7))


@pytest.mark.parametrize("frames", [3, 15])
def test_what_majority_holds_does_not_grow_with_the_film(frames: int) -> None:
    smoothing = MajoritySmoothing(frames)
    for _ in range(40):
        smoothing.smooth(ids(1))
    assert len(smoothing._newest_first) == frames


@pytest.mark.parametrize(
    ("smoothing", "old", "new"),
    [
        (ExponentialSmoothing(), scores(9, 0), np.ones((2, 3, 3), np.float32)),
        (MajoritySmoothing(), ids(9, 9), np.ones((3, 3), np.uint8)),
    ],
)
def test_frame_of_another_size_begins_anew(smoothing, old, new) -> None:
    for _ in range(4):
        smoothing.smooth(old)
    np.testing.assert_array_equal(smoothing.smooth(new), new)


@pytest.mark.parametrize(
    ("smoothing", "old", "new"),
    [
        (ExponentialSmoothing(), scores(9, 0), scores(0, 1)),
        (MajoritySmoothing(), ids(9, 9), ids(1, 2)),
    ],
)
def test_reset_forgets_every_frame(smoothing, old, new) -> None:
    for _ in range(4):
        smoothing.smooth(old)
    smoothing.reset()
    np.testing.assert_array_equal(smoothing.smooth(new), new)


@pytest.mark.parametrize(
    ("text", "name", "reads"),
    [
        ("exponential", "exponential:0.6", "scores"),
        ("exponential:0.25", "exponential:0.25", "scores"),
        ("majority", "majority:3", "ids"),
        ("majority:9", "majority:9", "ids"),
    ],
)
def test_text_means_a_smoothing(text: str, name: str, reads: str) -> None:
    smoothing = parse_smoothing(text)
    assert (smoothing.name, smoothing.reads) == (name, reads)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "median", "exponential:", "exponential:x", "exponential:0", "exponential:1"),
        *("exponential:nan", "exponential:inf", "exponential:1e-300", "exponential:-0.5"),
        *("majority:", "majority:x", "majority:2", "majority:-5", "majority:16", "majority:2.5"),
        *(
            "majority:" + "9" * 5000,
            "majority:" + "9" * 300,
            "majority:5:5",
            "Majority",
            "majority\x1b[2J",
            "5",
        ),
    ],
)
def test_text_that_means_none_is_one_short_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match=r"was expected|were expected") as caught:
        parse_smoothing(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_averaging_scores_of_a_file_that_gives_ids_is_refused() -> None:
    file = SimpleNamespace(path="m.tflite", description=SimpleNamespace(head="classes"))
    with pytest.raises(
        ArtifactError, match=r"m.tflite gives class ids.*export it with head logits"
    ):
        check_smoothing(ExponentialSmoothing(), file)
    check_smoothing(MajoritySmoothing(), file)
    file.description.head = "logits"
    check_smoothing(ExponentialSmoothing(), file)


def test_first_of_the_largest_scores_is_the_class() -> None:
    np.testing.assert_array_equal(ids_of(scores(1, 3, 3)), ids(1, 1))
    np.testing.assert_array_equal(ids_of(ids(4, 2)), ids(4, 2))
