"""`edge-deeplab compress`: from a float checkpoint to measured int8 files, in steps that are never done twice."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab import api
from edge_deeplab.cli.options import FailInconclusiveOption, LabelMapOption, MaxPixelsOption
from edge_deeplab.cli.output import DebugOption, Ending, JsonOption, ending_cleanly
from edge_deeplab.cli.progress import drawn_progress
from edge_deeplab.cli.terminal import say
from edge_deeplab.cli.training import FloatCheckpointArgument, TrainingDataOption, WorkersOption
from edge_deeplab.data.pixel_limit import MAX_PIXELS

if TYPE_CHECKING:
    from edge_deeplab.cli.tables import FittingTable
    from edge_deeplab.compress.report import ChainReport


def compress(
    data: TrainingDataOption,
    recipe: Annotated[
        Path,
        typer.Option(
            help="Recipe in TOML: sections prune, qat, export, parity and bench; "
            "one that is left out leaves its steps out."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(help="Folder: checkpoints, exports, report.json, report.md, pareto.png."),
    ],
    checkpoint: FloatCheckpointArgument = None,
    workers: WorkersOption = 1,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    label_map: LabelMapOption = None,
    fail_inconclusive: FailInconclusiveOption = False,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="PAGE", help="Also write one page of the folder, as `report` does."
        ),
    ] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Prune, fine-tune, train quantizers, export, check, score and time: one table and one Pareto plot of all stages.

    Killed anywhere, the same command goes on where it was; a step whose inputs have not changed is not done again.
    Exit code 1 when a file loses more than the recipe allows or a profile rejects it; a loss whose interval crosses the
    limit is inconclusive.

    Example: edge-deeplab compress camvid-efficientnet-lite0 --data camvid
    --recipe recipes/camvid-efficientnet-lite0-compress.toml --output runs/small
    """
    with ending_cleanly(as_json=as_json, debug=debug) as ending:
        with drawn_progress() as progress:
            report = ending.result_of(
                api.compress,
                checkpoint,
                data=data,
                recipe=recipe,
                output=output,
                workers=workers,
                max_pixels=max_pixels,
                label_map=label_map,
                html=html,
                progress=progress,
            )
        _show(report, output, ending, as_json=as_json)
        if report.failures or (fail_inconclusive and report.doubts):
            raise typer.Exit(1)


def _show(report: "ChainReport", output: Path, ending: Ending, *, as_json: bool) -> None:
    """Print the report on stdout, and on stderr one sentence for all that failed or is left open."""
    from edge_deeplab.cli.terminal import stdout_console

    if as_json:
        ending.print_json({"output": str(output), **report.to_json()})
    else:
        if report.files:
            stdout_console().print(report_table(report))
        say(f"checkpoints, exports and reports: {output}")
    for sentence in report.failures:
        say(f"failed: {sentence}", err=True)
    for sentence in report.doubts:
        say(f"inconclusive: {sentence}", err=True)


def report_table(report: "ChainReport") -> "FittingTable":
    """Return one row a file."""
    from edge_deeplab.cli.tables import FittingTable
    from edge_deeplab.compress.tables import (
        NUMBER_HEADERS,
        TEXT_HEADERS,
        VERDICT_HEADER,
        file_cells,
        report_title,
    )

    table = FittingTable(*TEXT_HEADERS, title=report_title(report))
    table.add_numbers(*NUMBER_HEADERS)
    table.add_names(VERDICT_HEADER)
    for file in report.files:
        table.add_row(*file_cells(file))
    return table
