"""Scoring one runtime."""

import json
from pathlib import Path

import numpy as np
import pytest

from edge_deeplab.errors import ArtifactError, ConfigError
from edge_deeplab.evaluation.evaluate import Contestant, EvaluateRequest, evaluate_runtime
from edge_deeplab.evaluation.score_plot import plot, shares
from tests.progress import Heard


def test_evaluation_of_a_perfect_runtime_is_100_points(runtime, dataset):
    evaluation = evaluate_runtime(runtime(), dataset)
    assert evaluation.miou == 100.0
    assert evaluation.boundary_miou == 100.0
    assert evaluation.pixel_accuracy == 1.0
    assert evaluation.per_class == {"sky": 100.0, "road": 100.0, "car": 100.0}
    assert evaluation.images == 6


def test_evaluation_of_wrong_rows_matches_the_hand_computed_scores(runtime, dataset):
    dataset.masks = [
        np.repeat([[0], [0], [1], [1], [1], [1], [1], [255]], 8, axis=1).astype(np.uint8)
    ]
    evaluation = evaluate_runtime(runtime(wrong_rows=1, wrong_id=1), dataset)
    # sky: 8 of 16 pixels; road: 40 right, 8 invented; car: in no mask
    assert evaluation.per_class["sky"] == 50.0
    assert evaluation.per_class["road"] == pytest.approx(100 * 40 / 48)
    assert np.isnan(evaluation.per_class["car"])
    assert evaluation.miou == pytest.approx((50 + 100 * 40 / 48) / 2)
    assert evaluation.pixel_accuracy == pytest.approx(48 / 56)


def test_evaluation_of_a_class_in_no_mask_gives_it_no_score(runtime, dataset):
    dataset.masks = [np.repeat([[0], [0], [1], [1], [1], [1], [1], [1]], 8, 1).astype(np.uint8)]
    evaluation = evaluate_runtime(runtime(wrong_rows=1, wrong_id=2), dataset)
    assert evaluation.to_json()["per_class"] == {"sky": 50.0, "road": 100.0, "car": None}
    assert evaluation.miou == 75.0
    # within the band: rows 0 to 4, of which row 0 is called car
    assert evaluation.boundary_miou == pytest.approx((50.0 + 100.0) / 2)


def test_trimap_counts_the_pixels_of_each_band(runtime, dataset):
    dataset.masks = [np.repeat([[0], [0], [0], [0], [1], [1], [1], [1]], 8, 1).astype(np.uint8)]
    evaluation = evaluate_runtime(runtime(wrong_rows=1, wrong_id=1), dataset, trimap=(1, 3, 4))
    # row 0 is called road: outside the bands of rows 3 and 4, and of rows 1 to 6
    assert [band.width_px for band in evaluation.trimap] == [1, 3, 4]
    assert [band.confusion.sum() for band in evaluation.trimap] == [16, 48, 64]
    assert [band.miou for band in evaluation.trimap] == [100.0, 100.0, evaluation.miou]
    document = evaluation.to_json()
    assert document["trimap"][0] == {"width_px": 1, "miou": 100.0, "pixel_accuracy": 1.0}
    assert document["confusion"] == [[24, 8, 0, 0], [0, 32, 0, 0], [0, 0, 0, 0]]
    assert evaluate_runtime(runtime(), dataset).to_json()["trimap"] == []


@pytest.mark.parametrize("widths", [(0,), (-1, 2), (3, 3), (5, 1), (1, 100_000)])
def test_trimap_widths_that_do_not_rise_are_one_sentence(widths):
    with pytest.raises(ConfigError, match=r"pixels from 1 to 200, each more than the one before"):
        EvaluateRequest(trimap=widths)


def test_plot_of_another_ending_is_one_sentence():
    with pytest.raises(ConfigError, match=r"an ending of \.png, \.svg, \.pdf was expected"):
        EvaluateRequest(plot=Path("scores.gif"))


def test_plot_shows_what_share_of_a_class_was_called_what(runtime, dataset, tmp_path):
    dataset.masks = [np.repeat([[0], [0], [1], [1], [1], [1], [1], [1]], 8, 1).astype(np.uint8)]
    evaluation = evaluate_runtime(runtime(wrong_rows=1, wrong_id=1), dataset, trimap=(1, 2))
    found = shares(evaluation)
    assert found[:2].tolist() == [[0.5, 0.5, 0, 0], [0, 1, 0, 0]]
    assert np.isnan(found[2]).all()
    plot(evaluation, tmp_path / "scores.png")
    assert (tmp_path / "scores.png").read_bytes().startswith(b"\x89PNG")


def test_evaluation_as_json_is_finite_and_holds_the_contract_keys(runtime, dataset):
    dataset.masks = [np.zeros((8, 8), np.uint8)]
    document = json.loads(
        json.dumps(evaluate_runtime(runtime(), dataset).to_json(), allow_nan=False)
    )
    assert {"miou", "per_class", "pixel_accuracy", "images", "size_hw", "seconds"} <= set(document)
    assert document["per_class"] == {"sky": 100.0, "road": None, "car": None}
    assert document["boundary_miou"] is None  # one label: no boundary
    assert document["size_hw"] == [8, 8]


def test_evaluation_hands_over_images_of_the_runtimes_size_and_scores_at_the_masks(
    runtime, dataset
):
    half = runtime(size_hw=(4, 16))
    dataset.masks = [np.repeat([[0, 1]], 8, axis=0).repeat(4, axis=1).astype(np.uint8)]
    evaluation = evaluate_runtime(half, dataset)
    assert half.seen == [(1, 4, 16, 3)]
    assert evaluation.confusions.sum() == 64
    assert evaluation.pixel_accuracy > 0.8


def test_evaluation_tells_each_image(runtime, dataset):
    told = Heard()
    evaluate_runtime(runtime(), dataset, progress=told)
    assert told.stages == [("evaluating model.onnx on spelled", 6, "images")]
    assert told.steps == 6


def test_evaluation_of_other_classes_names_both(runtime, dataset, description):
    with pytest.raises(ConfigError, match=r"model\.onnx has the classes a, b.*sky, road, car"):
        evaluate_runtime(runtime(description=description(("a", "b"))), dataset)


def test_evaluation_without_description_needs_a_class_map(runtime, dataset):
    with pytest.raises(ArtifactError, match="no self-description"):
        evaluate_runtime(runtime(description=None), dataset)
    names = {0: "sky", 1: "road", 2: "car"}
    assert evaluate_runtime(runtime(description=None), dataset, class_map=names).miou == 100.0


def test_evaluation_with_class_map_ids_that_the_file_never_gives_is_refused(runtime, dataset):
    file_ids = {0: "sky", 1: "road", 2: "car"}
    mask_ids = {7: "sky", 11: "road", 26: "car"}
    foreign = runtime(description=None, scored_classes=19)
    assert evaluate_runtime(foreign, dataset, class_map=file_ids).miou == 100.0
    with pytest.raises(ConfigError, match=r"lists id 26, model\.onnx has 19 classes"):
        evaluate_runtime(foreign, dataset, class_map=mask_ids)


def test_contestant_brings_a_smaller_class_map_to_the_input_size(runtime, dataset):
    small = runtime()
    small.predict = lambda images: images[:, ::2, ::2, 0]
    ids, latency_ms = Contestant(small, dataset).predict(dataset[0].image_hwc)
    assert ids.shape == (8, 8)
    assert latency_ms >= 0
