"""Live capture: the newest frame only, never a queue, and a clean end."""

import threading
import time
from collections.abc import Iterator

import pytest

from edge_deeplab.demo.frames import Frame
from edge_deeplab.demo.latest import LatestFrames
from edge_deeplab.errors import DataError
from tests.demo.conftest import frames


class Stepwise:
    """A source that gives frames when told to, and tells when one was taken from it."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.all_sent = threading.Event()
        self._frames = frames(count, (4, 4))
        self._error = error

    def __iter__(self) -> Iterator[Frame]:
        yield from self._frames
        self.all_sent.set()
        if self._error is not None:
            raise self._error


def test_latest_slow_consumer_gets_the_newest_and_drops_the_rest() -> None:
    source = Stepwise(50)
    with LatestFrames(source, threading.Event()) as latest:
        assert source.all_sent.wait(5)
        names = [frame.name for frame in latest]
    assert names == ["frame_049"]
    assert latest.dropped == 49


def test_latest_every_frame_is_either_given_or_counted_as_dropped() -> None:
    given = 0
    with LatestFrames(Stepwise(200), threading.Event()) as latest:
        for _ in latest:
            given += 1
            time.sleep(0.0005)
    assert given + latest.dropped == 200


def test_latest_error_of_the_source_comes_after_its_last_frame() -> None:
    source = Stepwise(1, DataError("unplugged"))
    with LatestFrames(source, threading.Event()) as latest:
        iterator = iter(latest)
        assert next(iterator).name == "frame_000"
        with pytest.raises(DataError, match="unplugged"):
            next(iterator)


def test_latest_stop_ends_the_wait_for_a_camera_that_sends_nothing() -> None:
    stop, released = threading.Event(), threading.Event()

    def hang() -> Iterator[Frame]:
        released.wait(10)
        yield from ()

    with LatestFrames(hang(), stop) as latest:
        threading.Timer(0.05, stop.set).start()
        started = time.monotonic()
        assert list(latest) == []
        waited = time.monotonic() - started
        released.set()
    assert waited < 2


def test_latest_thread_ends_with_the_block() -> None:
    endless = (frame for _ in iter(int, 1) for frame in frames(1, (4, 4)))
    with LatestFrames(endless, threading.Event()) as latest:
        next(iter(latest))
    assert "capture" not in [thread.name for thread in threading.enumerate()]
