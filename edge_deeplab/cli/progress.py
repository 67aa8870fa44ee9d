"""Progress on stderr: a bar with an estimate of the time left on a terminal, a line now and then in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

from edge_deeplab.cli.output import speaks
from edge_deeplab.cli.terminal import Terminal, say, stderr_is_terminal, styled

if TYPE_CHECKING:
    from edge_deeplab.training.train import Listener, Progress

_LOG_EVERY_S = 60.0


class _Description(ProgressColumn):
    """What is counted, as it is spelled."""

    def render(self, task: Task) -> Text:
        """Return a task's description."""
        return styled(task.description)


def progress_bar() -> RichProgress:
    """Return a bar on stderr that vanishes when done and keeps quiet where stderr is no terminal."""
    return RichProgress(
        _Description(),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Terminal(stderr=True),
        transient=True,
        disable=not (stderr_is_terminal() and speaks()),
    )


@contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Give a function to call after each of `total` steps of some work."""
    with progress_bar() as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


@contextmanager
def training_progress() -> Iterator["Listener"]:
    """Give a listener that shows epoch, loss, learning rate and time left."""
    started = last_line = time.monotonic()
    first_step: int | None = None
    with progress_bar() as bar:
        task = bar.add_task("starting", total=None)

        def listen(progress: "Progress") -> None:
            nonlocal last_line, first_step
            first_step = progress.step if first_step is None else first_step
            text = f"epoch {progress.epoch}  loss {progress.loss:.4f}  rate {progress.learning_rate:.2e}"
            bar.update(task, description=text, completed=progress.step, total=progress.total_steps)
            now = time.monotonic()
            if bar.disable and speaks() and now - last_line > _LOG_EVERY_S:
                last_line = now
                pace = (now - started) / max(1, progress.step - first_step + 1)
                left = pace * (progress.total_steps - progress.step) / 60
                line = f"step {progress.step}/{progress.total_steps}  {text}  {left:.0f} min left"
                say(line, err=True)

        yield listen
