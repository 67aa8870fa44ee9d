"""The panel: which rows the legend has, in which order, and that it can be read."""

import numpy as np
import pytest

from edge_deeplab.demo.panel import LegendRow, Panel, fit_rows, legend_rows, text_height_for
from edge_deeplab.description import ClassInfo
from tests.demo.conftest import CLASSES


def counts_of(**pixels: int) -> np.ndarray:
    counts = np.zeros(256, np.intp)
    for name, count in pixels.items():
        counts[int(name.removeprefix("id"))] = count
    return counts


def test_panel_of_names_that_hold_lines_and_controls_is_drawn_on_one_line_each() -> None:
    classes = [ClassInfo("road\nside\x1b[2J", (255, 0, 0))]
    picture = np.full((240, 100, 3), 7, np.uint8)
    panel = Panel(classes, "onnx\nfp32")
    shown = panel.beside(picture, np.zeros((4, 4), np.uint8), fps=1.0, inference_ms=1.0)
    assert shown.shape[0] == 240
    assert holds(shown[:, 100:], (255, 0, 0))


def draw(ids: np.ndarray, height: int = 240) -> np.ndarray:
    picture = np.full((height, 100, 3), 7, np.uint8)
    return Panel(CLASSES, "onnx fp32, 32x48").beside(picture, ids, fps=12.3, inference_ms=45.6)


def holds(image: np.ndarray, color: tuple[int, int, int]) -> bool:
    return bool((image == np.array(color, np.uint8)).all(axis=-1).any())


def test_legend_rows_are_the_present_classes_by_area() -> None:
    rows = legend_rows(counts_of(id0=300, id2=700), CLASSES)
    assert [(row.label, row.share) for row in rows] == [("blue", "70%"), ("red", "30%")]
    assert rows[0].color == CLASSES[2].color


def test_legend_rows_tiny_class_is_listed_as_under_one_percent() -> None:
    rows = legend_rows(counts_of(id0=9999, id1=1), CLASSES)
    assert [row.share for row in rows] == ["100%", "<1%"]


def test_legend_rows_unknown_id_is_named_by_its_number() -> None:
    assert legend_rows(counts_of(id200=5), CLASSES)[0].label == "class 200"


def test_fit_rows_too_many_ends_with_how_many_are_left_out() -> None:
    rows = [LegendRow(str(i), (0, 0, 0), "") for i in range(7)]
    assert [row.label for row in fit_rows(rows, 4)] == ["0", "1", "2", "+ 4 more"]
    assert fit_rows(rows, 7) is rows


def test_panel_stands_beside_the_picture_and_hides_none_of_it() -> None:
    drawn = draw(np.zeros((8, 8), np.uint8))
    assert (drawn[:, :100] == 7).all()
    assert drawn.shape[0] == 240
    assert drawn.shape[1] > 200


def test_panel_shows_swatches_of_present_classes_only() -> None:
    ids = np.zeros((8, 8), np.uint8)
    ids[:, 4:] = 2
    panel = draw(ids)[:, 100:]
    assert holds(panel, CLASSES[0].color)
    assert holds(panel, CLASSES[2].color)
    assert not holds(panel, CLASSES[1].color)


def test_panel_width_is_the_same_for_every_class_map() -> None:
    everything = np.arange(3, dtype=np.uint8)[None]
    assert draw(everything).shape == draw(np.zeros((1, 1), np.uint8)).shape


def test_panel_longer_class_names_make_it_wider() -> None:
    picture, ids = np.zeros((240, 10, 3), np.uint8), np.zeros((1, 1), np.uint8)
    long = Panel([ClassInfo("an uncommonly long class name", (1, 2, 3))], "x")
    short = Panel([ClassInfo("sky", (1, 2, 3))], "x")
    widths = [p.beside(picture, ids, fps=1, inference_ms=1).shape[1] for p in (long, short)]
    assert widths[0] > widths[1] + 50


def test_panel_text_contrasts_with_its_background_by_seven_to_one() -> None:
    panel = draw(np.zeros((8, 8), np.uint8))[:, 100:] / 255
    linear = np.where(panel <= 0.04045, panel / 12.92, ((panel + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])  # WCAG 2.1, relative luminance
    assert (luminance.max() + 0.05) / (np.median(luminance) + 0.05) > 7


@pytest.mark.parametrize("height", [16, 64, 2160])
def test_panel_any_height_of_picture_is_drawn(height: int) -> None:
    assert draw(np.zeros((8, 8), np.uint8), height).shape[0] == height


@pytest.mark.parametrize(("height", "text"), [(96, 10), (480, 16), (4000, 32)])
def test_text_height_stays_readable_and_never_clumsy(height: int, text: int) -> None:
    assert text_height_for(height) == text
