"""`edge-deeplab bench`: latency and size of exported files, side by side in one interleaved run."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab.cli.allowance import MemoryLimitOption, TimeLimitOption, allowance
from edge_deeplab.cli.output import DebugOption, JsonOption, ending_cleanly, print_json
from edge_deeplab.cli.terminal import say, styled

if TYPE_CHECKING:
    from rich.table import Table

    from edge_deeplab.evaluation.bench import Failed, Latency

_REFERENCE_NOTE = (
    "* The MIL reference evaluator ran this Core ML file, operator by operator in torch; "
    "its time says nothing about a device."
)


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
    memory_limit: MemoryLimitOption = None,
    time_limit: TimeLimitOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Time exported files against each other.

    Each round runs every file once, in an order that rotates, so that a machine that slows down slows all of them.
    Only the execution is timed. `ratio` is time over the first file's time, pair by pair. A file that cannot be timed
    is a failed row, the others are timed, and the exit code is 1.

    Example: edge-deeplab bench exports/*.tflite other.tflite --threads 1
    """
    with ending_cleanly(as_json=as_json, debug=debug):
        from edge_deeplab.cli.artifacts import expand_artifacts
        from edge_deeplab.cli.progress import counting
        from edge_deeplab.evaluation.bench import Failed, open_timed, time_files
        from edge_deeplab.runtimes.open import open_artifact
        from edge_deeplab.runtimes.threads import available_cpus

        used_threads = threads or available_cpus()
        allowed = allowance(memory_limit, time_limit)
        open_file = partial(open_artifact, threads=used_threads, allowance=allowed)
        files = open_timed(expand_artifacts(artifacts), open_file)
        with counting(f"timing {len(files)} files", rounds) as progress:
            results = time_files(files, rounds=rounds, threads=used_threads, progress=progress)
        if as_json:
            print_json({"artifacts": [result.to_json() for result in results]})
        else:
            _show(results, rounds, used_threads)
        failures = [result for result in results if isinstance(result, Failed)]
        for failure in failures:
            say(f"failed: {failure.error}", err=True)
        if failures:
            raise typer.Exit(1)


def _show(results: "Sequence[Latency | Failed]", rounds: int, threads: int) -> None:
    from edge_deeplab.cli.terminal import stdout_console
    from edge_deeplab.evaluation.bench import Latency

    console = stdout_console()
    console.print(latency_table(results, rounds, threads))
    if any(isinstance(result, Latency) and not result.on_device for result in results):
        console.print(_REFERENCE_NOTE)


def latency_table(results: "Sequence[Latency | Failed]", rounds: int, threads: int) -> "Table":
    """Return one row a file: runtime, size, times, and its ratio to the first."""
    from rich.table import Table

    from edge_deeplab.evaluation.bench import Failed

    table = Table("artifact", "runtime", title=f"{rounds} rounds, {threads} threads")
    for header in ("MB", "median ms", "p95 ms", "ratio to first"):
        table.add_column(header, justify="right")
    for result in results:
        name, runtime = result.path.name, result.runtime or ""
        if isinstance(result, Failed):
            table.add_row(name, runtime, "-", styled("FAILED", "bold red"), "-", "-")
            continue
        mark = "" if result.on_device else " *"
        table.add_row(
            name,
            runtime + mark,
            f"{result.bytes / 1e6:.2f}",
            f"{result.median_ms:.2f}{mark}",
            f"{result.p95_ms:.2f}{mark}",
            f"{result.ratio_to_first:.3f}",
        )
    return table
