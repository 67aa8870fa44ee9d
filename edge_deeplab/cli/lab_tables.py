"""The tables of `edge-deeplab lab`: the matrix, what is left out and why, and the tools."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from edge_deeplab.cli.tables import FittingTable
from edge_deeplab.cli.terminal import stdout_console, styled
from edge_deeplab.lab.columns import (
    EXECUTION,
    FAILED,
    NOT_TAKEN,
    OTHERWISE,
    PLACEMENT,
    Columns,
)

if TYPE_CHECKING:
    from edge_deeplab.lab.environments import ToolStatus
    from edge_deeplab.lab.report import Cell, LabReport

_MOST_NAMED = 3
"""Operators of one reason that are named; the page and `--json` name all."""


def show_report(report: "LabReport") -> None:
    """Print the matrix, what was executed, and below what is left out, what differs and what must be said."""
    console = stdout_console()
    for table in lab_tables(report):
        console.print(table)
    for line in [*_remarks(report), *_notes(report)]:
        console.print(line)
    if report.tools:
        console.print(f"asked: {', '.join(report.tools)}")
    console.print(
        f"{report.compared} predictions held against tools, {report.disagreements} of them otherwise"
    )


def lab_tables(report: "LabReport") -> list[FittingTable]:
    """Return a table of a row a cell, and where files were executed one of what they gave."""
    names = _names(report)
    tables = [_table("the lab", report.cells, names, PLACEMENT)]
    executed = [cell for cell in report.cells if cell.execution is not None]
    if executed:
        images = max(cell.execution.images for cell in executed if cell.execution)
        title = f"executed on {images} images: mIoU differences with 95 % intervals"
        tables.append(_table(title, executed, names, EXECUTION))
    return tables


def _table(
    title: str, cells: "Sequence[Cell]", names: "Mapping[str, str]", columns: "Columns"
) -> FittingTable:
    """Return a row a cell under its device; a column of which no cell tells is left out."""
    table = FittingTable("device", "file", title=title)
    told = {name: read for name, read in columns.items() if any(map(read, cells))}
    table.add_numbers(*told)
    before = None
    for cell in cells:
        if cell.device != before:
            table.add_section()
        device, before = "" if cell.device == before else cell.device, cell.device
        table.add_row(device, names[cell.title], *(_shown(read(cell)) for read in told.values()))
    return table


def _shown(text: str | None) -> str | Text:
    wrong = text in (FAILED, NOT_TAKEN, OTHERWISE)
    return styled(text, "bold red") if text and wrong else text or "-"


def _names(report: "LabReport") -> "Mapping[str, str]":
    """Return what each title of a cell is shown as: short, or in full where two would be the same."""
    names = report.titles
    is_clear = len({*names.values()}) == len(names)
    return names if is_clear else {title: title for title in names}


def show_tools(statuses: "Sequence[ToolStatus]") -> None:
    """Print a row a tool, and how to get what is missing."""
    console = stdout_console()
    table = FittingTable("tool", title="the lab's tools")
    table.add_prose("what it is")
    table.add_names("state", "version")
    table.add_prose("licence")
    for status in statuses:
        tool = status.tool
        licence = tool.licence.name + (" (wants a yes)" if tool.licence.must_accept else "")
        table.add_row(tool.name, tool.label, status.state, status.version or "-", licence)
    console.print(table)
    for status in statuses:
        if status.lack is not None:
            console.print(f"{status.tool.name}: {status.lack}")


def _remarks(report: "LabReport") -> list[str]:
    """Return what files leave out, once a reason, and what differs from the prediction, with the devices of each."""
    names = _names(report)
    devices: dict[str, list[str]] = {}
    for cell in report.cells:
        left = [f"leaves {_first(those)}: {why}" for why, those in cell.left_by_reason().items()]
        told = left if cell.refusal is None else [f"is not taken: {cell.refusal}"]
        for line in (*told, *cell.differences):
            devices.setdefault(f"{names[cell.title]} {line}", []).append(cell.device)
    return [f"{', '.join(there)}: {line}" for line, there in devices.items()]


def _first(operators: Sequence[str]) -> str:
    more = len(operators) - _MOST_NAMED
    return ", ".join(operators[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _notes(report: "LabReport") -> list[str]:
    """Return what must be said beside figures, each once, with the devices and the file that it is about."""
    names = _names(report)
    devices: dict[str, list[str]] = {}
    for cell in report.cells:
        for note in cell.notes:
            about = f"{names[cell.title]}: {note}" if cell.tool is not None else note
            devices.setdefault(about, []).extend([cell.device] if cell.tool is not None else [])
    notes = [f"{', '.join(there)}: {n}" if there else n for n, there in devices.items()]
    costs = dict.fromkeys(cell.cost.note for cell in report.cells if cell.cost)
    return [*notes, *(f"ms: {note}" for note in costs if note)]
