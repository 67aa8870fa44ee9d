"""How work tells that it goes on: one protocol from the innermost loop to whoever called, with nothing about terminals.

One stage is under way at a time. A loop begins a stage with what it counts and advances it; what cannot count begins a
stage without a total, so that it is at least named before it starts. Beginning a stage ends the one before.
"""

from typing import Protocol


class Progress(Protocol):
    """Told what is under way; the command line draws it, a caller of the library may ignore it (`SILENT`)."""

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        """Start a stage.

        Args:
            what: what is done, for people, as "calibrating camvid".
            total: how many times it will advance; None where that is not known or it cannot report.
            unit: what is counted, in the plural, as "images".
        """

    def advance(self, count: int = 1) -> None:
        """Say that `count` more units of the stage are done."""

    def note(self, text: str) -> None:
        """Say one line that stays: what an epoch gave, which form was chosen."""


class Silent:
    """Ignores all that it is told."""

    def __repr__(self) -> str:
        return "SILENT"

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        """Ignore a stage."""

    def advance(self, count: int = 1) -> None:
        """Ignore a step."""

    def note(self, text: str) -> None:
        """Ignore a line."""


SILENT: Progress = Silent()
