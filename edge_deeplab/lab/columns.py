"""The matrix's columns as text, for the terminal, the page and the documents: each a function of a cell.

A column gives None where a cell does not tell; a table leaves out a column of which none of its cells tells.
"""

from collections.abc import Callable, Mapping
from math import isfinite

from edge_deeplab.lab.report import AgainstReference, Cell, Execution

Columns = Mapping[str, Callable[[Cell], str | None]]
FAILED, NOT_TAKEN, OTHERWISE = "FAILED", "not taken", "NO"
"""What is wrong in a cell, in a word."""


def _operators(cell: Cell) -> str | None:
    if cell.error is not None:
        return FAILED
    if cell.refusal is not None:
        return NOT_TAKEN
    return None if cell.taken is None else f"{cell.taken} of {cell.taken + len(cell.left)}"


def _share(cell: Cell) -> str | None:
    return None if cell.accelerated_macs is None else f"{cell.accelerated_macs:.1%}"


def _parts(cell: Cell) -> str | None:
    return None if cell.partitions is None else str(cell.partitions)


def _milliseconds(cell: Cell) -> str | None:
    if cell.cost is None or cell.cost.milliseconds is None:
        return None
    return f"{cell.cost.milliseconds:.1f}"


def _as_predicted(cell: Cell) -> str | None:
    return {None: None, True: "yes", False: OTHERWISE}[cell.predicted_equal]


def _difference(ran: Execution | AgainstReference | None) -> str | None:
    if ran is None or not isfinite(ran.delta_miou):
        return None
    low, high = ran.delta_interval
    return f"{ran.delta_miou:+.2f} [{low:+.2f}, {high:+.2f}]"


def _agreement(cell: Cell) -> str | None:
    return None if cell.execution is None else f"{cell.execution.agreement:.4f}"


def _seconds(cell: Cell) -> str | None:
    return None if cell.execution is None else f"{cell.execution.seconds_an_image:.2f}"


def _to_reference(cell: Cell) -> str | None:
    return None if cell.execution is None else _difference(cell.execution.reference)


PLACEMENT: Columns = {
    "known by": lambda cell: cell.evidence if cell.error is None else None,
    "operators": _operators,
    "multiply-adds": _share,
    "parts": _parts,
    "ms": _milliseconds,
    "as predicted": _as_predicted,
}
EXECUTION: Columns = {
    "agreement": _agreement,
    "mIoU to runtime": lambda cell: _difference(cell.execution),
    "mIoU to reference": _to_reference,
    "s a picture": _seconds,
}
