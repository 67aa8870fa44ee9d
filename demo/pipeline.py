"""The demo's loop: capture -> resize -> inference -> overlay -> window and recording.

Class names, colours and size come from the artifact's self-description, so the same loop shows any model. Files are
run frame by frame, all of them in order; a live camera is captured in a thread that keeps the newest frame only.
"""

import logging
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice, takewhile
from types import FrameType

import numpy as np

from edge_deeplab.data.images import ImageHWC, MaskIds
from edge_deeplab.data.transforms import resize_image
from edge_deeplab.demo.frames import Frame, FrameSource
from edge_deeplab.demo.latest import LatestFrames
from edge_deeplab.demo.overlay import Overlay
from edge_deeplab.demo.panel import Panel
from edge_deeplab.demo.record import Sink
from edge_deeplab.demo.statistics import DemoStatistics, Stopwatch
from edge_deeplab.description import METADATA_KEY, Description
from edge_deeplab.errors import ArtifactError, DataError
from edge_deeplab.runtimes.base import ImagesNHWC, Runtime
from edge_deeplab.runtimes.smoothing import Smoothing, check_smoothing, frame_for, ids_of
from edge_deeplab.text import size_text

LONGEST_SIDE = 1280
"""Larger pictures are shown and recorded reduced to this, so that drawing never costs more than inference."""

logger = logging.getLogger(__name__)


class DemoView:
    """Turns a frame into the picture that is shown; one for a run.

    Args:
        runtime: a loaded artifact that describes itself.
        opacity: how much of the class colours covers the picture, 0 to 1.
        with_panel: put frame rate and legend beside the picture.
        smoothing: steadies class maps from frame to frame; None shows each as it is.

    Raises:
        ArtifactError: when the artifact does not describe itself, or gives class ids where scores are smoothed.
        ConfigError: when the opacity is not 0 to 1.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        opacity: float = 0.5,
        with_panel: bool = True,
        smoothing: Smoothing | None = None,
    ) -> None:
        description = require_description(runtime)
        if smoothing is not None:
            check_smoothing(smoothing, runtime)
        self._runtime, self._smoothing = runtime, smoothing
        self._shape: tuple[int, ...] = ()
        self._overlay = Overlay(description.classes, opacity=opacity)
        self._panel = Panel(description.classes, caption(description)) if with_panel else None

    def warm_up(self) -> None:
        """Run once on a black picture: first inferences allocate and would spoil the statistics. A source begins."""
        self._segment(np.zeros((1, *self._runtime.size_hw, 3), np.uint8), Stopwatch())
        self._forget()

    def draw(self, image_hwc: ImageHWC, watch: Stopwatch) -> ImageHWC:
        """Return what is shown for an image, the next of its source.

        Smoothing begins anew where the images' size changes.

        Args:
            image_hwc: (H, W, 3) uint8 RGB, of any size.
            watch: takes the times of the stages.
        """
        with watch.measure("resize"):
            picture = fit_longest_side(image_hwc, LONGEST_SIDE)
            pixels = np.array(resize_image(image_hwc, self._runtime.size_hw))[None]  # writable
        if image_hwc.shape != self._shape:
            self._forget()
            self._shape = image_hwc.shape
        mask_ids = self._segment(pixels, watch)
        with watch.measure("overlay"):
            drawn = self._overlay.draw(picture, mask_ids)
            if self._panel is None:
                return drawn
            return self._panel.beside(
                drawn,
                mask_ids,
                fps=watch.fps,
                inference_ms=watch.recent_ms("inference"),
                smoothing_ms=None if self._smoothing is None else watch.recent_ms("smoothing"),
            )

    def _segment(self, pixels: ImagesNHWC, watch: Stopwatch) -> MaskIds:
        """Return the class map of a picture; the argmax of smoothed scores is inference, as without smoothing."""
        smoothing = self._smoothing
        with watch.measure("inference"):
            if smoothing is None:
                ids: MaskIds = self._runtime.predict(pixels)[0]
                return ids
            frame = frame_for(smoothing, self._runtime, pixels)
        with watch.measure("smoothing"):
            smoothed = smoothing.smooth(frame)
        with watch.measure("inference"):
            return ids_of(smoothed)

    def _forget(self) -> None:
        if self._smoothing is not None:
            self._smoothing.reset()


def run_demo(
    view: DemoView,
    source: FrameSource,
    sinks: Sequence[Sink],
    *,
    limit: int | None = None,
    stop: threading.Event | None = None,
) -> DemoStatistics:
    """Show a source through a view until it ends.

    Args:
        view: draws the pictures.
        source: gives the frames.
        sinks: take the pictures.
        limit: end after so many pictures.
        stop: ends the run after the current picture when set.

    Raises:
        DataError: when the source gives nothing, or a file of it cannot be read.
    """
    stop = stop or threading.Event()
    view.warm_up()
    watch = Stopwatch()
    with LatestFrames(source, stop) if source.live else nullcontext(source) as frames:
        wanted = takewhile(lambda _: not stop.is_set(), islice(frames, limit))
        try:
            _show(wanted, view, sinks, watch)
        except DataError as error:
            if not (source.live and watch.frames):
                raise
            logger.warning("%s; what was shown until then is kept", error)  # the end, as of a film
    if not watch.frames and not stop.is_set():
        raise DataError(
            f"{source.name} gave no picture; at least one was expected; check that it plays elsewhere"
        )
    dropped = frames.dropped if isinstance(frames, LatestFrames) else 0
    return watch.finish(dropped=dropped, stopped=stop.is_set())


def _show(frames: Iterable[Frame], view: DemoView, sinks: Sequence[Sink], watch: Stopwatch) -> None:
    for frame in frames:
        watch.start_frame()
        picture = view.draw(frame.image_hwc, watch)
        with watch.measure("output"):
            for sink in sinks:
                sink.show(picture, frame)


def require_description(runtime: Runtime) -> Description:
    """Return what the artifact says of itself.

    Raises:
        ArtifactError: when it says nothing.
    """
    if runtime.description is None:
        raise ArtifactError(
            f"{runtime.path} carries no self-description (class names, colours and input size, under "
            f"{METADATA_KEY!r} in its metadata), and the demo takes them from nowhere else; "
            "export the model with: edge-deeplab export"
        )
    return runtime.description


def caption(description: Description) -> str:
    """Return the line that says what runs, for example "tflite fp32, 368x480"."""
    return f"{description.target} {description.precision}, {size_text(description.size_hw)}"


def fit_longest_side(image_hwc: ImageHWC, longest: int) -> ImageHWC:
    """Return the image reduced so that no side is longer than `longest` pixels; a smaller one comes back as it is."""
    height, width = image_hwc.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return image_hwc
    return resize_image(image_hwc, (max(1, round(height * scale)), max(1, round(width * scale))))


@contextmanager
def stopping_on_signals(stop: threading.Event) -> Iterator[None]:
    """While the block lasts, Ctrl-C (or a polite kill) sets `stop`, so that the recording is finished.

    A second one interrupts as ever. Outside the main thread, where Python delivers no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def finish_up(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, finish_up)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
