"""`edge-deeplab bench`: latency and size of exported files, side by side in one interleaved run."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab.cli.options import MemoryLimitOption, RuntimeOption, TimeLimitOption, allowance
from edge_deeplab.cli.output import DebugOption, JsonOption, ending_cleanly, print_json
from edge_deeplab.cli.terminal import say, styled

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from edge_deeplab.evaluation.bench import Failed, Latency, Untimed


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
    memory_limit: MemoryLimitOption = None,
    time_limit: TimeLimitOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Time exported files against each other.

    Each round runs every file once, in an order that rotates, so that a machine that slows down slows all of them.
    Only the execution is timed. `ratio` is time over the time of the first file that is timed, pair by pair. A Core ML
    file is timed on a Mac only: elsewhere the MIL reference evaluator runs it, whose time means nothing.
    A file that cannot be timed is a failed row, the others are timed, and the exit code is 1.

    Example: edge-deeplab bench exports/*.tflite other.tflite --threads 1
    """
    with ending_cleanly(as_json=as_json, debug=debug):
        from edge_deeplab.cli.progress import counting
        from edge_deeplab.evaluation.bench import Failed, open_timed, time_files
        from edge_deeplab.formats.artifacts import expand_artifacts
        from edge_deeplab.runtimes.open import open_artifact
        from edge_deeplab.runtimes.threads import available_cpus

        used_threads = threads or available_cpus()
        allowed = allowance(memory_limit, time_limit)
        open_file = partial(open_artifact, threads=used_threads, allowance=allowed, runtime=runtime)
        files = open_timed(expand_artifacts(artifacts), open_file)
        with counting(f"timing {len(files)} files", rounds) as progress:
            results = time_files(files, rounds=rounds, threads=used_threads, progress=progress)
        if as_json:
            print_json({"artifacts": [result.to_json() for result in results]})
        else:
            _show(results, f"{rounds} rounds, {used_threads} threads")
        failures = [result for result in results if isinstance(result, Failed)]
        for failure in failures:
            say(f"failed: {failure.error}", err=True)
        if failures:
            raise typer.Exit(1)


def _show(results: "Sequence[Latency | Failed | Untimed]", title: str) -> None:
    from edge_deeplab.cli.terminal import stdout_console
    from edge_deeplab.evaluation.bench import Untimed

    console = stdout_console()
    console.print(latency_table(results, title))
    for row in results:
        if isinstance(row, Untimed):
            console.print(f"{row.path.name}: {row.note}")


def latency_table(results: "Sequence[Latency | Failed | Untimed]", title: str) -> "Table":
    """Return one row a file: runtime, size, times, and its ratio to the first that was timed."""
    from rich.table import Table

    table = Table("artifact", "runtime", title=title)
    for header in ("MB", "median ms", "p95 ms", "ratio to first"):
        table.add_column(header, justify="right")
    for row in results:
        table.add_row(row.path.name, row.runtime or "", *_figures(row))
    return table


def _figures(row: "Latency | Failed | Untimed") -> "tuple[str | Text, ...]":
    from edge_deeplab.evaluation.bench import Failed, Latency

    if isinstance(row, Failed):
        return "-", styled("FAILED", "bold red"), "-", "-"
    size = f"{row.bytes / 1e6:.2f}"
    if isinstance(row, Latency):
        return size, f"{row.median_ms:.2f}", f"{row.p95_ms:.2f}", f"{row.ratio_to_first:.3f}"
    return size, "-", "-", "-"
