"""The overlay: colours, opacity and boundaries."""

import numpy as np
import pytest

from edge_deeplab.demo.overlay import Overlay, boundaries, line_thickness, palette_table
from edge_deeplab.description import ClassInfo
from edge_deeplab.errors import ConfigError
from tests.demo.conftest import CLASSES


def two_halves(size_hw: tuple[int, int] = (20, 30)) -> np.ndarray:
    ids = np.zeros(size_hw, np.uint8)
    ids[:, size_hw[1] // 2 :] = 1
    return ids


def grey(size_hw: tuple[int, int] = (20, 30)) -> np.ndarray:
    return np.full((*size_hw, 3), 100, np.uint8)


def test_overlay_half_opacity_is_the_mean_of_picture_and_colour() -> None:
    drawn = Overlay(CLASSES, opacity=0.5).draw(grey(), two_halves())
    expected = (100 + np.array(CLASSES[0].color)) / 2
    assert np.abs(drawn[5, 5].astype(float) - expected).max() <= 0.5


@pytest.mark.parametrize(("opacity", "expected"), [(0.0, (100, 100, 100)), (1.0, CLASSES[0].color)])
def test_overlay_extreme_opacity_gives_picture_or_colour_exactly(
    opacity: float, expected: tuple[int, int, int]
) -> None:
    drawn = Overlay(CLASSES, opacity=opacity).draw(grey(), two_halves())
    assert tuple(drawn[5, 5]) == expected


def test_overlay_full_range_of_pixels_never_wraps_around() -> None:
    white = np.full((4, 4, 3), 255, np.uint8)
    drawn = Overlay([ClassInfo("white", (255, 255, 255))], opacity=0.37).draw(
        white, np.zeros((4, 4), np.uint8)
    )
    assert (drawn == 255).all()


def test_overlay_smaller_mask_is_enlarged_to_the_picture() -> None:
    drawn = Overlay(CLASSES, opacity=1).draw(grey((40, 60)), two_halves((10, 15)))
    assert drawn.shape == (40, 60, 3)
    assert tuple(drawn[20, 2]) == CLASSES[0].color
    assert tuple(drawn[20, 57]) == CLASSES[1].color


def test_overlay_inputs_stay_as_they_were() -> None:
    image, ids = grey(), two_halves()
    Overlay(CLASSES).draw(image, ids)
    assert (image == 100).all()
    assert np.array_equal(ids, two_halves())


def test_overlay_boundary_is_one_crisp_light_line() -> None:
    drawn = Overlay(CLASSES, opacity=1).draw(grey(), two_halves()).astype(int)
    assert tuple(drawn[10, 14]) == CLASSES[0].color
    assert tuple(drawn[10, 16]) == CLASSES[1].color
    assert drawn[10, 15].min() > max(CLASSES[1].color[0], CLASSES[1].color[2]) + 80


def test_boundaries_of_a_square_are_its_upper_left_edges_and_what_follows_it() -> None:
    ids = np.zeros((6, 6), np.uint8)
    ids[2:4, 2:4] = 1
    expected = np.zeros((6, 6), bool)
    expected[2, 2:4] = expected[2:4, 2] = True  # inside, at the top and left
    expected[4, 2:4] = expected[2:4, 4] = True  # outside, at the bottom and right
    assert np.array_equal(boundaries(ids), expected)


def test_boundaries_thickness_two_widens_each_line_by_one() -> None:
    assert boundaries(two_halves(), thickness=2)[0].nonzero()[0].tolist() == [15, 16]


@pytest.mark.parametrize(("height", "thickness"), [(96, 1), (480, 1), (1080, 2)])
def test_line_thickness_grows_with_the_picture(height: int, thickness: int) -> None:
    assert line_thickness(height) == thickness


def test_palette_table_ids_without_a_class_are_black() -> None:
    table = palette_table(CLASSES)
    assert table.shape == (256, 3)
    assert not table[len(CLASSES) :].any()


def test_overlay_opacity_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"opacity 1\.5"):
        Overlay(CLASSES, opacity=1.5)


@pytest.mark.parametrize(
    "classes",
    [
        [],
        [ClassInfo("a", (0, 0, 0))] * 256,
        [ClassInfo("a", (0, 0))],  # type: ignore[arg-type]
        [ClassInfo("a", (0, 0, 256))],
    ],
    ids=["none", "too many", "two numbers", "no byte"],
)
def test_palette_of_classes_that_cannot_be_drawn_is_refused(classes: list[ClassInfo]) -> None:
    with pytest.raises(ConfigError, match="1 to 255 with three numbers from 0 to 255"):
        palette_table(classes)
