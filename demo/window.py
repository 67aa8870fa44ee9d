"""The window: tkinter with Pillow, which need nothing beyond Python's own library.

OpenCV's window would be another 60 MB on a small board for the same picture.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PIL import Image

from edge_deeplab.data.images import ImageHWC
from edge_deeplab.data.transforms import resize_image
from edge_deeplab.demo.frames import Frame
from edge_deeplab.errors import ConfigError
from edge_deeplab.text import printable

if TYPE_CHECKING:
    import tkinter

_POLL_S = 0.01
_SCREEN_SHARE = 0.9


@contextmanager
def open_window(title: str, stop: threading.Event, *, paced: bool) -> "Iterator[Window]":
    """Open a window that sets `stop` when it is closed, or when q or Escape is pressed in it.

    Args:
        title: its title.
        stop: set when the user is done.
        paced: wait with each frame until its time, so that a film does not run faster than it was shot.

    Raises:
        ConfigError: when this machine has no display, or its Python no tkinter.
    """
    root = _open_root()
    try:
        yield Window(root, title, stop, paced=paced)
    finally:
        root.destroy()


class Window:
    """Shows pictures; a `Sink`.

    Args:
        root: the toolkit's window.
        title: see `open_window`.
        stop: see `open_window`.
        paced: see `open_window`.
    """

    def __init__(
        self, root: "tkinter.Tk", title: str, stop: threading.Event, *, paced: bool
    ) -> None:
        import tkinter

        self._root, self._stop, self._paced = root, stop, paced
        self._label = tkinter.Label(root, borderwidth=0)
        self._label.pack()
        self._started: float | None = None
        root.title(printable(title))
        root.configure(background="black")
        root.protocol("WM_DELETE_WINDOW", stop.set)
        for key in ("q", "<Escape>"):
            root.bind(key, lambda _event: stop.set())

    def show(self, picture_hwc: ImageHWC, frame: Frame) -> None:
        """Show one picture; see `Sink`."""
        from PIL import ImageTk

        if self._paced:
            self._wait_until(frame.timestamp_s)
        photo = ImageTk.PhotoImage(
            Image.fromarray(self._fit_screen(picture_hwc)), master=self._root
        )
        self._label.configure(image=photo)
        self._shown = (
            photo  # Tk keeps no reference of its own, and shows nothing once it is collected
        )
        self._root.update()

    def _wait_until(self, timestamp_s: float) -> None:
        """Let time pass until the frame is due, still answering keys and clicks."""
        if self._started is None:
            self._started = time.monotonic() - timestamp_s
        while not self._stop.is_set():
            missing = self._started + timestamp_s - time.monotonic()
            if missing <= 0:
                return
            self._root.update()
            time.sleep(min(missing, _POLL_S))

    def _fit_screen(self, picture_hwc: ImageHWC) -> ImageHWC:
        height, width = picture_hwc.shape[:2]
        room = (self._root.winfo_screenheight(), self._root.winfo_screenwidth())
        scale = _SCREEN_SHARE * min(room[0] / height, room[1] / width)
        if scale >= 1:
            return picture_hwc
        return resize_image(picture_hwc, (round(height * scale), round(width * scale)))


def _open_root() -> "tkinter.Tk":
    try:
        import tkinter
    except ImportError as error:
        raise _no_window(error) from error
    try:
        return tkinter.Tk()
    except tkinter.TclError as error:
        raise _no_window(error) from error


def _no_window(error: Exception) -> ConfigError:
    return ConfigError(
        f"no window can be opened here ({error}); a display was expected; "
        "run without one: --headless --record OUT.mp4"
    )
