"""Parity on runtimes whose scores are known."""

import json
from pathlib import Path

import numpy as np
import pytest

from edge_deeplab.errors import ArtifactError, DataError, ParityError
from edge_deeplab.evaluation.parity import measure_parity, open_trials
from edge_deeplab.progress import SILENT
from tests.progress import Heard

REFERENCE = Path("reference.safetensors")


def measure(runtimes, dataset, reference, *, class_map=None, progress=SILENT, **options):
    """Run parity over runtimes by path; an exception in place of a runtime is raised when it is opened."""

    def open_file(path, *, size_hw=None):
        if isinstance(runtimes[path], Exception):
            raise runtimes[path]
        return runtimes[path]

    trials = open_trials(list(runtimes), open_file, dataset, class_map, progress)
    return measure_parity(trials, REFERENCE, reference, dataset, progress=progress, **options)


@pytest.fixture
def reference(runtime):
    """Open a reference that is right everywhere, at any size."""
    return lambda size_hw: runtime("reference.safetensors", size_hw=size_hw)


def by_path(*runtimes):
    return {r.path: r for r in runtimes}


def test_parity_of_identical_predictions_is_zero_and_passes(runtime, dataset, reference):
    report = measure(by_path(runtime("a.onnx")), dataset, reference, max_drop=0.0)
    (artifact,) = report.artifacts
    assert report.passed
    assert artifact.delta_miou == 0.0
    assert artifact.delta_interval == (0.0, 0.0)
    assert artifact.pixel_agreement == 1.0
    assert set(artifact.per_class_delta.values()) == {0.0}
    assert report.failures() == []


def test_parity_of_a_degraded_artifact_fails_with_its_numbers(runtime, dataset, reference):
    report = measure(by_path(runtime("bad.onnx", wrong_rows=2)), dataset, reference)
    (artifact,) = report.artifacts
    low, high = artifact.delta_interval
    assert not report.passed
    assert low <= artifact.delta_miou <= high < -0.5
    assert artifact.pixel_agreement == pytest.approx(6 / 8)
    assert artifact.per_class_delta["road"] == 0.0
    assert artifact.per_class_delta["car"] < artifact.per_class_delta["sky"] < 0
    (failure,) = report.failures()
    assert isinstance(failure, ParityError)
    assert failure.measured == pytest.approx(-artifact.delta_miou)
    assert failure.limit == 0.5


def test_parity_of_a_class_in_no_mask_invented_by_the_file_costs_only_its_pixels(
    runtime, dataset, reference
):
    for mask in dataset.masks:
        mask[mask == 2] = 1  # no car anywhere
    report = measure(by_path(runtime("invents.onnx", wrong_rows=1, wrong_id=2)), dataset, reference)
    (artifact,) = report.artifacts
    assert np.isnan(artifact.per_class_delta["car"])
    assert artifact.to_json()["per_class_delta"]["car"] is None
    lost = [artifact.per_class_delta["sky"], artifact.per_class_delta["road"]]
    assert artifact.delta_miou == pytest.approx(np.mean(lost))
    low, high = artifact.delta_interval
    assert low <= artifact.delta_miou <= high
    reference_classes = report.references[0].per_class
    assert np.isnan(reference_classes["car"])


def test_parity_with_a_generous_limit_lets_the_degraded_artifact_pass(runtime, dataset, reference):
    assert measure(by_path(runtime(wrong_rows=2)), dataset, reference, max_drop=100.0).passed


