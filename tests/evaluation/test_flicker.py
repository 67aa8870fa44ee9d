"""Flicker on runtimes whose class maps are known: what flips is reported, what only moves is not."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edge_deeplab as ed
from edge_deeplab.errors import ArtifactError, ConfigError, DataError
from edge_deeplab.evaluation import flicker, motion
from edge_deeplab.evaluation.flicker import FlickerRequest, measure_flicker
from edge_deeplab.evaluation.flicker_report import OFF
from edge_deeplab.evaluation.motion import FRAMES, STILL
from tests.evaluation.conftest import SpelledDataset, describe

SIZE = (32, 48)
SCALE = 60
"""Grey levels between classes in a photograph: noise stays far below half of it."""


@dataclass
class Seeing:
    """Reads the class off the brightness; then a share of pixels takes another class at random, each frame anew."""

    path: Path = Path("steady.onnx")
    flips: float = 0.0
    head: str = "logits"
    fails_at: int | None = None
    name: str = "seeing 1.0"
    size_hw: tuple[int, int] = SIZE
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    seen: int = 0

    @property
    def description(self):
        return replace(describe(), head=self.head, size_hw=SIZE)

    def _see(self, images):
        """Return the true classes, and those with what was planted."""
        if self.seen == self.fails_at:
            raise RuntimeError("delegate crashed")
        self.seen += 1
        ids = np.clip(np.round(images[..., 0] / SCALE) - 1, 0, 2).astype(np.uint8)
        wrong = self.rng.random(ids.shape) < self.flips
        return ids, np.where(wrong, (ids + 1) % 3, ids).astype(np.uint8)

    def predict(self, images):
        return self._see(images)[1]

    def logits(self, images):
        if self.head != "logits":
            raise ArtifactError("no scores")
        true, shown = (ids[:, None] == np.arange(3)[:, None, None] for ids in self._see(images))
        return (true + 1.3 * shown).astype(np.float32)


class Spelled(SpelledDataset):
    """Photographs whose brightness is the label."""

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        return replace(
            sample,
            image_hwc=((sample.mask_ids + 1) * SCALE).astype(np.uint8)[..., None].repeat(3, 2),
        )


@pytest.fixture
def dataset(monkeypatch):
    """Four photographs of large rectangles; light and noise as stated, enlargement without new shades."""
    monkeypatch.setattr(motion, "resize_image", nearest)
    masks = []
    for index in range(4):
        mask = np.zeros((64, 96), np.uint8)
        mask[20 + index :, 10 * index : 60 + 8 * index] = 1
        mask[40:, 30:80] = 2
        masks.append(mask)
    return Spelled(masks)


def nearest(image_hwc, size_hw):
    height, width = size_hw
    resized = Image.fromarray(image_hwc).resize((width, height), Image.Resampling.NEAREST)
    return np.asarray(resized)


@pytest.fixture
def measure(dataset, monkeypatch):
    """Measure runtimes beside a steady reference."""

    def run(*runtimes, photographs=None):
        by_path = {runtime.path: runtime for runtime in runtimes}

        def open_file(_, path, size_hw=None):
            if isinstance(by_path[path], Exception):
                raise by_path[path]
            return by_path[path]

        monkeypatch.setattr(FlickerRequest, "open_file", open_file)
        monkeypatch.setattr(FlickerRequest, "open_photographs", lambda _: photographs or dataset)
        monkeypatch.setattr(flicker, "choose_reference", lambda *_: Path("ref.safetensors"))
        monkeypatch.setattr(
            flicker, "open_reference", lambda _, size: Seeing(Path("ref.safetensors"), size_hw=size)
        )
        return measure_flicker(FlickerRequest(artifacts=tuple(by_path)))

    return run


def stretch(file, smoothing, name):
    return file.smoothed_by(smoothing).stretches[name]


def test_what_only_moves_does_not_flip_and_scores_in_full(measure) -> None:
    (file,) = measure(Seeing()).artifacts
    for name in ("still", "moving"):
        found = stretch(file, OFF, name)
        assert (found.flips, found.miou) == (0.0, 100.0)
        assert found.flips_interval == (0.0, 0.0)


def test_motion_that_is_not_undone_would_be_reported(measure, monkeypatch) -> None:
    monkeypatch.setattr(
        "edge_deeplab.evaluation.flicker_trial.undo_motion",
        lambda before, after, _: (before, after),
    )
    (file,) = measure(Seeing()).artifacts
    assert stretch(file, OFF, "still").flips == 0
    assert stretch(file, OFF, "moving").flips > 0.01


def test_planted_flicker_is_reported_as_large_as_it_is(measure) -> None:
    share = 0.1
    report = measure(Seeing(Path("flickers.onnx"), flips=share))
    (file,) = report.artifacts
    expected = 2 * share * (1 - share)  # one of two frames is wrong
    for name in ("still", "moving"):
        found = stretch(file, OFF, name)
        assert found.flips == pytest.approx(expected, rel=0.05)
        low, high = found.flips_interval
        assert low <= found.flips <= high
        difference, (low, high) = found.flips_against(stretch(report.references[0], OFF, name))
        assert low <= difference <= high
        assert low > 0.1


@pytest.mark.parametrize("smoothing", ["majority:3", "exponential:0.6"])
def test_smoothing_lessens_the_flicker_of_a_still_noisy_sequence(measure, smoothing) -> None:
    (file,) = measure(Seeing(Path("flickers.onnx"), flips=0.1)).artifacts
    off = stretch(file, OFF, "still")
    smoothed = stretch(file, smoothing, "still")
    assert smoothed.flips < 0.6 * off.flips
    assert smoothed.miou > off.miou
    assert file.smoothed_by(smoothing).smoothing_ms > 0
    assert file.smoothed_by(OFF).smoothing_ms == 0


def test_smoothing_lags_behind_motion_and_this_is_told(measure) -> None:
    (file,) = measure(Seeing()).artifacts
    assert stretch(file, "majority:3", "still").miou == 100.0
    moving = stretch(file, "majority:3", "moving")
    difference, (low, high) = moving.miou_against(stretch(file, OFF, "moving"))
    assert low <= difference <= high < 0
    assert moving.flips > 0


def test_each_sequence_begins_anew(measure) -> None:
    (file,) = measure(Seeing()).artifacts
    for smoothed in file.smoothed:
        assert stretch(file, smoothed.smoothing, "still").flips == 0, (
            "nothing of the photograph before"
        )


def test_pixels_that_both_frames_see_are_counted(measure, dataset) -> None:
    (file,) = measure(Seeing()).artifacts
    height, width = SIZE
    still = stretch(file, OFF, "still")
    assert still.seen.tolist() == [height * width * (STILL - 1)] * len(dataset)
    moving = stretch(file, OFF, "moving")
    assert (moving.seen < height * width * (FRAMES - STILL)).all()
    assert still.confusions.sum() == height * width * STILL * len(dataset)


def test_file_of_class_ids_has_no_average_of_scores(measure) -> None:
    (file,) = measure(Seeing(head="classes")).artifacts
    assert [each.smoothing for each in file.smoothed] == [OFF, "majority:3"]
    assert not file.gives_scores


def test_file_that_fails_on_the_way_is_a_row_and_the_others_go_on(measure) -> None:
    report = measure(
        Seeing(Path("crashes.onnx"), fails_at=17),
        AbsentFileError(Path("gone.onnx")),
        Seeing(Path("good.onnx")),
    )
    sentences = [str(failure) for failure in report.failures()]
    assert sentences[0].startswith("crashes.onnx could not be run (RuntimeError: delegate crashed)")
    assert sentences[1] == "gone.onnx does not exist"
    assert [bool(file.smoothed) for file in report.artifacts] == [False, False, True]
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert document["artifacts"][0]["smoothings"] == []
    assert document["artifacts"][0]["error"] == sentences[0]


class AbsentFileError(ArtifactError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} does not exist")
        self.path = path


def test_reference_that_fails_ends_the_measurement(measure, monkeypatch) -> None:
    monkeypatch.setattr(Seeing, "logits", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        measure(Seeing(head="classes"))


def test_document_is_finite_and_holds_the_differences(measure) -> None:
    report = measure(Seeing(Path("flickers.onnx"), flips=0.1, head="classes"))
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert document["frames"] == {"still": STILL, "moving": FRAMES - STILL}
    assert (document["sequences"], document["labelled"]) == (4, True)
    (file,) = document["artifacts"]
    off, majority = file["smoothings"]
    assert (off["smoothing"], majority["smoothing"]) == (OFF, "majority:3")
    assert off["still"]["against_off"]["flips"] == 0
    assert majority["still"]["against_off"]["flips"] < 0
    assert majority["still"]["against_reference"]["flips"] > 0
    low, high = off["moving"]["flips_interval"]
    assert low <= off["moving"]["flips"] <= high
    assert document["references"][0]["smoothings"][0]["still"]["against_reference"] is None


def test_nothing_that_opens_is_a_report_without_reference(measure) -> None:
    report = measure(AbsentFileError(Path("gone.onnx")))
    assert report.references == ()
    assert len(report.failures()) == 1


@pytest.fixture
def photographs(tmp_path):
    """A plain folder of two photographs and a file that is none."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(2):
        Image.fromarray(rng.integers(0, 256, (50, 70, 3)).astype(np.uint8)).save(
            folder / f"{index}.png"
        )
    (folder / "notes.txt").write_text("none")
    return folder


