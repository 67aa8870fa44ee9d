"""Metrics against values worked out by hand."""

import numpy as np
import pytest

from edge_deeplab.errors import DataError
from edge_deeplab.evaluation.metrics import (
    NO_CLASS,
    boundary_band,
    boundary_bands,
    class_iou,
    confusion_matrix,
    intersections_and_unions,
    mean_iou,
    mean_of_present,
    pixel_accuracy,
    pixel_agreement,
)

TRUE = np.array([[0, 0, 1], [1, 1, 255]], np.uint8)
PREDICTED = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)


def test_confusion_matrix_of_two_classes_is_counted_by_hand():
    assert confusion_matrix(TRUE, PREDICTED, 2, 255).tolist() == [[1, 1, 0], [1, 2, 0]]


def test_scores_of_two_classes_match_the_hand_computed_ones():
    confusion = confusion_matrix(TRUE, PREDICTED, 2, 255)
    assert class_iou(confusion) == pytest.approx([100 / 3, 50.0])
    assert mean_iou(confusion) == pytest.approx((100 / 3 + 50) / 2)
    assert pixel_accuracy(confusion) == pytest.approx(3 / 5)


def test_confusion_matrix_without_ignore_index_refuses_the_void_label():
    with pytest.raises(DataError, match="label 255"):
        confusion_matrix(TRUE, PREDICTED, 2)


def test_confusion_matrix_of_different_shapes_names_both():
    with pytest.raises(DataError, match=r"\(2, 2\).*\(2, 3\)"):
        confusion_matrix(TRUE, PREDICTED[:, :2], 2, 255)


def test_prediction_of_no_class_is_a_miss_and_nobodys_false_positive():
    true = np.array([[0, 0, 1, 1]], np.uint8)
    predicted = np.array([[0, NO_CLASS, 1, 1]], np.uint8)
    assert class_iou(confusion_matrix(true, predicted, 2)).tolist() == [50.0, 100.0]


def test_ignore_index_among_the_classes_is_left_out_of_the_mean():
    true = np.array([[0, 0, 1, 1]], np.uint8)
    predicted = np.array([[1, 0, 0, 1]], np.uint8)
    iou = class_iou(confusion_matrix(true, predicted, 2, ignore_index=0))
    assert np.isnan(iou[0])
    assert iou[1] == 50.0


def test_mean_iou_of_an_invented_class_loses_only_the_pixels_that_it_takes():
    true = np.zeros((1, 4), np.uint8)
    assert mean_iou(confusion_matrix(true, true, 3)) == 100.0
    invented = np.array([[0, 0, 0, 2]], np.uint8)
    confusion = confusion_matrix(true, invented, 3)
    assert mean_iou(confusion) == 75.0
    assert np.isnan(class_iou(confusion)[1:]).all()


def test_mean_iou_of_one_wrong_pixel_of_an_absent_class_differs_by_that_pixel():
    true = np.repeat(np.arange(10, dtype=np.uint8), 100).reshape(10, 100)
    wrong = true.copy()
    wrong[0, 0] = 10  # the eleventh class is in no mask
    lost = mean_iou(confusion_matrix(true, true, 11)) - mean_iou(confusion_matrix(true, wrong, 11))
    assert lost == pytest.approx(0.1)


def test_scores_of_nothing_are_nan():
    void = np.full((2, 2), 255, np.uint8)
    confusion = confusion_matrix(void, void, 3, 255)
    assert np.isnan(mean_iou(confusion))
    assert np.isnan(pixel_accuracy(confusion))


def test_mean_of_present_skips_nan_per_row():
    values = np.array([[1.0, np.nan, 3.0], [np.nan] * 3])
    assert mean_of_present(values)[0] == 2.0
    assert np.isnan(mean_of_present(values)[1])


def test_class_iou_on_random_maps_equals_set_arithmetic():
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 5, (2, 40, 40), dtype=np.uint8)
    expected = [
        100 * np.sum((true == k) & (predicted == k)) / np.sum((true == k) | (predicted == k))
        for k in range(5)
    ]
    assert class_iou(confusion_matrix(true, predicted, 5)) == pytest.approx(expected)


def test_intersections_and_unions_of_a_stack_add_up_to_those_of_the_sum():
    rng = np.random.default_rng(1)
    stack = rng.integers(0, 50, (7, 4, 5))
    intersections, unions = intersections_and_unions(stack)
    total = intersections_and_unions(stack.sum(0))
    assert intersections.sum(0).tolist() == total[0].tolist()
    assert unions.sum(0).tolist() == total[1].tolist()


def test_pixel_agreement_counts_equal_pixels():
    assert pixel_agreement(TRUE, TRUE) == 1.0
    assert pixel_agreement(TRUE, PREDICTED) == pytest.approx(3 / 6)


def test_boundary_band_of_a_vertical_edge_grows_by_one_pixel_a_side():
    mask = np.zeros((2, 8), np.uint8)
    mask[:, 4:] = 1
    for width, columns in ((1, [3, 4]), (2, [2, 3, 4, 5]), (3, [1, 2, 3, 4, 5, 6])):
        band = boundary_band(mask, width)
        assert np.flatnonzero(band[0]).tolist() == columns
        assert (band[0] == band[1]).all()


def test_boundary_band_around_one_pixel_is_dilated_by_a_square():
    mask = np.zeros((7, 7), np.uint8)
    mask[3, 3] = 1
    assert boundary_band(mask, 1).sum() == 5  # the pixel and its four neighbours
    expected = np.zeros((7, 7), bool)
    expected[1:6, 2:5] = expected[2:5, 1:6] = True  # that plus sign dilated by a 3x3 square
    assert (boundary_band(mask, 2) == expected).all()


def test_boundary_bands_are_those_of_each_width():
    mask = np.random.default_rng(0).integers(0, 2, (3, 4), np.uint8).repeat(9, 0).repeat(9, 1)
    widths = (2, 3, 7)
    bands = list(boundary_bands(mask, widths))
    assert [band.sum() for band in bands] == sorted({band.sum() for band in bands})
    for width, band in zip(widths, bands, strict=True):
        assert (band == boundary_band(mask, width)).all()


def test_boundary_band_of_one_label_is_empty():
    assert not boundary_band(np.full((5, 5), 3, np.uint8)).any()


def test_confusion_matrix_within_a_band_counts_only_the_band():
    mask = np.zeros((1, 6), np.uint8)
    mask[:, 3:] = 1
    predicted = np.zeros((1, 6), np.uint8)
    inside = confusion_matrix(mask, predicted, 2, within=boundary_band(mask, 1))
    assert inside.tolist() == [[1, 0, 0], [1, 0, 0]]


def test_confusion_matrix_of_more_pixels_than_are_counted_at_once_counts_all():
    rng = np.random.default_rng(2)
    true, predicted = rng.integers(0, 3, (2, 1100, 1000), dtype=np.uint8)
    within = rng.random(true.shape) < 0.5
    counts = confusion_matrix(true, predicted, 3, ignore_index=2, within=within)
    cells = [[np.sum(within & (true == t) & (predicted == p)) for p in range(3)] for t in (0, 1)]
    assert counts.tolist() == [[*cells[0], 0], [*cells[1], 0], [0, 0, 0, 0]]
