"""The matrix as one self-contained page; whatever files and tools say is escaped."""

from html import escape

from edge_deeplab.lab.report import Cell, LabReport
from edge_deeplab.text import printable

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff }
table { border-collapse: collapse } th, td { padding: .3rem .6rem; border-bottom: 1px solid #ccc; text-align: left }
th { background: #f2f2f2; position: sticky; top: 0 } .number { text-align: right } .wrong { color: #b00020 }
"""
_HEADERS = (
    "device",
    "file",
    "known by",
    "tool",
    "operators",
    "multiply-adds",
    "parts",
    "ms",
    "agreement",
    "mIoU difference",
    "as predicted",
    "left out, and what to know",
)


def write_page(report: LabReport) -> str:
    """Return the page as HTML."""
    headers = "".join(f"<th>{header}</th>" for header in _HEADERS)
    rows = "\n".join(_row(cell) for cell in report.cells)
    held = f"{report.compared} predictions held against tools, {report.disagreements} of them otherwise."
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>The device lab</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>The device lab</h1><p>{held}</p>\n"
        f"<table><thead><tr>{headers}</tr></thead><tbody>\n{rows}\n</tbody></table></body></html>\n"
    )


def _row(cell: Cell) -> str:
    total = None if cell.taken is None else cell.taken + len(cell.left)
    share, cost, ran = cell.accelerated_macs, cell.cost, cell.execution
    milliseconds = None if cost is None else cost.milliseconds
    difference = None
    if ran is not None:
        low, high = ran.delta_interval
        difference = f"{ran.delta_miou:+.2f} [{low:+.2f}, {high:+.2f}]"
    equal = {None: None, True: "yes", False: "no"}[cell.predicted_equal]
    cells = [
        _cell(cell.device),
        _cell(str(cell.path)),
        _cell(cell.evidence),
        _cell(cell.version),
        _cell(None if total is None else f"{cell.taken} of {total}", "number"),
        _cell(None if share is None else f"{share:.1%}", "number"),
        _cell(None if cell.partitions is None else str(cell.partitions), "number"),
        _cell(None if milliseconds is None else f"{milliseconds:.1f}", "number"),
        _cell(None if ran is None else f"{ran.agreement:.4f}", "number"),
        _cell(difference, "number"),
        _cell(equal, "wrong" if equal == "no" else ""),
        f"<td>{'<br>'.join(_remarks(cell))}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _cell(text: str | None, kind: str = "") -> str:
    return f'<td class="{kind}">{_told(text or "-")}</td>'


def _remarks(cell: Cell) -> list[str]:
    """Return what a cell leaves out and what must be said beside it, as HTML lines."""
    failures = [text for text in (cell.error, cell.refusal) if text is not None]
    left = [f"{each.operator} {each.name}: {each.reason}" for each in cell.left]
    notes = [*cell.notes, *([cell.cost.note] if cell.cost else [])]
    wrong = [f'<span class="wrong">{_told(text)}</span>' for text in (*failures, *cell.differences)]
    return [*wrong, *map(_told, (*left, *notes))]


def _told(text: str) -> str:
    """Return a stranger's text as HTML that shows it."""
    return escape(printable(text))