def test_parity_collects_every_failure_before_the_verdict(runtime, dataset, reference):
    runtimes = {
        Path("gone.onnx"): ArtifactError("gone.onnx does not exist; pass an exported file"),
        **by_path(
            runtime("crash.tflite", fails_at=3),
            runtime("bare.tflite", description=None),
            runtime("bad.onnx", wrong_rows=2),
            runtime("good.onnx"),
        ),
    }
    report = measure(runtimes, dataset, reference)
    assert [a.passed for a in report.artifacts] == [False, False, False, False, True]
    sentences = [str(failure) for failure in report.failures()]
    assert sentences[0] == "gone.onnx does not exist; pass an exported file"
    assert sentences[1] == (
        "crash.tflite could not be run (RuntimeError: delegate crashed); the debug log shows where"
    )
    assert "bare.tflite carries no self-description" in sentences[2]
    assert "bad.onnx scores" in sentences[3]
    assert len(sentences) == 4


def test_parity_as_json_is_finite_and_holds_the_contract_keys(runtime, dataset, reference):
    report = measure(
        by_path(runtime("a.onnx"), runtime("b.tflite", fails_at=0)), dataset, reference
    )
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert document["reference"]["miou"] == 100.0
    assert document["reference"]["path"] == "reference.safetensors"
    assert document["images"] == 6
    assert document["passed"] is False
    keys = {
        *("path", "target", "precision", "runtime", "miou", "delta_miou", "delta_interval"),
        *("pixel_agreement", "boundary_miou", "latency_ms", "passed"),
    }
    good, failed = document["artifacts"]
    assert keys <= set(good)
    assert keys <= set(failed)
    assert (good["target"], good["precision"], good["runtime"]) == ("onnx", "fp32", "reading 1.0")
    assert good["delta_interval"] == [0.0, 0.0]
    assert failed["miou"] is None
    assert failed["delta_interval"] == [None, None]
    assert failed["error"].startswith("b.tflite could not be run")


def test_parity_of_another_projects_file_goes_through_the_class_map(runtime, dataset, reference):
    names = {0: "sky", 1: "road", 2: "car"}
    report = measure(
        by_path(runtime("theirs.tflite", description=None)), dataset, reference, class_map=names
    )
    (entry,) = report.to_json()["artifacts"]
    assert (entry["target"], entry["precision"], entry["miou"]) == ("tflite", None, 100.0)


def test_parity_runs_the_reference_once_for_each_size(runtime, dataset):
    opened = {}

    def reference(size_hw):
        opened[size_hw] = runtime("reference.safetensors", size_hw=size_hw)
        return opened[size_hw]

    sizes = ((8, 8), (16, 16), (8, 8))
    runtimes = by_path(*(runtime(f"{i}.onnx", size_hw=s) for i, s in enumerate(sizes)))
    report = measure(runtimes, dataset, reference)
    assert {size: len(r.seen) for size, r in opened.items()} == {(8, 8): 6, (16, 16): 6}
    assert [r.size_hw for r in report.references] == [(8, 8), (16, 16)]
    assert [a.reference.size_hw for a in report.artifacts] == list(sizes)
    assert all(a.pixel_agreement == 1.0 for a in report.artifacts)


def test_parity_where_nothing_opens_runs_no_image_and_reports_the_failures(dataset):
    def no_reference(size_hw):
        raise AssertionError("the reference must not be opened")

    report = measure({Path("gone.onnx"): ArtifactError("gone")}, dataset, no_reference)
    assert report.to_json()["reference"]["miou"] is None
    assert not report.passed


def test_parity_on_void_only_images_does_not_pass(runtime, dataset, reference):
    dataset.masks = [np.full((8, 8), 255, np.uint8)]
    report = measure(by_path(runtime()), dataset, reference)
    assert not report.passed
    assert json.dumps(report.to_json(), allow_nan=False)
    assert "no pixel of the images that were scored is labelled" in str(report.failures()[0])


def test_parity_on_an_empty_set_is_refused(runtime, dataset, reference):
    dataset.masks = []
    with pytest.raises(DataError, match="spelled has no images"):
        measure(by_path(runtime()), dataset, reference)


def test_parity_lets_a_failure_of_the_reference_end_the_run(runtime, dataset):
    with pytest.raises(RuntimeError, match="delegate crashed"):
        measure(by_path(runtime()), dataset, lambda size: runtime("r", size_hw=size, fails_at=2))


