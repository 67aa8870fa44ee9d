"""What an interval says of a limit: passed, failed or inconclusive, and how many more images would settle it.

A difference is measured on some images and asked about all: it is decided where the whole 95 % interval lies on one
side of the limit. An interval shrinks with the square root of the number of images, from which follows how many more
would take it off the limit, were they like those that were seen.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, floor, isfinite, log10

from edge_deeplab.evaluation.bootstrap import FEWEST_IMAGES

_MOST_IMAGES = 10_000_000
"""More than that are no answer: the difference lies at the limit for all that can be measured."""


class ParityVerdict(StrEnum):
    """Whether a file keeps the reference's score."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class ScoreDifference:
    """What is known of a difference.

    Args:
        delta: mIoU minus the reference's, in points; nan where it could not be measured.
        interval: its 95 % interval; nan where there is none.
        images: how many images were seen.
        max_drop: largest loss of points that passes.
    """

    delta: float
    interval: tuple[float, float]
    images: int
    max_drop: float

    @property
    def verdict(self) -> ParityVerdict:
        """Passed where the whole interval is within the limit, failed where none of it is or nothing was measured."""
        if not isfinite(self.delta):
            return ParityVerdict.FAILED
        low, high = self.interval
        if self.has_interval and low >= -self.max_drop:
            return ParityVerdict.PASSED
        if self.has_interval and high < -self.max_drop:
            return ParityVerdict.FAILED
        return ParityVerdict.INCONCLUSIVE

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval: a single image gives none."""
        return all(map(isfinite, self.interval))

    @property
    def more_images(self) -> int | None:
        """About how many more images like these would settle it, two digits of it; None where none would, or need."""
        if self.verdict is not ParityVerdict.INCONCLUSIVE or not self.has_interval:
            return None
        low, high = self.interval
        margin = self.delta + self.max_drop
        side = self.delta - low if margin > 0 else high - self.delta
        if not margin:
            return None
        wanted = self.images * (side / margin) ** 2
        if wanted > _MOST_IMAGES:
            return None
        return _two_digits(max(ceil(wanted) - self.images, 1))

    @property
    def doubt(self) -> str:
        """What was seen of what is inconclusive, and what would settle it; its subject is the file."""
        low, high = self.interval
        seen = f" (95 % interval {low:+z.3f} to {high:+z.3f})" if self.has_interval else ""
        return (
            f"differs from the reference by {self.delta:+z.3f} mIoU points{seen} on {self.images} images; an interval "
            f"on one side of a loss of {self.max_drop:g} points was expected; {self._advice}"
        )

    @property
    def _advice(self) -> str:
        if not self.has_interval:
            return f"{self.images} image gives no interval; {FEWEST_IMAGES} or more do"
        if self.more_images is None:
            return "the difference lies at the limit, which no number of images settles; set another max_drop"
        return f"about {self.more_images:,} more images like these would settle it"


def _two_digits(number: int) -> int:
    """Return a number from 1 rounded up to two digits: an estimate has no more."""
    unit: int = 10 ** max(floor(log10(number)) - 1, 0)
    return -(-number // unit) * unit


def worst_verdict(verdicts: Iterable[ParityVerdict]) -> ParityVerdict:
    """Return what files came to together: failed where one did, else inconclusive where one is."""
    seen = {*verdicts}
    order = (ParityVerdict.FAILED, ParityVerdict.INCONCLUSIVE)
    return next((verdict for verdict in order if verdict in seen), ParityVerdict.PASSED)
