"""The tables of `edge-deeplab lab`: the matrix, what is left out and why, and the tools."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from edge_deeplab.cli.terminal import stdout_console, styled

if TYPE_CHECKING:
    from edge_deeplab.lab.environments import ToolStatus
    from edge_deeplab.lab.report import Cell, LabReport

_MOST_REASONS = 3


def show_report(report: "LabReport") -> None:
    """Print the matrix, and below it what is left out, what differs and what must be said."""
    console = stdout_console()
    console.print(matrix_table(report))
    devices: dict[str, list[str]] = {}
    for cell in report.cells:
        for line in _remarks(cell):
            devices.setdefault(f"{cell.path} {line}", []).append(cell.device)
    for line, names in devices.items():
        console.print(f"{', '.join(names)}: {line}")
    for note in dict.fromkeys(note for cell in report.cells for note in cell.notes):
        console.print(note)
    costs = dict.fromkeys(cell.cost.note for cell in report.cells if cell.cost)
    for note in filter(None, costs):
        console.print(note)
    console.print(
        f"{report.compared} predictions held against tools, {report.disagreements} of them otherwise"
    )


def matrix_table(report: "LabReport") -> Table:
    """Return a row a cell."""
    table = Table("device", "file", "known by", title="the lab")
    for header in ("operators", "multiply-adds", "parts", "ms", "agreement", "mIoU difference"):
        table.add_column(header, justify="right")
    table.add_column("as predicted")
    for cell in report.cells:
        known = cell.evidence if cell.version is None else f"{cell.evidence}, {cell.version}"
        table.add_row(cell.device, str(cell.path), known, *_figures(cell), _as_predicted(cell))
    return table


def show_tools(statuses: "Sequence[ToolStatus]") -> None:
    """Print a row a tool, and how to get what is missing."""
    console = stdout_console()
    table = Table("tool", "what it is", "state", "version", "licence", title="the lab's tools")
    for status in statuses:
        tool = status.tool
        licence = tool.licence.name + (" (wants a yes)" if tool.licence.must_accept else "")
        table.add_row(tool.name, tool.label, status.state, status.version or "-", licence)
    console.print(table)
    for status in statuses:
        if status.lack is not None:
            console.print(f"{status.tool.name}: {status.lack}")


def _figures(cell: "Cell") -> list[str | Text]:
    if cell.error is not None:
        return [styled("FAILED", "bold red"), "-", "-", "-", "-", "-"]
    if cell.taken is None:
        return [styled("not taken" if cell.refusal else "-", "bold red"), "-", "-", "-", "-", "-"]
    cost, ran = cell.cost, cell.execution
    share = cell.accelerated_macs
    return [
        f"{cell.taken} of {cell.taken + len(cell.left)}",
        "-" if share is None else f"{share:.1%}",
        "-" if cell.partitions is None else str(cell.partitions),
        "-" if cost is None or cost.milliseconds is None else f"{cost.milliseconds:.1f}",
        "-" if ran is None else f"{ran.agreement:.4f}",
        "-"
        if ran is None
        else f"{ran.delta_miou:+.2f} [{ran.delta_interval[0]:+.2f}, {ran.delta_interval[1]:+.2f}]",
    ]


def _as_predicted(cell: "Cell") -> Text:
    if cell.predicted_equal is None:
        return styled("-")
    return styled("yes") if cell.predicted_equal else styled("NO", "bold red")


def _remarks(cell: "Cell") -> list[str]:
    """Return what a cell leaves out, once a reason, and what differs from the prediction."""
    reasons: dict[str, list[str]] = {}
    for left in cell.left:
        reasons.setdefault(left.reason, []).append(f"{left.operator} {left.name}")
    lines = [
        f"leaves {', '.join(names[:_MOST_REASONS])}"
        f"{f' and {len(names) - _MOST_REASONS} more' if len(names) > _MOST_REASONS else ''}: {reason}"
        for reason, names in reasons.items()
    ]
    refusal = [] if cell.refusal is None else [f"is not taken: {cell.refusal}"]
    return [*refusal, *lines, *cell.differences]
