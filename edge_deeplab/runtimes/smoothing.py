"""Temporal smoothing: a film's class maps steadied by those of the frames before, with no knowledge of motion.

Two kinds. The exponential one keeps a running average of scores, so it needs a file that gives them; the majority one
takes each pixel's most frequent class among the last frames. What either holds does not grow with the film, and both
lag: where the picture moves, or is cut to another, the frames before are shown on for a while.
"""

from collections import deque
from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from edge_deeplab.errors import ArtifactError, ConfigError
from edge_deeplab.runtimes.base import ClassIds, ImagesNHWC, Logits, Runtime

ALPHA = 0.6
"""Weight of the newest frame where none is asked for."""
FRAMES = 3
"""Frames among which the majority is taken where no number is asked for."""
_MOST_FRAMES = 15
"""The work of a majority grows with the square of its frames."""

_LONGEST_NUMBER = 20

Reads = Literal["scores", "ids"]


class Smoothing(Protocol):
    """What steadies the frames of one film, one after the other.

    Attributes:
        name: as it is asked for, with its number: "exponential:0.6".
        reads: what `smooth` takes and gives: scores (C, H, W) float32, or class ids (H, W) uint8.
    """

    name: str
    reads: Reads

    def smooth(self, frame: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Return the next frame, steadied by those before; one of another shape begins anew.

        Args:
            frame: scores or class ids, as `reads` says; it is not changed.

        Returns:
            The same kind of array. It holds until the next call and is not to be changed.
        """
        ...

    def reset(self) -> None:
        """Forget every frame: another film begins."""
        ...


class ExponentialSmoothing:
    """The running average of scores: `average += alpha * (scores - average)`; see `Smoothing`.

    After n frames of something new, what was there before has the weight (1 - alpha) ** n. Scores that are no finite
    numbers are forgotten with the frame that holds them.

    Args:
        alpha: weight of the newest frame, 0.01 to 0.99.

    Raises:
        ConfigError: for another weight.
    """

    reads: Reads = "scores"

    def __init__(self, alpha: float = ALPHA) -> None:
        if not 0.01 <= alpha <= 0.99:
            raise ConfigError(
                f"exponential smoothing came with {alpha:g}; the newest frame's weight, 0.01 to 0.99, was expected; "
                f"write for example exponential:{ALPHA:g}"
            )
        self.name = f"exponential:{alpha:g}"
        self._alpha = np.float32(alpha)
        self._average: Logits | None = None
        self._step = np.empty(0, np.float32)

    def smooth(self, frame: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Return the average with the next frame in it; (C, H, W) float32."""
        scores = np.asarray(frame, np.float32)
        if self._average is None or self._average.shape != scores.shape:
            self._average, self._step = scores.copy(), np.empty_like(scores)
            return self._average
        with np.errstate(invalid="ignore", over="ignore"):
            np.subtract(scores, self._average, out=self._step)
            self._step *= self._alpha
            self._average += self._step
        known = np.isfinite(self._average)
        if not known.all():
            np.copyto(self._average, scores, where=~known)
        return self._average

    def reset(self) -> None:
        """Forget every frame."""
        self._average = None


class MajoritySmoothing:
    """Each pixel's most frequent class among the last frames, of several the one seen last; see `Smoothing`.

    It takes any file's class ids. What is new at a pixel is shown once it fills more than half of the frames.

    Args:
        frames: how many, the newest among them; 3 to 15.

    Raises:
        ConfigError: for another number.
    """

    reads: Reads = "ids"

    def __init__(self, frames: int = FRAMES) -> None:
        if not 3 <= frames <= _MOST_FRAMES:
            raise ConfigError(
                f"majority smoothing came with {frames} frames; 3 to {_MOST_FRAMES} were expected; "
                f"write for example majority:{FRAMES}"
            )
        self.name = f"majority:{frames}"
        self._newest_first: deque[ClassIds] = deque(maxlen=frames)

    def smooth(self, frame: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Return the majority with the next frame among them; (H, W) uint8."""
        ids = np.array(frame, np.uint8)
        if self._newest_first and self._newest_first[0].shape != ids.shape:
            self.reset()
        self._newest_first.appendleft(ids)
        return _majority(list(self._newest_first))

    def reset(self) -> None:
        """Forget every frame."""
        self._newest_first.clear()


def _majority(newest_first: list[ClassIds]) -> ClassIds:
    """Return the most frequent id of each pixel; of equally frequent ones that of the earliest in the list.

    Frames are compared with each other, so that the cost does not depend on how many classes there are.
    """
    votes = np.ones((len(newest_first), *newest_first[0].shape), np.uint8)
    for i, ids in enumerate(newest_first):
        for j in range(i + 1, len(newest_first)):
            equal = ids == newest_first[j]
            votes[i] += equal
            votes[j] += equal
    chosen, most = newest_first[0].copy(), votes[0]
    for ids, own in zip(newest_first[1:], votes[1:], strict=True):
        np.copyto(chosen, ids, where=own > most)
        np.maximum(most, own, out=most)
    return chosen


def parse_smoothing(text: str) -> Smoothing:
    """Return the smoothing that text means: "exponential", "exponential:0.6", "majority" or "majority:3".

    Raises:
        ConfigError: when it means none.
    """
    kind, colon, number = text.partition(":")
    make = _KINDS.get(kind)
    try:
        if make is None or len(number) > _LONGEST_NUMBER:
            raise ValueError(text)
        return make(number) if colon else make(None)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(
            f"smoothing {text!r:.60} came; exponential or exponential:ALPHA (the newest frame's weight, "
            "0.01 to 0.99), majority or majority:FRAMES (3 to 15) was expected; write for example "
            f"exponential:{ALPHA:g} or majority:{FRAMES}"
        ) from error


_KINDS: dict[str, Callable[[str | None], Smoothing]] = {
    "exponential": lambda alpha: ExponentialSmoothing(ALPHA if alpha is None else float(alpha)),
    "majority": lambda frames: MajoritySmoothing(FRAMES if frames is None else int(frames)),
}


def check_smoothing(smoothing: Smoothing, runtime: Runtime) -> None:
    """Check that a file gives what a smoothing reads.

    Raises:
        ArtifactError: when it says of itself that it gives class ids, and scores are averaged.
    """
    told = runtime.description
    if smoothing.reads == "scores" and told is not None and told.head != "logits":
        raise ArtifactError(
            f"{runtime.path} gives class ids, and {smoothing.name} averages scores; a file that gives scores was "
            "expected; export it with head logits, or smooth by majority, which takes class ids"
        )


def frame_for(
    smoothing: Smoothing, runtime: Runtime, images: ImagesNHWC
) -> npt.NDArray[np.generic]:
    """Run a file on one picture, and return what a smoothing reads of it.

    Args:
        smoothing: which one.
        runtime: the file.
        images: (1, H, W, 3) uint8 RGB of the file's size.
    """
    seen = runtime.logits(images) if smoothing.reads == "scores" else runtime.predict(images)
    return np.asarray(seen[0])


def ids_of(frame: npt.NDArray[np.generic]) -> ClassIds:
    """Return the (H, W) uint8 class ids that scores (C, H, W) or class ids mean: of scores the first of the largest."""
    return np.asarray(frame.argmax(axis=0) if frame.ndim == 3 else frame, np.uint8)
