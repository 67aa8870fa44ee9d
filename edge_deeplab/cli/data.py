"""`edge-deeplab data`: every problem of a data set in one run, and what its splits hold."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab import api
from edge_deeplab.cli.options import MaxPixelsOption
from edge_deeplab.cli.output import (
    DebugOption,
    JsonOption,
    ending_cleanly,
    naming_options,
)
from edge_deeplab.cli.progress import drawn_progress
from edge_deeplab.cli.terminal import say
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.text import size_text

if TYPE_CHECKING:
    from edge_deeplab.cli.tables import FittingTable
    from edge_deeplab.data.inspection.problem import Problem
    from edge_deeplab.data.inspection.summary import DataSummary, SplitSummary

_MOST_OF_A_KIND = 20
_MOST_SIZES = 3


def data(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder with dataset.toml, PASCAL VOC or Cityscapes."),
    ],
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Also write some pictures of each split with their masks drawn over.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read pictures.")] = 1,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Read every image and mask of a data set and name all that is wrong, with classes and sizes by split.

    Exit code 1 when something would end a training or a scoring; what only spoils them is named too.

    Example: edge-deeplab data camvid --sheet camvid.png
    """
    with ending_cleanly(as_json=as_json, debug=debug) as ending:
        with naming_options({}), drawn_progress() as progress:
            summary = ending.result_of(
                api.data,
                folder,
                sheet=sheet,
                max_pixels=max_pixels,
                workers=workers,
                progress=progress,
            )
        if as_json:
            ending.print_json(summary.to_json())
        else:
            _show(summary)
        if not summary.passed:
            raise typer.Exit(1)


def _show(summary: "DataSummary") -> None:
    from edge_deeplab.cli.terminal import stdout_console

    console = stdout_console()
    if summary.splits:
        console.print(_splits_table(summary))
        console.print(_classes_table(summary))
    _show_problems(summary)
    for left_out in summary.not_looked_for:
        say(f"not looked for: {left_out}")
    if summary.sheet is not None:
        say(f"contact sheet: {summary.sheet}")


def _show_problems(summary: "DataSummary") -> None:
    by_kind: dict[tuple[str, bool], list[Problem]] = {}
    for problem in summary.problems:
        by_kind.setdefault((problem.kind, problem.stops), []).append(problem)
    for (kind, stops), problems in by_kind.items():
        for problem in problems[:_MOST_OF_A_KIND]:
            say(f"{'error' if stops else 'warning'} ({kind}): {problem.problem}")
        if len(problems) > _MOST_OF_A_KIND:
            say(f"... and {len(problems) - _MOST_OF_A_KIND} more ({kind}); --json lists all")
    if not summary.problems:
        say("no problem was found")
        return
    stopping = sum(problem.stops for problem in summary.problems)
    ends = {0: "", 1: " (reading ends on it)"}.get(stopping, " (reading ends on each)")
    warnings = _counted(len(summary.problems) - stopping, "warning")
    say(f"{_counted(stopping, 'error')}{ends}, {warnings}")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _splits_table(summary: "DataSummary") -> "FittingTable":
    from edge_deeplab.cli.tables import FittingTable

    table = FittingTable("split", title=f"{summary.path}")
    table.add_numbers("images", "usable", "ignored")
    table.add_prose("sizes")
    for name, split in summary.splits.items():
        table.add_row(
            name,
            str(split.images),
            str(split.usable),
            f"{split.ignored_share:.1%}",
            _tell_sizes(split),
        )
    return table


def _tell_sizes(split: "SplitSummary") -> str:
    sizes = list(split.sizes.items())
    told = [f"{size_text(size)} ({count})" for size, count in sizes[:_MOST_SIZES]]
    more = [f"{len(sizes) - _MOST_SIZES} more"] if len(sizes) > _MOST_SIZES else []
    return ", ".join([*told, *more])


def _classes_table(summary: "DataSummary") -> "FittingTable":
    from edge_deeplab.cli.tables import FittingTable

    title = "share of the labelled pixels, and masks that hold the class"
    table = FittingTable("class", title=title)
    names = dict.fromkeys(name for split in summary.splits.values() for name in split.class_share)
    for name in summary.splits:
        table.add_numbers(name, "masks")
    for name in names:
        cells = []
        for split in summary.splits.values():
            share, held = split.class_share.get(name, 0.0), split.images_with.get(name, 0)
            cells += [f"{share:.2%}" if held else "-", str(held)]
        table.add_row(name, *cells)
    return table
