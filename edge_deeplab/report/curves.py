"""Training curves: what the logs of runs say, an epoch a row."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from pathlib import Path

from edge_deeplab.files import regular
from edge_deeplab.training.run_folder import LOG_FILE

_MOST_EPOCHS = 5000
_MOST_RUNS = 12
_LARGEST_BYTES = 4 << 20


@dataclass(frozen=True)
class Curve:
    """One run.

    Args:
        name: of its folder.
        loss: (epoch, mean loss) of each epoch.
        miou: (epoch, validation mIoU in points) of those that were validated.
        seconds: of all epochs.
    """

    name: str
    loss: tuple[tuple[float, float], ...]
    miou: tuple[tuple[float, float], ...]
    seconds: float


def read_curves(folder: Path) -> tuple[Curve, ...]:
    """Return the curves of the runs in a folder, at any depth; a log that cannot be read is left out."""
    logs = sorted(islice(folder.rglob(LOG_FILE), 10 * _MOST_RUNS))[:_MOST_RUNS]
    curves = []
    for log in logs:
        rows = list(_rows(log))
        if rows:
            loss = tuple((r[0], r[1]) for r in rows if isfinite(r[1]))
            miou = tuple((r[0], r[2]) for r in rows if isfinite(r[2]))
            seconds = sum(r[3] for r in rows if isfinite(r[3]))
            curves.append(Curve(_name(log.parent, folder), loss, miou, seconds))
    return tuple(curves)


def _name(run: Path, folder: Path) -> str:
    return folder.resolve().name if run == folder else run.relative_to(folder).as_posix()


def _rows(log: Path) -> Iterator[tuple[float, float, float, float]]:
    """Yield epoch, loss, mIoU and seconds of each row; nan for what is not told."""
    try:
        if regular(log).stat().st_size > _LARGEST_BYTES:
            return
        text = log.read_text(errors="replace")
        for row in islice(csv.DictReader(text.splitlines()), _MOST_EPOCHS):
            epoch = _number(row.get("epoch"))
            if isfinite(epoch):
                loss, miou, seconds = (
                    _number(row.get(key)) for key in ("loss", "validation_miou", "seconds")
                )
                yield epoch, loss, miou, seconds
    except (OSError, csv.Error):
        return


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except (TypeError, ValueError):
        return float("nan")
