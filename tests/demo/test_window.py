"""The window: pace, ways to close it, and pictures larger than the screen. Skips where there is no display."""

import threading
import time
from collections.abc import Iterator

import pytest

from edge_deeplab.demo.window import Window, open_window
from edge_deeplab.errors import ConfigError
from tests.demo.conftest import frames, halves


@pytest.fixture
def stop() -> threading.Event:
    """What the window sets when the user is done."""
    return threading.Event()


@pytest.fixture
def window(stop: threading.Event) -> Iterator[Window]:
    """A paced window; skips where none can be opened."""
    try:
        opened = open_window("test", stop, paced=True)
        shown = opened.__enter__()
    except ConfigError as error:
        pytest.skip(f"needs a display: {error}")
    yield shown
    opened.__exit__(None, None, None)


def test_window_shows_frames_no_earlier_than_their_time(window: Window) -> None:
    first, second = frames(2)
    started = time.monotonic()
    window.show(first.image_hwc, first)
    window.show(second.image_hwc, second)
    assert time.monotonic() - started >= 0.25


def test_window_label_takes_the_size_of_the_picture(window: Window) -> None:
    window.show(halves(), frames(1)[0])
    assert (window._label.winfo_height(), window._label.winfo_width()) == (64, 96)


def test_window_picture_larger_than_the_screen_is_reduced_in_proportion(window: Window) -> None:
    screen = (window._root.winfo_screenheight(), window._root.winfo_screenwidth())
    height, width = window._fit_screen(halves(0, (2 * screen[0], 3 * screen[0]))).shape[:2]
    assert height <= screen[0]
    assert width <= screen[1]
    assert width / height == pytest.approx(1.5, rel=0.01)


@pytest.mark.parametrize("key", ["q", "Escape"])
def test_window_key_asks_to_stop(window: Window, stop: threading.Event, key: str) -> None:
    window.show(halves(), frames(1)[0])
    window._root.focus_force()
    window._root.update()
    window._root.event_generate(f"<KeyPress-{key}>")
    window._root.update()
    assert stop.is_set()


def test_window_closing_it_asks_to_stop_and_ends_the_wait(
    window: Window, stop: threading.Event
) -> None:
    first, *_, later = frames(400, (4, 4))
    window.show(first.image_hwc, first)
    window._root.after(50, window._root.tk.eval, window._root.protocol("WM_DELETE_WINDOW"))
    started = time.monotonic()
    window.show(later.image_hwc, later)
    assert stop.is_set()
    assert time.monotonic() - started < 60, "it would have waited for a hundred seconds"
