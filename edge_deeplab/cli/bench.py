"""`edge-deeplab bench`: latency and size of exported files, side by side in one interleaved run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab import api
from edge_deeplab.cli.options import (
    ListedSizeOption,
    MemoryLimitOption,
    RuntimeOption,
    TimeLimitOption,
    allowance,
)
from edge_deeplab.cli.output import (
    DebugOption,
    JsonOption,
    ending_cleanly,
    naming_options,
    parse_size,
    print_json,
)
from edge_deeplab.cli.progress import drawn_progress
from edge_deeplab.cli.terminal import say, styled
from edge_deeplab.text import size_text

if TYPE_CHECKING:
    from rich.text import Text

    from edge_deeplab.cli.tables import FittingTable
    from edge_deeplab.evaluation.latency import BenchReport, Row


def bench(
    artifacts: Annotated[
        list[Path],
        typer.Argument(
            metavar="ARTIFACT",
            help="Exported files of this project or anyone's, or folders that export wrote.",
        ),
    ],
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, help="CPU threads; without it all that are available."),
    ] = None,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, help="How often each file is timed.")
    ] = 30,
    size: ListedSizeOption = None,
    runtime: RuntimeOption = None,
    memory_limit: MemoryLimitOption = None,
    time_limit: TimeLimitOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Time exported files against each other.

    Each round runs every file once, in an order that rotates, so that a machine that slows down slows all of them.
    Only the execution is timed. `ratio` is time over the time of the first file that is timed, pair by pair. A Core ML
    file is timed on a Mac only: elsewhere the MIL reference evaluator runs it, whose time means nothing.
    A file that takes several sizes is timed at each, a row a size, or at the one that `--size` names.
    A file that cannot be timed is a failed row, the others are timed, and the exit code is 1.

    Example: edge-deeplab bench exports/*.tflite other.tflite --threads 1
    """
    size_hw = parse_size(size)
    with ending_cleanly(as_json=as_json, debug=debug):
        with naming_options({"size_hw": "--size"}), drawn_progress() as progress:
            report = api.bench(
                artifacts,
                size_hw=size_hw,
                threads=threads,
                rounds=rounds,
                runtime=runtime,
                allowance=allowance(memory_limit, time_limit),
                progress=progress,
            )
        if as_json:
            print_json(report.to_json())
        else:
            _show(report)
        for failure in report.failures:
            say(f"failed: {failure.error}", err=True)
        if report.failures:
            raise typer.Exit(1)


def _show(report: "BenchReport") -> None:
    from edge_deeplab.cli.terminal import stdout_console
    from edge_deeplab.evaluation.latency import Untimed

    console = stdout_console()
    console.print(latency_table(report))
    untimed = [f"{row.path.name}: {row.note}" for row in report.rows if isinstance(row, Untimed)]
    for line in dict.fromkeys(untimed):
        console.print(line)


def latency_table(report: "BenchReport") -> "FittingTable":
    """Return one row a file and size: runtime, bytes, times, and its ratio to the first that was timed."""
    from edge_deeplab.cli.tables import FittingTable

    title = f"{report.rounds} rounds, {report.threads} threads"
    table = FittingTable("artifact", "runtime", "size", title=title)
    table.add_numbers("MB", "median ms", "p95 ms", "ratio to first")
    for row in report.rows:
        size = "-" if row.size_hw is None else size_text(row.size_hw)
        table.add_row(row.path.name, row.runtime or "", size, *_figures(row))
    return table


def _figures(row: "Row") -> "tuple[str | Text, ...]":
    from edge_deeplab.evaluation.latency import Failed, Latency

    if isinstance(row, Failed):
        return "-", styled("FAILED", "bold red"), "-", "-"
    megabytes = f"{row.bytes / 1e6:.2f}"
    if isinstance(row, Latency):
        return megabytes, f"{row.median_ms:.2f}", f"{row.p95_ms:.2f}", f"{row.ratio_to_first:.3f}"
    return megabytes, "-", "-", "-"
