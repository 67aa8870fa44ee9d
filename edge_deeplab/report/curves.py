"""Training curves: what the logs of runs say, an epoch a row."""

from dataclasses import dataclass
from itertools import islice
from math import isfinite
from pathlib import Path

from edge_deeplab.training.log import LOG_FILE, read_log

_MOST_EPOCHS = 5000
_MOST_RUNS = 12


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
        rows = read_log(log)[:_MOST_EPOCHS]
        if rows:
            loss = tuple((row.epoch, row.loss) for row in rows if isfinite(row.loss))
            miou = tuple((row.epoch, row.miou) for row in rows if isfinite(row.miou))
            seconds = sum(row.seconds for row in rows if isfinite(row.seconds))
            curves.append(Curve(_name(log.parent, folder), loss, miou, seconds))
    return tuple(curves)


def _name(run: Path, folder: Path) -> str:
    return folder.resolve().name if run == folder else run.relative_to(folder).as_posix()
