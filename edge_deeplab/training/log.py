"""A run's `log.csv`, an epoch a row, as whoever has edited or torn it left it."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path

from edge_deeplab.files import regular

LOG_FILE = "log.csv"

_LARGEST_BYTES = 4 << 20


@dataclass(frozen=True)
class LoggedEpoch:
    """One row; nan for what it does not say.

    Args:
        epoch: from 1.
        loss: the mean over its steps.
        miou: of the validation, in points.
        seconds: that it took.
    """

    epoch: int
    loss: float
    miou: float
    seconds: float


def read_log(path: Path) -> tuple[LoggedEpoch, ...]:
    """Return the epochs of a log; rows without one are passed over, and a log that cannot be read has none."""
    try:
        if regular(path).stat().st_size > _LARGEST_BYTES:
            return ()
        lines = path.read_text(errors="replace").splitlines()
        return tuple(_epochs(csv.DictReader(lines)))
    except (OSError, csv.Error):
        return ()


def _epochs(rows: Iterable[dict[str, str]]) -> Iterator[LoggedEpoch]:
    for row in rows:
        epoch = row.get("epoch") or ""
        if epoch.isascii() and epoch.isdecimal() and len(epoch) < 10:
            yield LoggedEpoch(
                int(epoch),
                *(_number(row.get(key)) for key in ("loss", "validation_miou", "seconds")),
            )


def _number(text: str | None) -> float:
    """Return a finite number, or nan."""
    try:
        number = float(text or "nan")
    except ValueError:
        return nan
    return number if isfinite(number) else nan
