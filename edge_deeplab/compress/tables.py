"""The chain's report as one table: its cells, for a terminal, and as Markdown beside the files."""

from edge_deeplab.compress.report import ChainReport, FileReport, StageReport
from edge_deeplab.text import markdown

TEXT_HEADERS, NUMBER_HEADERS = (
    ("stage", "target", "precision"),
    ("mIoU", "difference", "95 % interval", "MB", "multiply-adds, G", "ms", "time, of fp32"),
)
VERDICT_HEADER = "verdict"
_NOTE = (
    "time, of fp32: over the unpruned fp32 file of the same target, in one interleaved run; "
    "nothing is timed where only the MIL reference evaluator runs a file."
)


def report_markdown(report: ChainReport) -> str:
    """Return the table and what failed, as Markdown."""
    rows = [
        [*TEXT_HEADERS, *NUMBER_HEADERS, VERDICT_HEADER],
        [*["---"] * len(TEXT_HEADERS), *["---:"] * len(NUMBER_HEADERS), "---"],
        *(map(markdown, file_cells(file)) for file in report.files),
    ]
    title = markdown(report_title(report))
    lines = [f"# {title}", "", *(f"| {' | '.join(row)} |" for row in rows), "", _NOTE]
    for stage in report.stages:
        lines += ["", markdown(_stage_line(stage))]
    lines += [f"\nfailed: {markdown(sentence)}" for sentence in report.failures]
    lines += [f"\ninconclusive: {markdown(sentence)}" for sentence in report.doubts]
    return "\n".join(lines) + "\n"


def report_title(report: ChainReport) -> str:
    """Return what the table is of."""
    scored = "" if report.miou is None else f": {report.miou:.2f} mIoU on {report.images} images"
    return f"compressed from {report.name}{scored}"


def _stage_line(stage: StageReport) -> str:
    line = (
        f"{stage.stage}: {stage.checkpoint}, {stage.parameters / 1e6:.2f} M parameters, "
        f"{stage.multiply_adds / 1e9:.2f} G multiply-adds"
    )
    if stage.training is None:
        return line + "."
    return f"{line}; {stage.training.epochs} epochs in {stage.training.minutes:g} minutes."


def file_cells(file: FileReport) -> list[str]:
    """Return a file's row, under `TEXT_HEADERS`, `NUMBER_HEADERS` and `VERDICT_HEADER`."""
    scores, times = file.scores, file.times
    low, high = scores.delta_interval or (None, None)
    return [
        file.stage.stage,
        file.target,
        file.precision,
        _number(scores.miou, ".2f"),
        _number(scores.delta_miou, "+z.2f"),
        "-" if low is None else f"{low:+z.2f} to {high:+z.2f}",
        f"{file.bytes / 1e6:.2f}",
        f"{file.stage.multiply_adds / 1e9:.2f}",
        _number(None if times is None else times.median_ms, ".2f"),
        _number(None if times is None else times.ratio_to_first, ".3f"),
        file.verdict or "-",
    ]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
