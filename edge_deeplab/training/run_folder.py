"""A run's folder: its recipe, the last and the best checkpoint, the state to resume from, a log and its curves.

Whatever is trained, an epoch is kept in the same way: the caller says how its checkpoint is written.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from edge_deeplab.config import Recipe
from edge_deeplab.errors import OutputError
from edge_deeplab.files import BEST_FILE, LAST_FILE, STATE_FILE, real_path, write_atomically
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.recipes import HEAD, recipe_text
from edge_deeplab.training.curve import CURVE_FILE, draw_curve
from edge_deeplab.training.log import LOG_FILE
from edge_deeplab.training.started import KIND, STARTED_FILE
from edge_deeplab.training.state import TrainingState

RECIPE_FILE = "recipe.toml"
_WRITTEN = (BEST_FILE, LAST_FILE, STATE_FILE, RECIPE_FILE, STARTED_FILE, LOG_FILE, CURVE_FILE)


@dataclass(frozen=True)
class Validator:
    """Scores a checkpoint or its file: mIoU in points.

    Args:
        score: does so.
        data: a hash of what it is scored on, which a resumed run must share; empty where nobody tells.
    """

    score: Callable[[Path | Checkpoint], float]
    data: str = ""

    def __call__(self, named: Path | Checkpoint) -> float:
        """Return the mIoU of a checkpoint or its file, in points."""
        return self.score(named)


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps what it makes.

    Args:
        path: the folder.
        recipe: the run; says in which epochs it is validated.
        identity: what a run that resumes must have in common with this one.
        validate: scores a checkpoint file; without it the last model is the best.
    """

    path: Path
    recipe: Recipe
    identity: str
    validate: Validator | None

    @property
    def state(self) -> Path:
        """The state's file."""
        return self.path / STATE_FILE

    @property
    def best(self) -> Path:
        """The best checkpoint's file."""
        return self.path / BEST_FILE

    def keep_epoch(
        self, state: TrainingState, write: Callable[[Path], None], mean_loss: float, started: float
    ) -> tuple[str, float | None]:
        """Save the last checkpoint, validate it when due, keep it where it is the best, log, save the state.

        The state comes last: an epoch that it does not know of is done again, and then replaces its row in the log.

        Args:
            state: after the epoch; the best mIoU is noted in it.
            write: writes the checkpoint to a path.
            mean_loss: over the epoch's steps.
            started: `time.monotonic()` at the epoch's start.

        Returns:
            What the epoch gave, in one line for people, and its validation mIoU, in points, where it was due.
        """
        write(self.path / LAST_FILE)
        miou = self._validate_if_due(state)
        if _is_best(state, miou):
            write(self.best)
        scored = "" if miou is None else f"{miou:.3f}"
        seconds = f"{time.monotonic() - started:.1f}"
        _log_epoch(self.path / LOG_FILE, state.epoch, f"{mean_loss:.5f}", scored, seconds)
        state.save(self.state, self.identity)
        return self._tell_epoch(state, mean_loss, miou), miou

    def draw(self) -> str | None:
        """Draw the run's curves anew; return in a sentence why not, because no training ends for want of a picture."""
        try:
            draw_curve(self.path / LOG_FILE, self.path / CURVE_FILE)
        except Exception as error:  # whatever matplotlib raises, of fonts or its cache too
            return f"{CURVE_FILE} is not drawn: {error}"
        return None

    def _validate_if_due(self, state: TrainingState) -> float | None:
        """Return the last checkpoint's validation mIoU, in points; None in epochs that are not validated."""
        section = self.recipe.optimiser
        due = state.epoch % section.validate_every == 0 or state.epoch == section.epochs
        if self.validate is None or not due:
            return None
        return self.validate(self.path / LAST_FILE)

    def _tell_epoch(self, state: TrainingState, mean_loss: float, miou: float | None) -> str:
        line = f"epoch {state.epoch}/{self.recipe.optimiser.epochs}: loss {mean_loss:.3f}"
        if miou is not None:
            line += f", validation mIoU {miou:.2f}"
        if state.best_miou is None:
            return line
        of = "" if state.best_epoch is None else f" in epoch {state.best_epoch}"
        return f"{line} (best {state.best_miou:.2f}{of})"


def check_unused(path: Path) -> None:
    """Check that a run that is about to start in a folder destroys nothing there.

    What a run that kept no epoch has left is no loss: its recipe, what it was started with, and where it was stopped
    while it kept its first, what it had written of that.

    Raises:
        OutputError: when a state lies there, or another file of those that a run writes.
    """
    if (path / STATE_FILE).is_file():
        raise OutputError(
            f"{path} holds an earlier run ({STATE_FILE}), and a new one would destroy it; a folder without a run was "
            "expected; resume it with its own options, or choose another output"
        )
    for name in _WRITTEN:
        if (path / name).is_file() and not _is_left_over(path / name):
            raise OutputError(
                f"{path} holds {name}, and a run would write its own over it; a folder without what a run writes was "
                "expected; choose another output, or move that file away"
            )


def _is_left_over(path: Path) -> bool:
    mark = {RECIPE_FILE: HEAD, STARTED_FILE: f'"{KIND}'}.get(path.name)
    if mark is not None:
        return mark in path.read_text(errors="replace")
    recipe, log = path.with_name(RECIPE_FILE), path.with_name(LOG_FILE)
    if not (recipe.is_file() and _is_left_over(recipe)):
        return False
    if not log.is_file():
        return path.name == LAST_FILE
    return [epoch.partition(",")[0] for epoch in log.read_text().splitlines()[1:]] == ["1"]


def check_apart(path: Path, read: Iterable[Path], *others: str) -> None:
    """Check that a run that is about to start in a folder reads nothing from where it will write.

    Args:
        path: the folder.
        read: files that the run is named with.
        *others: names of files that such a run writes beside those of every run.

    Raises:
        OutputError: naming the file.
    """
    written = {real_path(path / name): path / name for name in (*_WRITTEN, *others)}
    for each in read:
        if (place := written.get(real_path(each))) is not None:
            raise OutputError(
                f"{place} is read, and a run would write its own over it; another folder was expected; choose another "
                "output, or move that file away"
            )


def keep_recipe(path: Path, recipe: Recipe) -> None:
    """Write a run's recipe, defaults included, into its folder: passed as it is, it repeats the run.

    Args:
        path: the folder.
        recipe: of the run, with the size of its crops.

    Raises:
        OutputError: when it cannot be written.
    """
    write_atomically(path / RECIPE_FILE, recipe_text(recipe))


def _is_best(state: TrainingState, miou: float | None) -> bool:
    """Note an epoch's validation mIoU (None where it was not due), and return whether its model is to be kept.

    A run that is never validated keeps its last.
    """
    never_validated = state.best_miou is None and miou is None
    best = never_validated or (miou is not None and miou >= (state.best_miou or 0.0))
    if best:
        state.best_miou = miou
        state.best_epoch = None if miou is None else state.epoch
    return best


def _log_epoch(path: Path, epoch: int, loss: str, miou: str, seconds: str) -> None:
    """Add a row to a run's log.csv, after those of the epochs before; later ones are of epochs that were not kept."""
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    numbered = [(line.partition(",")[0], line) for line in lines]
    before = [line for number, line in numbered if number.isdecimal() and int(number) < epoch]
    rows = ["epoch,loss,validation_miou,seconds", *before, f"{epoch},{loss},{miou},{seconds}"]
    write_atomically(path, "".join(f"{row}\n" for row in rows))
