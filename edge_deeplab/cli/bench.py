"""`edge-deeplab bench`: latency and size of exported files, side by side in one interleaved run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab.cli.output import DebugOption, JsonOption, ending_cleanly, print_json
from edge_deeplab.cli.runtime import RuntimeOption

if TYPE_CHECKING:
    from rich.table import Table

    from edge_deeplab.evaluation.bench import Latency, Untimed


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
    runtime: RuntimeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Time exported files against each other.

    Each round runs every file once, in an order that rotates, so that a machine that slows down slows all of them.
    Only the execution is timed. `ratio` is time over the time of the first file that is timed, pair by pair. A Core ML
    file is timed on a Mac only: elsewhere the MIL reference evaluator runs it, whose time means nothing.

    Example: edge-deeplab bench exports/*.tflite other.tflite --threads 1
    """
    with ending_cleanly(as_json=as_json, debug=debug):
        from edge_deeplab.cli.artifacts import expand_artifacts
        from edge_deeplab.cli.progress import progress_bar
        from edge_deeplab.evaluation.bench import time_files
        from edge_deeplab.runtimes.open import open_artifact
        from edge_deeplab.runtimes.threads import available_cpus

        used_threads = threads or available_cpus()
        paths = expand_artifacts(artifacts)
        runtimes = [open_artifact(path, threads=used_threads, runtime=runtime) for path in paths]
        with progress_bar() as bar:
            task = bar.add_task(f"timing {len(runtimes)} files", total=rounds)
            measured = time_files(
                runtimes,
                rounds=rounds,
                threads=used_threads,
                progress=lambda: bar.advance(task),
            )
        if as_json:
            print_json({"artifacts": [latency.to_json() for latency in measured]})
        else:
            _show(measured, f"{rounds} rounds, {used_threads} threads")


def _show(measured: "Sequence[Latency | Untimed]", title: str) -> None:
    from edge_deeplab.evaluation.bench import Untimed
    from edge_deeplab.evaluation.report import stdout_console

    console = stdout_console()
    console.print(latency_table(measured, title))
    for row in measured:
        if isinstance(row, Untimed):
            console.print(f"{row.path.name}: {row.note}", markup=False)


def latency_table(measured: "Sequence[Latency | Untimed]", title: str) -> "Table":
    """Return one row a file: runtime, size, times, and its ratio to the first that was timed."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("artifact", "runtime", title=title)
    for header in ("MB", "median ms", "p95 ms", "ratio to first"):
        table.add_column(header, justify="right")
    for row in measured:
        size = f"{row.bytes / 1e6:.2f}"
        table.add_row(escape(row.path.name), escape(row.runtime), size, *_times(row))
    return table


def _times(row: "Latency | Untimed") -> tuple[str, str, str]:
    from edge_deeplab.evaluation.bench import Untimed

    if isinstance(row, Untimed):
        return "-", "-", "-"
    return f"{row.median_ms:.2f}", f"{row.p95_ms:.2f}", f"{row.ratio_to_first:.3f}"
