"""A progress that remembers what it was told."""

from dataclasses import dataclass, field


@dataclass
class Told:
    """Remembers stages with what they count, steps of the last stage, and lines."""

    stages: list[tuple[str, int | None, str]] = field(default_factory=list)
    steps: int = 0
    notes: list[str] = field(default_factory=list)

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        self.stages.append((what, total, unit))
        self.steps = 0

    def advance(self, count: int = 1) -> None:
        self.steps += count

    def note(self, text: str) -> None:
        self.notes.append(text)
