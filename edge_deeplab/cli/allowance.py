"""Options of the verbs that run exported files: how much of the machine a file may take."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edge_deeplab.child.limits import Allowance

MemoryLimitOption = Annotated[
    float | None,
    typer.Option(
        "--memory-limit",
        metavar="GIB",
        min=0.1,
        help="What a file may take beside its runtime; without it 1.5 GiB and eight times its size.",
    ),
]
TimeLimitOption = Annotated[
    float | None,
    typer.Option(
        "--time-limit",
        metavar="SECONDS",
        min=1.0,
        help="Seconds of one core that a run may take; without it 7 and one for each 2 MiB of the file.",
    ),
]


def allowance(memory_limit: float | None, time_limit: float | None) -> "Allowance | None":
    """Return what the options allow; None where neither was given."""
    if memory_limit is None and time_limit is None:
        return None
    from edge_deeplab.child.limits import Allowance

    return Allowance(None if memory_limit is None else round(memory_limit * 2**30), time_limit)
