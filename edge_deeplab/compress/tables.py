"""The chain's report as one table: for a terminal, and as Markdown beside the files."""

from rich.table import Table

from edge_deeplab.compress.measures import Document
from edge_deeplab.text import markdown

_TEXT, _NUMBERS = (
    ("stage", "target", "precision"),
    ("mIoU", "difference", "95 % interval", "MB", "multiply-adds, G", "ms", "time, of fp32"),
)
_NOTE = (
    "time, of fp32: over the unpruned fp32 file of the same target, in one interleaved run; "
    "nothing is timed where only the MIL reference evaluator runs a file."
)


def report_table(report: Document) -> Table:
    """Return one row a file."""
    table = Table(*_TEXT, title=_title(report))
    for header in _NUMBERS:
        table.add_column(header, justify="right")
    for entry in report["files"]:
        table.add_row(*_cells(entry))
    return table


def report_markdown(report: Document) -> str:
    """Return the table and what failed, as Markdown."""
    rows = [
        [*_TEXT, *_NUMBERS],
        [*["---"] * len(_TEXT), *["---:"] * len(_NUMBERS)],
        *(map(markdown, _cells(entry)) for entry in report["files"]),
    ]
    title = markdown(_title(report))
    lines = [f"# {title}", "", *(f"| {' | '.join(row)} |" for row in rows), "", _NOTE]
    for stage in report["stages"]:
        lines += ["", markdown(_stage_line(stage))]
    lines += [f"\nfailed: {markdown(sentence)}" for sentence in report["failures"]]
    return "\n".join(lines) + "\n"


def _title(report: Document) -> str:
    name, miou = report["reference"]["name"], report["reference"]["miou"]
    scored = "" if miou is None else f": {miou:.2f} mIoU on {report['images']} images"
    return f"compressed from {name}{scored}"


def _stage_line(stage: Document) -> str:
    line = (
        f"{stage['stage']}: {stage['checkpoint']}, {stage['parameters'] / 1e6:.2f} M parameters, "
        f"{stage['multiply_adds'] / 1e9:.2f} G multiply-adds"
    )
    training = stage["training"]
    if training is None:
        return line + "."
    return f"{line}; {training['epochs']} epochs in {training['minutes']:g} minutes."


def _cells(entry: Document) -> list[str]:
    low, high = entry["delta_interval"] or (None, None)
    times = entry["latency_ms"] or {}
    return [
        entry["stage"],
        entry["target"],
        entry["precision"],
        _number(entry["miou"], ".2f"),
        _number(entry["delta_miou"], "+z.2f"),
        "-" if low is None else f"{low:+z.2f} to {high:+z.2f}",
        f"{entry['bytes'] / 1e6:.2f}",
        f"{entry['multiply_adds'] / 1e9:.2f}",
        _number(times.get("median"), ".2f"),
        _number(entry["ratio_to_reference"], ".3f"),
    ]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
