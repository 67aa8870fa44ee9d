"""The loop: every frame in order, the numbers it reports, and how it ends."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_deeplab.data.images import ImageHWC
from edge_deeplab.demo.frames import Frame
from edge_deeplab.demo.pipeline import (
    DemoView,
    caption,
    fit_longest_side,
    run_demo,
    stopping_on_signals,
)
from edge_deeplab.demo.sources import open_source
from edge_deeplab.demo.statistics import Stopwatch
from edge_deeplab.errors import ArtifactError, DataError
from tests.demo.conftest import CLASSES, BrightestChannel, describe, frames


class Collector:
    """A sink that keeps what it is shown."""

    def __init__(self, stop: threading.Event | None = None, stop_after: int = 0) -> None:
        self.names: list[str] = []
        self.pictures: list[ImageHWC] = []
        self._stop, self._stop_after = stop, stop_after

    def show(self, picture_hwc: ImageHWC, frame: Frame) -> None:
        self.names.append(frame.name)
        self.pictures.append(picture_hwc)
        if self._stop is not None and len(self.names) == self._stop_after:
            self._stop.set()


class FakeCamera:
    """A live source that may be unplugged."""

    name = "camera 0"
    live = True
    frame_count = None

    def __init__(self, count: int, *, unplugged: bool = False) -> None:
        self._count, self._unplugged = count, unplugged

    def __iter__(self) -> Iterator[Frame]:
        yield from frames(self._count)
        if self._unplugged:
            raise DataError("camera 0 stopped sending pictures")


def plain_view(runtime: BrightestChannel) -> DemoView:
    return DemoView(runtime, opacity=1, with_panel=False)


def test_run_demo_folder_shows_every_picture_in_order(
    runtime: BrightestChannel, image_folder: Path
) -> None:
    sink = Collector()
    statistics = run_demo(plain_view(runtime), open_source(str(image_folder)), [sink])
    assert sink.names == [f"street_{i}" for i in range(5)]
    assert (statistics.frames, statistics.dropped, statistics.stopped) == (5, 0, False)


def test_run_demo_picture_shows_the_class_map_of_its_frame(
    runtime: BrightestChannel, image_folder: Path
) -> None:
    sink = Collector()
    run_demo(plain_view(runtime), open_source(str(image_folder)), [sink])
    last = sink.pictures[4]
    assert tuple(last[30, 50]) == CLASSES[0].color, "the border has moved to column 56"
    assert tuple(last[30, 60]) == CLASSES[1].color


def test_run_demo_twice_gives_the_same_pictures(
    runtime: BrightestChannel, image_folder: Path
) -> None:
    first, second = Collector(), Collector()
    for sink in (first, second):
        run_demo(plain_view(runtime), open_source(str(image_folder)), [sink])
    for one, other in zip(first.pictures, second.pictures, strict=True):
        assert np.array_equal(one, other)


def test_run_demo_panel_is_added_beside_the_picture(
    runtime: BrightestChannel, image_folder: Path
) -> None:
    sink = Collector()
    run_demo(DemoView(runtime), open_source(str(image_folder)), [sink], limit=1)
    assert sink.pictures[0].shape[0] == 64
    assert sink.pictures[0].shape[1] > 96 + 60


def test_run_demo_limit_ends_it(runtime: BrightestChannel, image_folder: Path) -> None:
    sink = Collector()
    statistics = run_demo(plain_view(runtime), open_source(str(image_folder)), [sink], limit=2)
    assert statistics.frames == len(sink.names) == 2


def test_run_demo_stop_ends_it_after_the_current_picture(
    runtime: BrightestChannel, image_folder: Path
) -> None:
    stop = threading.Event()
    sink = Collector(stop, stop_after=3)
    statistics = run_demo(plain_view(runtime), open_source(str(image_folder)), [sink], stop=stop)
    assert statistics.frames == len(sink.names) == 3
    assert statistics.stopped


def test_run_demo_statistics_name_every_stage(
    runtime: BrightestChannel, image_folder: Path
) -> None:
    statistics = run_demo(plain_view(runtime), open_source(str(image_folder)), [])
    document = statistics.to_json()
    for stage in ("resize_ms", "inference_ms", "overlay_ms", "output_ms"):
        assert 0 <= document[stage]["median"] <= document[stage]["p95"]
    assert statistics.fps == pytest.approx(5 / statistics.seconds)


def test_run_demo_live_source_drops_what_is_stale(runtime: BrightestChannel) -> None:
    sink = Collector()
    statistics = run_demo(plain_view(runtime), FakeCamera(100), [sink])
    assert statistics.frames + statistics.dropped == 100
    assert sink.names[-1] == "frame_099"


def test_run_demo_unplugged_camera_ends_like_a_film(
    runtime: BrightestChannel, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        statistics = run_demo(plain_view(runtime), FakeCamera(3, unplugged=True), [])
    assert statistics.frames >= 1
    assert "stopped sending pictures; what was shown until then is kept" in caplog.text


def test_run_demo_camera_that_never_sends_is_an_error(runtime: BrightestChannel) -> None:
    with pytest.raises(DataError, match="stopped sending"):
        run_demo(plain_view(runtime), FakeCamera(0, unplugged=True), [])
    with pytest.raises(DataError, match="gave no picture"):
        run_demo(plain_view(runtime), FakeCamera(0), [])


def test_view_artifact_without_description_says_what_is_missing() -> None:
    with pytest.raises(
        ArtifactError, match=r"brightest\.onnx carries no self-description \(class names"
    ):
        DemoView(BrightestChannel(describes_itself=False))


def test_caption_tells_target_precision_and_size() -> None:
    assert caption(describe()) == "onnx fp32, 32x48"


def test_fit_longest_side_reduces_large_pictures_only() -> None:
    large = np.zeros((600, 2000, 3), np.uint8)
    assert fit_longest_side(large, 1000).shape == (300, 1000, 3)
    assert fit_longest_side(large, 2000) is large


@pytest.mark.skipif(os.name != "posix", reason="only on POSIX: sends a signal to itself")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_on_signals_first_one_asks_second_one_interrupts(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    stop = threading.Event()
    with stopping_on_signals(stop):
        os.kill(os.getpid(), number)
        assert stop.wait(2)
        assert signal.getsignal(number) == before
    assert signal.getsignal(number) == before


def test_stopping_on_signals_outside_the_main_thread_changes_nothing() -> None:
    handlers: list[object] = []

    def work() -> None:
        with stopping_on_signals(threading.Event()):
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]


def test_times_of_a_long_run_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_deeplab.demo.statistics._KEPT", 10)
    stopwatch = Stopwatch()
    for _ in range(1000):
        stopwatch.start_frame()
        with stopwatch.measure("overlay"):
            pass
    assert len(stopwatch._times_ms["overlay"]) == 10
    assert stopwatch.finish(dropped=0, stopped=False).frames == 1000