def test_parity_tells_each_file_that_is_opened_and_each_prediction(runtime, dataset, reference):
    told = Heard()
    runtimes = by_path(runtime("a.onnx"), runtime("b.tflite", fails_at=2), runtime("c.onnx"))
    runtimes[Path("gone.onnx")] = ArtifactError("gone")
    measure(runtimes, dataset, reference, progress=told)
    assert [what for what, _, _ in told.stages[:4]] == [f"opening {path}" for path in runtimes]
    assert told.stages[-1] == ("parity of 3 files on spelled", 24, "predictions")
    assert told.steps == 24, "of 3 files and the reference; one that failed holds up no bar"


def test_artifact_that_lists_sizes_is_measured_at_each(runtime, dataset, reference, monkeypatch):
    monkeypatch.setattr("edge_deeplab.evaluation.parity.sizes_of", lambda path: ((8, 8), (16, 24)))
    opened = []

    def open_file(path, *, size_hw=None):
        opened.append(size_hw)
        return runtime(path.name, size_hw=size_hw)

    trials = open_trials([Path("a.mlpackage")], open_file, dataset)
    report = measure_parity(trials, REFERENCE, reference, dataset)
    assert opened == [(8, 8), (16, 24)]
    assert [a.path.name for a in report.artifacts] == ["a.mlpackage"] * 2
    assert [a.evaluation.size_hw for a in report.artifacts] == opened


def test_a_size_at_which_the_reference_itself_loses_is_named(runtime, dataset):
    wrong_rows = {(8, 8): 0, (16, 16): 0, (16, 24): 6}
    runtimes = by_path(*(runtime(f"{i}.onnx", size_hw=size) for i, size in enumerate(wrong_rows)))
    report = measure(
        runtimes, dataset, lambda size: runtime("r", size_hw=size, wrong_rows=wrong_rows[size])
    )
    (cost,) = report.size_costs
    assert (cost.size_hw, cost.best_hw) == ((16, 24), (8, 8))
    low, high = cost.delta_interval
    assert low <= cost.delta_miou <= high < 0
    assert cost.sentence().startswith("size 16x24 costs accuracy whatever runs it: the reference")
    assert report.to_json()["size_costs"] == [cost.to_json()]


def test_no_size_is_named_where_the_reference_scores_alike(runtime, dataset, reference):
    runtimes = by_path(*(runtime(f"{s}.onnx", size_hw=(s, s)) for s in (8, 16)))
    report = measure(runtimes, dataset, reference)
    assert report.size_costs == ()
    assert "size_costs" not in report.to_json()


def test_file_whose_class_maps_a_usual_mistake_explains_is_warned_of(runtime, dataset, reference):
    class Permuted(type(runtime())):
        def predict(self, images):
            return np.array([1, 2, 0], np.uint8)[super().predict(images)]

    permuted = Permuted(**vars(runtime("permuted.onnx")))
    report = measure(by_path(permuted, runtime("right.onnx")), dataset, reference)
    first, second = report.artifacts
    assert first.suspicion.explained == 1.0
    (warning,) = report.warnings
    assert warning.startswith("permuted.onnx: it looks as if the classes were in another order")
    assert "(sky for car, road for sky, car for road)" in warning
    assert report.to_json()["artifacts"][0]["suspicion"]["images"] == 4
    assert second.suspicion is None


def test_file_that_fails_while_it_is_looked_into_keeps_its_scores(runtime, dataset, reference):
    wrong = runtime("wrong.onnx", wrong_rows=4, fails_at=len(dataset))
    report = measure(by_path(wrong), dataset, reference)
    (artifact,) = report.artifacts
    assert len(wrong.seen) == len(dataset)
    assert artifact.error is None
    assert artifact.suspicion is None
