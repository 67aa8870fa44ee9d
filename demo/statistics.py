"""Where the time of a run goes: frame rate from end to end, and milliseconds of each stage."""

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np

Stage = Literal["resize", "inference", "smoothing", "overlay", "output"]

_WINDOW = 15
"""Frames that the displayed numbers average over: steady enough to read, quick enough to follow."""
_KEPT = 100_000
"""Frames whose times are kept, the last ones: an hour of 30 a second; a demo may run for weeks."""


@dataclass(frozen=True)
class Milliseconds:
    """Times of one stage.

    Args:
        median: of all frames, of a long run the last 100,000, in milliseconds.
        p95: the time that 95 of 100 frames stay under.
    """

    median: float
    p95: float


@dataclass(frozen=True)
class DemoStatistics:
    """What a run of the demo measured.

    Args:
        frames: pictures shown.
        dropped: frames of a live camera that were stale before anyone took them.
        seconds: from the first frame to the last picture.
        fps: pictures a second, end to end: capture, inference, drawing and output.
        stages: times of each stage a frame.
        stopped: whether the user ended it (Ctrl-C, closing the window).
    """

    frames: int
    dropped: int
    seconds: float
    fps: float
    stages: Mapping[Stage, Milliseconds]
    stopped: bool

    def to_json(self) -> dict[str, Any]:
        """Return the JSON values: `fps`, `frames`, and `inference_ms` {median, p95} with the other stages alike."""
        document = {
            "frames": self.frames,
            "dropped": self.dropped,
            "seconds": round(self.seconds, 3),
            "fps": round(self.fps, 2),
            "stopped": self.stopped,
        }
        return document | {f"{stage}_ms": asdict(times) for stage, times in self.stages.items()}


class Stopwatch:
    """Collects the times of a run, which starts with its first frame."""

    def __init__(self) -> None:
        self.frames = 0
        self._started: float | None = None
        self._times_ms: defaultdict[Stage, deque[float]] = defaultdict(lambda: deque(maxlen=_KEPT))
        self._frame_of: dict[Stage, int] = {}
        self._frame_starts: deque[float] = deque(maxlen=_WINDOW)

    def start_frame(self) -> None:
        """Count a frame whose work begins now."""
        self.frames += 1
        now = time.perf_counter()
        self._started = now if self._started is None else self._started
        self._frame_starts.append(now)

    @contextmanager
    def measure(self, stage: Stage) -> Iterator[None]:
        """Time the block as the frame's `stage`; blocks of one stage and frame add up."""
        started = time.perf_counter()
        yield
        took_ms = (time.perf_counter() - started) * 1e3
        if self._frame_of.get(stage) == self.frames:
            self._times_ms[stage][-1] += took_ms
        else:
            self._times_ms[stage].append(took_ms)
            self._frame_of[stage] = self.frames

    @property
    def fps(self) -> float:
        """Frames a second over the last few frames, the current one included up to now."""
        return len(self._frame_starts) / max(1e-9, time.perf_counter() - self._frame_starts[0])

    def recent_ms(self, stage: Stage) -> float:
        """Return the median of the last few times of a stage."""
        return float(np.median([*islice(reversed(self._times_ms[stage]), _WINDOW)]))

    def finish(self, *, dropped: int, stopped: bool) -> DemoStatistics:
        """Return what was measured up to now."""
        now = time.perf_counter()
        seconds = now - (now if self._started is None else self._started)
        return DemoStatistics(
            frames=self.frames,
            dropped=dropped,
            seconds=seconds,
            fps=self.frames / max(1e-9, seconds),
            stages={stage: _summary(times) for stage, times in self._times_ms.items()},
            stopped=stopped,
        )


def _summary(times_ms: Iterable[float]) -> Milliseconds:
    median, p95 = np.percentile([*times_ms], [50, 95])
    return Milliseconds(round(float(median), 3), round(float(p95), 3))
