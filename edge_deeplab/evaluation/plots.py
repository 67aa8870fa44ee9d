"""Where matplotlib is asked for, and how a figure reaches its file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_deeplab.errors import ConfigError, require
from edge_deeplab.files import replace_when_complete

PLOT_ENDINGS = (".png", ".svg", ".pdf")


def check_plot(path: Path) -> None:
    """Check that a plot can be drawn to a file.

    Raises:
        ConfigError: when its ending is none of `PLOT_ENDINGS`.
        MissingDependencyError: without matplotlib.
    """
    if path.suffix.lower() not in PLOT_ENDINGS:
        raise ConfigError(
            f"plot file {path} came; an ending of {', '.join(PLOT_ENDINGS)} was expected; rename it"
        )
    require("matplotlib", package="matplotlib", extra="compress")


@contextmanager
def drawn(
    path: Path, rows: int, columns: int, *, below: float = 0.0, **settings: Any
) -> Iterator[Any]:
    """Give the panels of a figure, and write it when the block ends without an error.

    Args:
        path: .png, .svg or .pdf to write.
        rows: of panels.
        columns: of panels.
        below: share of the figure's height that stays free below them, for a legend.
        settings: of `matplotlib.pyplot.subplots`.

    Yields:
        (rows, columns) array of matplotlib's axes.

    Raises:
        ConfigError, MissingDependencyError: as for `check_plot`.
        OutputError: when the file cannot be written; what was there stays.
    """
    check_plot(path)
    matplotlib: Any = require("matplotlib", package="matplotlib", extra="compress")
    matplotlib.use("Agg")
    pyplot: Any = require("matplotlib.pyplot", package="matplotlib", extra="compress")
    figure, panels = pyplot.subplots(rows, columns, squeeze=False, **settings)
    try:
        yield panels
        figure.tight_layout(rect=(0, below, 1, 1))
        with replace_when_complete(path) as temporary:
            figure.savefig(temporary, dpi=120)
    finally:
        pyplot.close(figure)
