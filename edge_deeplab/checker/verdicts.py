"""The words that a check ends in: verdicts from best to worst, how a rule is known, what is said of one operator."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What becomes of an operator on a target; the worse of two is the greater."""

    OK = "ok"
    SLOW = "slow"
    FALLBACK = "fallback"
    REJECTED = "rejected"

    @property
    def severity(self) -> int:
        """Its place from best to worst, from 0."""
        return list(Verdict).index(self)

    def __lt__(self, other: str) -> bool:
        return self.severity < Verdict(other).severity

    def __le__(self, other: str) -> bool:
        return self.severity <= Verdict(other).severity

    def __gt__(self, other: str) -> bool:
        return self.severity > Verdict(other).severity

    def __ge__(self, other: str) -> bool:
        return self.severity >= Verdict(other).severity


class Confidence(StrEnum):
    """How a rule is known: read in the runtime's source or documentation, measured, or reported by others."""

    SOURCE = "source"
    MEASURED = "measured"
    REPORTED = "reported"


@dataclass(frozen=True)
class Judgement:
    """What a profile says of one operator.

    Args:
        operator: its type.
        name: its name in the file.
        module: dotted path of the layer it came from, or None.
        verdict: what becomes of it.
        reason: one sentence.
        rule: id of the rule that decided, or None for "ok".
        source: where the rule was read or measured, or None.
        date: when, or None.
        confidence: how the rule is known, or None.
        rewrite: what mends it, or None.
    """

    operator: str
    name: str
    module: str | None
    verdict: Verdict
    reason: str
    rule: str | None = None
    source: str | None = None
    date: str | None = None
    confidence: Confidence | None = None
    rewrite: str | None = None


@dataclass(frozen=True)
class LeftOut:
    """An operator that an accelerator does not take.

    Args:
        operator: its type.
        name: its name in the file.
        module: dotted path of the layer it came from, or None.
    """

    operator: str
    name: str
    module: str | None


@dataclass(frozen=True)
class Stop:
    """Where an accelerator stops that takes nothing after the first operator it does not know.

    Args:
        at: that operator.
        operators_after: number of operators after it; all of them run on the processor.
        share_after: their share of the multiply-adds; None where a shape is open or there are none.
    """

    at: LeftOut
    operators_after: int
    share_after: float | None
