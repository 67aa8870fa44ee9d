"""The newest frame of a live source: a thread captures, and what was not taken in time is dropped.

There is a single slot and never a queue, so what is shown is at most one inference old however slow the model is.
"""

import threading
from collections.abc import Iterable, Iterator
from types import TracebackType

from edge_deeplab.demo.frames import Frame

_POLL_S = 0.1
_JOIN_S = 2.0


class LatestFrames:
    """Iterates over the newest frames of `frames`, captured in a thread while the block lasts.

    Args:
        frames: the live source; it is read, and closed, in the thread.
        stop: ends the iteration when set.
    """

    def __init__(self, frames: Iterable[Frame], stop: threading.Event) -> None:
        self.dropped = 0
        self._frames = frames
        self._stop = stop
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self._slot: Frame | None = None
        self._ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._capture, name="capture", daemon=True)

    def __enter__(self) -> "LatestFrames":
        """Start capturing."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop capturing; a camera that hangs in a read is left to the daemon thread."""
        self._closing.set()
        self._thread.join(_JOIN_S)

    def __iter__(self) -> Iterator[Frame]:
        """Give the newest frame each time; an error of the source is raised here, after the frames before it."""
        while (frame := self._take()) is not None:
            yield frame
        if self._error is not None and not self._stop.is_set():
            raise self._error

    def _take(self) -> Frame | None:
        with self._changed:
            while self._slot is None and not self._ended and not self._stop.is_set():
                self._changed.wait(
                    _POLL_S
                )  # also returns to notice `stop`, which is set without a notification
            frame, self._slot = self._slot, None
            return None if self._stop.is_set() else frame

    def _capture(self) -> None:
        try:
            for frame in self._frames:
                self._put(frame)
                if self._closing.is_set() or self._stop.is_set():
                    break
        except Exception as error:  # handed to the thread that iterates
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def _put(self, frame: Frame) -> None:
        with self._changed:
            self.dropped += self._slot is not None
            self._slot = frame
            self._changed.notify()
