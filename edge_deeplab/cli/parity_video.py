"""What `edge-deeplab parity --video` shows: how files flicker, what smoothing them changes, and what it costs."""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import TYPE_CHECKING

import typer

from edge_deeplab.cli.output import print_json
from edge_deeplab.cli.terminal import say, stdout_console

if TYPE_CHECKING:
    from edge_deeplab.cli.tables import FittingTable
    from edge_deeplab.evaluation.flicker_report import (
        FileFlicker,
        FlickerReport,
        SmoothedFlicker,
        Stretch,
    )

_TITLES: "Mapping[Stretch, str]" = {
    "still": "standing still",
    "moving": "moving by known shifts, undone before frames are compared",
}


def show_flicker(report: "FlickerReport", *, as_json: bool) -> None:
    """Print what was found; ends with code 1 where a file could not be measured."""
    if as_json:
        print_json(report.to_json())
    else:
        console = stdout_console()
        for stretch in _TITLES:
            console.print(_stretch_table(report, stretch))
        console.print(_cost_table(report))
        for artifact in report.artifacts:
            if artifact.smoothed and not artifact.gives_scores:
                say(
                    f"{artifact.path.name} gives class ids; export --head logits gives scores to average"
                )
    failures = report.failures()
    for failure in failures:
        say(f"failed: {failure}", err=True)
    if failures:
        raise typer.Exit(1)


def _rows(report: "FlickerReport") -> "Iterator[tuple[str, FileFlicker]]":
    for reference in report.references:
        yield f"reference: {reference.path.name}", reference
    for artifact in report.artifacts:
        yield artifact.path.name, artifact


def _stretch_table(report: "FlickerReport", stretch: "Stretch") -> "FittingTable":
    """Return the share of pixels that flip and the mIoU of every frame: of a file as it is, and smoothed below it."""
    from edge_deeplab.cli.tables import FittingTable

    several = "" if report.sequences == 1 else "s"
    title = f"{report.sequences} photograph{several}, {_TITLES[stretch]}"
    table = FittingTable("file, and smoothed", title=title)
    headers = ("flips, %", "95 % interval", *(("mIoU", "against off") if report.labelled else ()))
    table.add_numbers(*headers)
    for name, file in _rows(report):
        for own in file.smoothed:
            label = name if own is file.smoothed[0] else f"  {own.smoothing}"
            cells = _stretch_cells(own, file.smoothed[0], stretch, labelled=report.labelled)
            table.add_row(label, *cells, end_section=own is file.smoothed[-1])
        if not file.smoothed:
            table.add_row(name, *("-" for _ in headers), end_section=True)
    return table


def _stretch_cells(
    own: "SmoothedFlicker", off: "SmoothedFlicker", stretch: "Stretch", *, labelled: bool
) -> list[str]:
    counts = own.stretches[stretch]
    low, high = counts.flips_interval
    between = f"{_percent(low)} to {_percent(high)}" if isfinite(low) else "-"
    cells = [_percent(counts.flips), between]
    if not labelled:
        return cells
    lost = "" if own is off else f"{counts.miou_against(off.stretches[stretch])[0]:+.2f}"
    return [*cells, f"{counts.miou:.2f}", lost]


def _percent(share: float) -> str:
    return f"{100 * share:.2f}" if isfinite(share) else "-"


def _cost_table(report: "FlickerReport") -> "FittingTable":
    """Return what a frame costs on this machine."""
    from edge_deeplab.cli.tables import FittingTable

    table = FittingTable("file", title="ms a frame on this machine")
    names = list(dict.fromkeys(s.smoothing for _, file in _rows(report) for s in file.smoothed))
    table.add_numbers("size", "class map", *names[1:])
    for name, file in _rows(report):
        if file.size_hw is None:
            table.add_row(name, *("-" for _ in table.columns[1:]))
            continue
        size = "x".join(map(str, file.size_hw))
        found = (file.smoothed_by(each) for each in names[1:])
        costs = ("-" if each is None else f"{each.smoothing_ms:.1f}" for each in found)
        table.add_row(name, size, f"{file.latency_ms:.1f}", *costs)
    return table
