"""Progress that is listened to: what was told, and a place to stop at."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Heard:
    """Keeps what it is told, in order.

    Args:
        at_advance: called with the stage under way at each advance; may raise, to stop the work there.
        at_note: called with each line.
        stages: what was begun, how often it was to advance, and of what.
        advanced: how many units were done, by stage.
        notes: the lines.
    """

    at_advance: Callable[[str], None] = lambda _: None
    at_note: Callable[[str], None] = lambda _: None
    stages: list[tuple[str, int | None, str]] = field(default_factory=list)
    advanced: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """How many units of the last stage are done."""
        return self.advanced[self.stages[-1][0]]

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        self.stages.append((what, total, unit))
        self.advanced[what] = 0

    def advance(self, count: int = 1) -> None:
        what = self.stages[-1][0]
        self.advanced[what] += count
        self.at_advance(what)

    def note(self, text: str) -> None:
        self.notes.append(text)
        self.at_note(text)
