"""Sequences of known motion: what moves and by how much, what is noise, and that undoing the motion is exact."""

from itertools import pairwise

import numpy as np
import pytest

from edge_deeplab.evaluation import motion
from edge_deeplab.evaluation.motion import FRAMES, STILL, moved_frames, undo_motion

SIZE = (40, 56)


def photograph(size_hw: tuple[int, int] = (120, 160)) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture of noise and labels of squares."""
    rng = np.random.default_rng(1)
    image = rng.integers(30, 200, (*size_hw, 3)).astype(np.uint8)
    rows, columns = np.indices(size_hw) // 9
    return image, ((rows + columns) % 5).astype(np.uint8)


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take noise and exposure away."""
    for name in ("READ_NOISE", "SHOT_NOISE", "SWING_STOPS", "JITTER_STOPS"):
        monkeypatch.setattr(motion, name, 0.0)


def test_first_frames_stand_still_and_the_others_move_by_one_shift() -> None:
    frames = list(moved_frames(*photograph(), SIZE, 0))
    assert [frame.moving for frame in frames] == [False] * STILL + [True] * (FRAMES - STILL)
    assert {frame.shift for frame in frames[:STILL]} == {(0, 0)}
    assert len({frame.shift for frame in frames[STILL:]}) == 1
    assert frames[-1].shift != (0, 0)
    for frame in frames:
        assert frame.image_hwc.shape == (*SIZE, 3)
        assert frame.mask_ids is not None
        assert frame.mask_ids.shape == SIZE


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("index", range(12))
@pytest.mark.parametrize("size_hw", [SIZE, (56, 40), (368, 480)])
def test_undoing_the_known_motion_is_exact(index: int, size_hw: tuple[int, int]) -> None:
    frames = list(moved_frames(*photograph(), size_hw, index))
    for before, after in pairwise(frames):
        for channel in range(3):
            pair = (before.image_hwc[..., channel], after.image_hwc[..., channel])
            same = undo_motion(*pair, after.shift)
            np.testing.assert_array_equal(*same)
        np.testing.assert_array_equal(*undo_motion(before.mask_ids, after.mask_ids, after.shift))
        seen = (size_hw[0] - abs(after.shift[0]), size_hw[1] - abs(after.shift[1]))
        assert same[0].shape == same[1].shape == seen


def test_motion_left_as_it_is_would_be_seen() -> None:
    frames = list(moved_frames(*photograph(), SIZE, 0))
    assert (frames[STILL - 1].mask_ids != frames[STILL].mask_ids).any()


@pytest.mark.parametrize("shift", [(2, 3), (-2, 3), (2, -3), (-2, -3), (0, 4), (-1, 0), (0, 0)])
def test_undo_motion_takes_the_part_that_both_frames_see(shift: tuple[int, int]) -> None:
    world = np.arange(20 * 20).reshape(20, 20).astype(np.uint8)
    before = world[5:13, 5:15]
    after = world[5 + shift[0] : 13 + shift[0], 5 + shift[1] : 15 + shift[1]]
    first, second = undo_motion(before, after, shift)
    np.testing.assert_array_equal(first, second)
    assert first.shape == (8 - abs(shift[0]), 10 - abs(shift[1]))


def test_frames_follow_from_the_photographs_number_alone() -> None:
    image, mask = photograph()
    once, again, other = (list(moved_frames(image, mask, SIZE, at)) for at in (3, 3, 4))
    for a, b in zip(once, again, strict=True):
        np.testing.assert_array_equal(a.image_hwc, b.image_hwc)
        assert a.shift == b.shift
    assert (once[0].image_hwc != other[0].image_hwc).any()


def test_shifts_differ_between_photographs_and_go_every_way() -> None:
    image, mask = photograph()
    shifts = [list(moved_frames(image, mask, (96, 128), at))[-1].shift for at in range(40)]
    assert (0, 0) not in shifts
    assert {np.sign(down) for down, _ in shifts} == {-1, 0, 1}
    assert {np.sign(right) for _, right in shifts} == {-1, 0, 1}


def test_noise_and_exposure_are_those_that_are_stated() -> None:
    grey = np.full((300, 400, 3), 128, np.uint8)
    frames = [frame.image_hwc.astype(float) for frame in moved_frames(grey, None, (256, 256), 0)]
    spread = [frame.std() for frame in frames]
    assert np.allclose(spread, np.hypot(1.5, np.sqrt(0.04 * 128)), atol=0.2)
    stops = 2.2 * np.log2([frame.mean() / 128 for frame in frames])
    assert 0.1 < np.abs(stops).max() < 0.15 + 4 * 0.03


@pytest.mark.parametrize("size_hw", [(1, 1), (3, 900), (900, 3)])
def test_photograph_of_any_size_makes_a_sequence(size_hw: tuple[int, int]) -> None:
    image = np.zeros((*size_hw, 3), np.uint8)
    frames = list(moved_frames(image, None, (16, 16), 0))
    assert len(frames) == FRAMES
    assert {frame.mask_ids is None for frame in frames} == {True}
