"""Transforms keep image and mask aligned and depend on their generator alone."""

import numpy as np
import pytest

from edge_deeplab.data.transforms import (
    Augmentation,
    jitter_colours,
    paste_classes,
    resize_ids,
    resize_image,
)

SIZES = [(old, new) for old in range(1, 256, 17) for new in range(1, 400, 21)]
"""Pairs of lengths, whole ratios and others; many have output pixels that lie between two pixels."""


def striped(size_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """An image whose red channel is ten times its mask's class id."""
    mask = (np.arange(size_hw[1]) // 8 % 4).astype(np.uint8) * np.ones((size_hw[0], 1), np.uint8)
    return np.repeat(mask[..., None] * 10, 3, axis=2), mask


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def test_resize_image_halving_averages_pixels() -> None:
    image = np.array([[[0] * 3, [100] * 3], [[0] * 3, [100] * 3]], np.uint8)
    assert resize_image(image, (1, 1)).tolist() == [[[50, 50, 50]]]


def test_resize_ids_never_invents_a_class() -> None:
    ids = np.array([[0, 7], [7, 0]], np.uint8)
    doubled = resize_ids(ids, (4, 4))
    assert doubled.tolist() == np.kron(ids, np.ones((2, 2), np.uint8)).tolist()


def test_resize_ids_takes_a_pixel_that_none_is_nearer_than() -> None:
    """Half-pixel centres: output pixel i lies at (i + 0.5) * old / new; of two pixels equally near it takes either."""
    for old, new in SIZES:
        taken = resize_ids(np.arange(old, dtype=np.uint8)[None], (1, new))[0].astype(int)
        doubled = (2 * np.arange(new) + 1) * old  # 2 * new times where the output pixel lies
        assert (np.abs(doubled - (2 * taken + 1) * new) <= new).all(), (old, new)


@pytest.mark.parametrize("size_hw", [(40, 40), (64, 200), (16, 300)])
def test_augmentation_keeps_image_and_mask_aligned(size_hw: tuple[int, int]) -> None:
    augment = Augmentation((48, 64), scale=(1.0, 1.0), jitter=0.0, ignore_index=255)
    image, mask = striped(size_hw)
    for seed in range(8):
        crop, labels = augment(image, mask, generator(seed))
        assert crop.shape == (48, 64, 3)
        assert labels.shape == (48, 64)
        known = labels != 255
        assert known.any()
        assert (crop[known][:, 0] == labels[known] * 10).all()
        assert (crop[~known] == 127).all()


def test_augmentation_same_seed_gives_same_crop() -> None:
    augment = Augmentation((32, 32))
    image, mask = striped((50, 70))
    first, again, other = (augment(image, mask, generator(s)) for s in (5, 5, 6))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


def test_augmentation_focus_finds_a_rare_class() -> None:
    mask = np.zeros((200, 200), np.uint8)
    mask[150, 30] = 3
    image = np.zeros((200, 200, 3), np.uint8)

    def share(focus: float) -> float:
        augment = Augmentation((32, 32), scale=(1.0, 1.0), focus=focus)
        return float(
            np.mean([(augment(image, mask, generator(s))[1] == 3).any() for s in range(60)])
        )

    assert share(1.0) > 0.35
    assert share(0.0) < 0.2


def test_jitter_colours_stays_in_range_and_changes_pixels() -> None:
    image = generator(0).integers(0, 256, (16, 16, 3), np.uint8)
    changed = jitter_colours(image, 0.4, generator(1))
    assert changed.dtype == np.uint8
    assert not np.array_equal(changed, image)


def test_pasted_classes_cover_what_was_there_and_bring_their_labels() -> None:
    below = (np.zeros((8, 32, 3), np.uint8), np.full((8, 32), 9, np.uint8))
    image, above = striped((8, 32))
    above[:2] = 255
    pasted, mask = paste_classes(below, (image + 1, above), generator(0))
    assert len(set(np.unique(mask)) - {9}) == 2  # half of four
    assert (pasted[mask == 9] == 0).all()
    assert (pasted[mask != 9][:, 0] == mask[mask != 9] * 10 + 1).all()
    assert not (mask == 255).any()


def test_nothing_is_pasted_from_a_crop_without_labels() -> None:
    below = striped((8, 32))
    nothing = (np.full((8, 32, 3), 7, np.uint8), np.full((8, 32), 255, np.uint8))
    pasted, mask = paste_classes(below, nothing, generator(0))
    assert np.array_equal(pasted, below[0])
    assert np.array_equal(mask, below[1])
