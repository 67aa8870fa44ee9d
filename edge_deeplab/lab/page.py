"""The matrix as one self-contained page: a table a file, each row a card where the screen is narrow.

Whatever files and tools say is escaped.
"""

from collections.abc import Sequence
from html import escape

from edge_deeplab.lab.columns import (
    EXECUTION,
    FAILED,
    NOT_TAKEN,
    OTHERWISE,
    PLACEMENT,
    Columns,
)
from edge_deeplab.lab.report import Cell, LabReport
from edge_deeplab.text import printable

_MOST_NAMED = 4
"""Operators of one reason that are named at once."""
_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 1rem; color: #222; background: #fff; overflow-wrap: anywhere }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem } table { border-collapse: collapse }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #ccc; text-align: left; vertical-align: top }
th { background: #f2f2f2; overflow-wrap: normal } .figure { overflow-wrap: normal } .wrong { color: #b00020 }
.device { white-space: nowrap; font-weight: 600 } p { margin: 0 0 .3rem } .know { min-width: 12rem }
@media (max-width: 80rem) {
  thead { display: none } table, tbody, tr, td { display: block }
  tr { border: 1px solid #ccc; border-radius: .4rem; margin: .6rem 0; padding: .3rem 0 }
  td { border: 0; padding: .15rem .6rem } td:empty { display: none }
  .figure::before { content: attr(data-name) ": "; color: #666 }
}
"""


def write_page(report: LabReport) -> str:
    """Return the page as HTML."""
    held = f"{report.compared} predictions held against tools, {report.disagreements} of them otherwise."
    asked = f" Asked: {', '.join(report.tools)}." if report.tools else ""
    columns = {
        name: read
        for name, read in {**PLACEMENT, **EXECUTION}.items()
        if any(map(read, report.cells))
    }
    sections = (_section(report, title, columns) for title in report.titles)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>The device lab</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>The device lab</h1><p>{_told(held + asked)}</p>\n"
        f"{''.join(sections)}</body></html>\n"
    )


def _section(report: LabReport, title: str, columns: Columns) -> str:
    headers = "".join(f"<th>{name}</th>" for name in ("device", *columns, "what to know"))
    rows = "\n".join(_row(cell, columns) for cell in report.cells if cell.title == title)
    return (
        f"<h2>{_told(title)}</h2>\n"
        f"<table><thead><tr>{headers}</tr></thead><tbody>\n{rows}\n</tbody></table>\n"
    )


def _row(cell: Cell, columns: Columns) -> str:
    figures = (_figure(name, read(cell)) for name, read in columns.items())
    device, know = _told(cell.device), _remarks(cell)
    return (
        f'<tr><td class="device">{device}</td>{"".join(figures)}<td class="know">{know}</td></tr>'
    )


def _figure(name: str, text: str | None) -> str:
    kind = "figure wrong" if text in (FAILED, NOT_TAKEN, OTHERWISE) else "figure"
    return f'<td class="{kind}" data-name="{name}">{_told(text or "")}</td>'


def _remarks(cell: Cell) -> str:
    """Return what is wrong with a cell, what it leaves out and what must be said beside it."""
    wrong = [text for text in (cell.error, cell.refusal, *cell.differences) if text is not None]
    left = cell.left_by_reason() if cell.refusal is None else {}
    costs = [f"ms: {cell.cost.note}"] if cell.cost and cell.cost.note else []
    return "".join(
        [
            *(f'<p class="wrong">{_told(text)}</p>' for text in wrong),
            *(_leaving(reason, those) for reason, those in left.items()),
            *(f"<p>{_told(text)}</p>" for text in (*cell.notes, *costs)),
        ]
    )


def _leaving(reason: str, operators: Sequence[str]) -> str:
    """Return what is left out for a reason; many names stand folded below it."""
    named = ", ".join(operators)
    if len(operators) <= _MOST_NAMED:
        return f"<p>{_told(f'leaves {named}: {reason}')}</p>"
    told = _told(f"leaves {len(operators)} operators: {reason}")
    return f"<details><summary>{told}</summary><p>{_told(named)}</p></details>"


def _told(text: str) -> str:
    """Return a stranger's text as HTML that shows it."""
    return escape(printable(text))