def test_plain_folder_of_photographs_has_flicker_and_no_score(measure, photographs) -> None:
    request = FlickerRequest(artifacts=(), data=photographs, limit=1)
    report = measure(Seeing(), photographs=request.open_photographs())
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert (document["sequences"], document["labelled"]) == (1, False)
    off = document["artifacts"][0]["smoothings"][0]
    assert off["still"]["flips"] >= 0
    assert off["still"]["miou"] is None
    assert off["still"]["flips_interval"] == [None, None], "of a single photograph"
    assert off["moving"]["against_off"]["miou_interval"] == [None, None]


def test_labelled_folder_keeps_its_labels(make_dataset) -> None:
    folder = make_dataset("test", count=2)
    labelled = FlickerRequest(artifacts=(), data=folder, limit=1).open_photographs()
    assert len(labelled) == 1
    assert labelled[0].mask_ids.shape == labelled[0].image_hwc.shape[:2]


@pytest.mark.parametrize("given", ["class_map", "label_map"])
def test_map_of_labels_that_are_not_there_is_refused(photographs, given) -> None:
    value = {0: "road"} if given == "class_map" else {"road": "road"}
    request = FlickerRequest(artifacts=(), data=photographs, **{given: value})
    with pytest.raises(ConfigError, match="photographs that have no labels"):
        request.open_photographs()


def test_folder_that_holds_no_photographs_is_one_sentence(tmp_path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError) as caught:
            ed.measure_flicker("a.onnx", data=folder)
        assert str(caught.value).isprintable()


def test_photograph_that_cannot_be_read_is_named(measure, photographs) -> None:
    (photographs / "0.png").write_bytes(b"\x89PNG broken")
    request = FlickerRequest(artifacts=(), data=photographs)
    with pytest.raises(DataError, match=r"0\.png cannot be read as an image"):
        measure(Seeing(), photographs=request.open_photographs())


def test_photograph_larger_than_allowed_is_refused(measure, photographs) -> None:
    request = FlickerRequest(artifacts=(), data=photographs, max_pixels=10)
    with pytest.raises(DataError, match="pixels"):
        measure(Seeing(), photographs=request.open_photographs())
