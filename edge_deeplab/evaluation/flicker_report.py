"""What flicker was found: of each file and smoothing, still and moving, how many pixels flip and what it scores.

Flips are fractions of the pixels that two frames in a row both see, once the known motion between them is undone.
Intervals are of a bootstrap over sequences, one a photograph; differences are paired.
"""

from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from edge_deeplab.description import Description
from edge_deeplab.errors import EdgeDeepLabError
from edge_deeplab.evaluation.bootstrap import bootstrap_interval, share_interval
from edge_deeplab.evaluation.metrics import Counts, mean_iou
from edge_deeplab.evaluation.motion import FRAMES, STILL
from edge_deeplab.evaluation.scores import finite_or_none
from edge_deeplab.targets import target_of

Stretch = Literal["still", "moving"]
STRETCHES: tuple[Stretch, ...] = get_args(Stretch)
OFF = "off"
"""What class maps without smoothing are called."""

Interval = tuple[float, float]


@dataclass(frozen=True, eq=False)
class StretchFlicker:
    """The counts of one stretch of S sequences.

    Args:
        flipped: (S,) pixels that changed their class from frame to frame, motion undone.
        seen: (S,) pixels that were compared.
        confusions: (S, K, K + 1) confusion matrices against the moved masks; None without labels.
    """

    flipped: npt.NDArray[np.int64]
    seen: npt.NDArray[np.int64]
    confusions: Counts | None

    @property
    def flips(self) -> float:
        """Fraction of pixels that flip from frame to frame."""
        total = int(self.seen.sum())
        return float(self.flipped.sum() / total) if total else nan

    @property
    def flips_interval(self) -> Interval:
        """95 % interval of `flips`."""
        return share_interval(self.flipped, self.seen)

    @property
    def miou(self) -> float:
        """MIoU in points against the moved masks; nan without labels."""
        return nan if self.confusions is None else mean_iou(self.confusions.sum(0))

    def flips_against(self, other: "StretchFlicker") -> tuple[float, Interval]:
        """Return `flips` minus that of the same sequences elsewhere, and its 95 % interval."""
        interval = share_interval(self.flipped, self.seen, other.flipped)
        return self.flips - other.flips, interval

    def miou_against(self, other: "StretchFlicker") -> tuple[float, Interval]:
        """Return the mIoU minus that of the same sequences elsewhere, in points, and its 95 % interval."""
        if self.confusions is None or other.confusions is None:
            return nan, (nan, nan)
        interval = bootstrap_interval(other.confusions, self.confusions)
        return self.miou - other.miou, interval


@dataclass(frozen=True, eq=False)
class SmoothedFlicker:
    """One smoothing of one file's class maps.

    Args:
        smoothing: its name, or `OFF`.
        smoothing_ms: median milliseconds that it takes a frame, on this machine; 0 for `OFF`.
        stretches: the counts.
    """

    smoothing: str
    smoothing_ms: float
    stretches: dict[Stretch, StretchFlicker]


@dataclass(frozen=True, eq=False)
class FileFlicker:
    """One file, or the reference.

    Args:
        path: the file.
        description: what it says of itself, or None.
        runtime: name and version of what executed it; None when nothing could.
        size_hw: height and width of the frames; None when it could not be run.
        latency_ms: median time of one frame's class map, without smoothing.
        smoothed: each smoothing that it gives enough for, `OFF` first; none when it could not be run.
        gives_scores: whether scores could be averaged.
        error: why it could not be measured; None when it was.
    """

    path: Path
    description: Description | None
    runtime: str | None
    size_hw: tuple[int, int] | None = None
    latency_ms: float = nan
    smoothed: tuple[SmoothedFlicker, ...] = ()
    gives_scores: bool = False
    error: str | None = None

    def smoothed_by(self, name: str) -> SmoothedFlicker | None:
        """Return what a smoothing made of it; None where it was not measured."""
        return next((each for each in self.smoothed if each.smoothing == name), None)

    def to_json(self, reference: "FileFlicker | None" = None) -> dict[str, Any]:
        """Return its entry in the document; differences from the reference are null without one."""
        about = self.description
        return {
            "path": str(self.path),
            "target": about.target if about else target_of(self.path),
            "precision": about.precision if about else None,
            "runtime": self.runtime,
            "size_hw": None if self.size_hw is None else list(self.size_hw),
            "latency_ms": finite_or_none(self.latency_ms),
            "gives_scores": self.gives_scores,
            "smoothings": [self._smoothing_to_json(each, reference) for each in self.smoothed],
            "error": self.error,
        }

    def _smoothing_to_json(
        self, own: SmoothedFlicker, reference: "FileFlicker | None"
    ) -> dict[str, Any]:
        same = None if reference is None else reference.smoothed_by(own.smoothing)
        document: dict[str, Any] = {
            "smoothing": own.smoothing,
            "smoothing_ms": finite_or_none(own.smoothing_ms),
        }
        for name, counts in own.stretches.items():
            document[name] = {
                "flips": finite_or_none(counts.flips),
                "flips_interval": _bounds(counts.flips_interval),
                "miou": finite_or_none(counts.miou),
                "against_off": _differences(counts, self.smoothed[0].stretches[name]),
                "against_reference": None
                if same is None
                else _differences(counts, same.stretches[name]),
            }
        return document


def _differences(own: StretchFlicker, other: StretchFlicker) -> dict[str, Any]:
    flips, flips_interval = own.flips_against(other)
    miou, miou_interval = own.miou_against(other)
    return {
        "flips": finite_or_none(flips),
        "flips_interval": _bounds(flips_interval),
        "miou": finite_or_none(miou),
        "miou_interval": _bounds(miou_interval),
    }


def _bounds(interval: Interval) -> list[float | None]:
    return [finite_or_none(bound) for bound in interval]


@dataclass(frozen=True, eq=False)
class FlickerReport:
    """Every file and the reference.

    Args:
        data: name of the photographs' folder or data set.
        sequences: how many photographs were seen, a sequence of each.
        labelled: whether they have labels.
        references: the reference at each size that a file has, the first file's first.
        artifacts: in the order they came.
    """

    data: str
    sequences: int
    labelled: bool
    references: tuple[FileFlicker, ...]
    artifacts: tuple[FileFlicker, ...]

    def reference_of(self, artifact: FileFlicker) -> FileFlicker | None:
        """Return the reference at a file's size; None where the file could not be run."""
        return next((each for each in self.references if each.size_hw == artifact.size_hw), None)

    def failures(self) -> list[EdgeDeepLabError]:
        """Return one sentence for each file that could not be measured."""
        return [EdgeDeepLabError(a.error) for a in self.artifacts if a.error is not None]

    def to_json(self) -> dict[str, Any]:
        """Return the document of `parity --video --json`; shares are fractions, mIoU is in points."""
        return {
            "data": self.data,
            "sequences": self.sequences,
            "labelled": self.labelled,
            "frames": {"still": STILL, "moving": FRAMES - STILL},
            "references": [reference.to_json() for reference in self.references],
            "artifacts": [each.to_json(self.reference_of(each)) for each in self.artifacts],
        }
