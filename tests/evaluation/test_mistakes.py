"""Which mistake explains class maps that differ; each is made on purpose around a model that is right."""

from collections.abc import Callable

import numpy as np
import pytest

from edge_deeplab.data.transforms import resize_image
from edge_deeplab.evaluation.mistakes import (
    MISTAKES,
    SWAPPED,
    Compared,
    Mistake,
    agreement_if,
    suspect,
)

CLASSES = ("red", "green", "blue", "dark")
SIZE_HW = (24, 32)


def segment(image_hwc: np.ndarray) -> np.ndarray:
    """A model: the brightest channel of each pixel, or dark."""
    image = resize_image(image_hwc, SIZE_HW)
    return np.where(image.max(-1) < 40, 3, image.argmax(-1)).astype(np.uint8)


@pytest.fixture
def pictures() -> list[np.ndarray]:
    """Blocks of colours, higher than the model's proportions, no symmetry in them."""
    noise = np.random.default_rng(0)
    blocks = noise.integers(0, 256, (3, 9, 8, 3), np.uint8)
    return list(blocks.repeat(10, axis=1).repeat(10, axis=2))


def on_device(
    pictures: list[np.ndarray], run: Callable[[np.ndarray], np.ndarray]
) -> list[Compared]:
    return [Compared(each, run(each), segment(each)) for each in pictures]


def on_a_device(mistake: Mistake, each: Compared) -> float:
    return agreement_if(mistake, each.image_hwc, each.given, segment)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.said)
def test_mistake_of_a_device_is_named(mistake: Mistake, pictures: list[np.ndarray]) -> None:
    compared = on_device(pictures, lambda image: segment(mistake.make(image, SIZE_HW)))
    found = suspect(compared, CLASSES, MISTAKES, on_a_device)
    assert found is not None
    assert (found.said, found.explained, found.images) == (mistake.said, 1.0, 3)
    assert found.agreement < 0.99
    assert found.sentence().startswith(
        f"it looks as if {mistake.said}: so 1.000 of the pixels of 3"
    )


def test_file_that_takes_blue_first_is_named(pictures: list[np.ndarray]) -> None:
    def file(image_hwc: np.ndarray) -> np.ndarray:
        return segment(image_hwc[..., ::-1])

    found = suspect(
        on_device(pictures, file),
        CLASSES,
        [SWAPPED],
        lambda m, each: agreement_if(m, each.image_hwc, each.wanted, file),
    )
    assert found is not None
    assert found.said == "red and blue were swapped"


def test_other_order_of_the_classes_is_named_class_by_class(pictures: list[np.ndarray]) -> None:
    order = np.array([1, 2, 0, 3], np.uint8)
    compared = on_device(pictures, lambda image: order[segment(image)])
    found = suspect(compared, CLASSES, [], lambda *_: 0.0)
    assert found is not None
    assert found.said == (
        "the classes were in another order (red for blue, green for red, blue for green)"
    )
    assert found.explained == 1.0


def test_what_differs_in_few_pixels_is_explained_too(pictures: list[np.ndarray]) -> None:
    sky = np.zeros((90, 800, 3), np.uint8)
    sky[..., 1] = 200  # which no swap changes
    wide = [np.concatenate([sky, each], axis=1) for each in pictures]
    compared = on_device(wide, lambda image: segment(image[..., ::-1]))
    found = suspect(compared, CLASSES, MISTAKES, on_a_device)
    assert found is not None
    assert found.said == "red and blue were swapped"
    assert 0.9 < found.agreement < found.explained == 1.0


@pytest.mark.parametrize("share", [0.0, 0.01])
def test_class_maps_that_hardly_differ_are_not_suspected(
    share: float, pictures: list[np.ndarray]
) -> None:
    def noisy(image: np.ndarray) -> np.ndarray:
        ids = segment(image)
        ids[: int(share * len(ids))] = 0
        return ids

    assert suspect(on_device(pictures, noisy), CLASSES, MISTAKES, lambda *_: 1.0) is None
    assert suspect([], CLASSES, MISTAKES, lambda *_: 1.0) is None


def test_what_no_mistake_explains_is_not_explained(pictures: list[np.ndarray]) -> None:
    noise = np.random.default_rng(1)
    compared = on_device(pictures, lambda _: noise.integers(0, 4, SIZE_HW).astype(np.uint8))
    look = suspect(compared, CLASSES, MISTAKES, on_a_device)
    assert look is None
    one_class = on_device(pictures, lambda _: np.zeros(SIZE_HW, np.uint8))
    look = suspect(one_class, CLASSES, MISTAKES, on_a_device)
    assert look is None


def test_map_of_one_class_is_no_other_order_of_the_classes() -> None:
    wanted = np.zeros(SIZE_HW, np.uint8)
    wanted[:2] = 1
    all_person = Compared(np.zeros((*SIZE_HW, 3), np.uint8), np.ones(SIZE_HW, np.uint8), wanted)
    assert suspect([all_person], ("background", "person"), [], lambda *_: 0.0) is None


@pytest.mark.parametrize("hw", [(1, 60_000), (60_000, 1), (1, 1)])
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.said)
def test_mistake_of_a_picture_of_strange_proportions_needs_little_memory(
    mistake: Mistake, hw: tuple[int, int]
) -> None:
    made = mistake.make(np.zeros((*hw, 3), np.uint8), (16, 1600))
    assert 0 < made.size <= 3 * 60_000


@pytest.mark.parametrize(("shift", "said"), [(1, "one too high"), (-1, "one too low")])
def test_ids_that_count_from_elsewhere_are_named_before_any_mistake_in_pictures(
    shift: int, said: str, pictures: list[np.ndarray]
) -> None:
    def run(image: np.ndarray) -> np.ndarray:
        ids = segment(image).astype(int) + shift
        return np.where((ids >= 0) & (ids < len(CLASSES)), ids, 255).astype(np.uint8)

    found = suspect(on_device(pictures, run), CLASSES, MISTAKES, on_a_device)
    assert found is not None
    assert (found.said, found.explained) == (f"ids were {said}", 1.0)


def test_mistake_that_leaves_a_third_of_the_pixels_wrong_explains_nothing(
    pictures: list[np.ndarray],
) -> None:
    compared = on_device(pictures, lambda image: np.full(SIZE_HW, 3, np.uint8))
    assert suspect(compared, CLASSES, [SWAPPED], lambda *_: 0.67) is None
