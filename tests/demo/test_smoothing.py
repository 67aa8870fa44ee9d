"""Smoothing in the demo: what is shown, what it costs, when it begins anew, and that it is off by default."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_deeplab.demo.frames import Frame
from edge_deeplab.demo.pipeline import DemoView, run_demo
from edge_deeplab.demo.statistics import Stopwatch
from edge_deeplab.runtimes import open as open_module
from edge_deeplab.runtimes.smoothing import ExponentialSmoothing, MajoritySmoothing
from tests.demo.conftest import CLASSES, BrightestChannel, describe
from tests.demo.test_demo_command import error_of, run_command

RED, GREEN = (np.array(CLASSES[i].color) for i in (0, 1))


class Scoring(BrightestChannel):
    """A `BrightestChannel` whose file gives scores."""

    def __init__(self) -> None:
        super().__init__()
        self.description = replace(describe(), head="logits")


def plain(channel: int, size_hw: tuple[int, int] = (64, 96)) -> np.ndarray:
    """Return a picture of one class."""
    image = np.zeros((*size_hw, 3), np.uint8)
    image[..., channel] = 200
    return image


def shown(view: DemoView, images: list[np.ndarray]) -> list[np.ndarray]:
    """Return the colour at the middle of each picture that is shown."""
    watch = Stopwatch()
    return [view.draw(image, watch)[20, 30] for image in images]


def view_with(smoothing, runtime=None) -> DemoView:
    return DemoView(runtime or Scoring(), opacity=1, with_panel=False, smoothing=smoothing)


def test_frame_is_shown_as_it_is_without_smoothing() -> None:
    colours = shown(view_with(None), [plain(0), plain(1), plain(0)])
    np.testing.assert_array_equal(colours, [RED, GREEN, RED])


@pytest.mark.parametrize("smoothing", [ExponentialSmoothing(0.3), MajoritySmoothing(3)])
def test_class_of_a_single_frame_is_smoothed_away(smoothing) -> None:
    film = [plain(0), plain(0), plain(1), plain(0)]
    np.testing.assert_array_equal(shown(view_with(smoothing), film), [RED] * 4)


@pytest.mark.parametrize("smoothing", [ExponentialSmoothing(0.3), MajoritySmoothing(3)])
def test_cut_shows_the_old_scene_for_a_while_and_then_the_new_one(smoothing) -> None:
    colours = shown(view_with(smoothing), [plain(0)] * 3 + [plain(1)] * 3)
    np.testing.assert_array_equal(colours[3:], [RED, GREEN, GREEN])


@pytest.mark.parametrize("smoothing", [ExponentialSmoothing(0.3), MajoritySmoothing(3)])
def test_frame_of_another_size_begins_anew(smoothing) -> None:
    film = [plain(0)] * 3 + [plain(1, (72, 96))]
    np.testing.assert_array_equal(shown(view_with(smoothing), film)[-1], GREEN)


class Stills:
    """A source of pictures of one class."""

    live, name = False, "stills"

    def __init__(self, channel: int, count: int = 3) -> None:
        self.frame_count: int | None = count
        self._channel = channel

    def __iter__(self):
        return iter(Frame(plain(self._channel), i, f"still_{i}") for i in range(3))


class Middle:
    def __init__(self) -> None:
        self.colours = []

    def show(self, picture_hwc, frame) -> None:
        self.colours.append(picture_hwc[20, 30])


def test_another_source_begins_anew_and_the_black_picture_before_it_is_forgotten() -> None:
    view, sink = view_with(MajoritySmoothing(3)), Middle()
    run_demo(view, Stills(0), [sink])
    run_demo(view, Stills(1), [sink])
    np.testing.assert_array_equal(sink.colours, [RED] * 3 + [GREEN] * 3)


def test_cost_is_a_stage_of_its_own_and_inference_is_told_once_a_frame() -> None:
    statistics = run_demo(view_with(ExponentialSmoothing()), Stills(0), [])
    assert {*statistics.stages} == {"resize", "inference", "smoothing", "overlay", "output"}
    assert "smoothing_ms" not in run_demo(view_with(None), Stills(0), []).to_json()


def test_stopwatch_adds_up_blocks_of_one_stage_and_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    watch = Stopwatch()
    for _ in range(2):
        watch.start_frame()
        for _ in range(2):
            with watch.measure("inference"):
                pass
    assert watch.recent_ms("inference") == 2000


def test_panel_tells_the_cost_beside_the_picture() -> None:
    smoothed = DemoView(Scoring(), smoothing=MajoritySmoothing(3)).draw(plain(0), begun())
    as_it_is = DemoView(Scoring()).draw(plain(0), begun())
    assert smoothed.shape == as_it_is.shape
    assert (smoothed[:, 96:] != as_it_is[:, 96:]).any()


def begun() -> Stopwatch:
    watch = Stopwatch()
    watch.start_frame()
    return watch


@pytest.mark.parametrize("kind", ["majority:3", "exponential:0.4"])
def test_command_records_what_is_smoothed_and_tells_its_cost(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_module, "open_artifact", lambda *_, **__: Scoring())
    folder = tmp_path / "film"
    folder.mkdir()
    for index, channel in enumerate((0, 0, 1)):
        Image.fromarray(plain(channel)).save(folder / f"{index}.png")
    drawn = ("--headless", "--record", tmp_path / "drawn", "--no-panel", "--opacity", 1)
    result = run_command("--source", folder, *drawn, "--smooth", kind, "--json")
    document = json.loads(result.stdout)
    assert document["smoothing"] == kind
    assert document["smoothing_ms"].keys() == {"median", "p95"}
    with Image.open(tmp_path / "drawn" / "2.png") as picture:
        assert picture.getpixel((30, 20)) == CLASSES[0].color
    table = run_command("--source", folder, "--headless", "--smooth", kind)
    assert "smoothing" in table.stdout
    assert kind in table.stdout


def test_command_refuses_to_average_scores_of_a_file_that_gives_ids(
    image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_module, "open_artifact", lambda *_, **__: BrightestChannel())
    asked = ("--source", image_folder, "--headless", "--smooth", "exponential")
    sentence = error_of(run_command(*asked))
    assert "brightest.onnx gives class ids" in sentence
    assert "smooth by majority" in sentence


def test_command_smooths_nothing_but_a_source(tmp_path: Path) -> None:
    result = run_command("--contract", tmp_path / "contract", "--smooth", "majority")
    assert result.exit_code == 2
    assert "it came without --source" in result.stderr
