"""`edge-deeplab bench`: latency and size of exported files, side by side in one interleaved run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab.cli.output import DebugOption, JsonOption, ending_cleanly, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from edge_deeplab.evaluation.bench import Latency

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
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Time exported files against each other.

    Each round runs every file once, in an order that rotates, so that a machine that slows down slows all of them.
    Only the execution is timed. `ratio` is time over the first file's time, pair by pair.

    Example: edge-deeplab bench exports/*.tflite other.tflite --threads 1
    """
    with ending_cleanly(as_json=as_json, debug=debug):
        from edge_deeplab.cli.artifacts import expand_artifacts
        from edge_deeplab.cli.progress import progress_bar
        from edge_deeplab.evaluation.bench import measure_latency
        from edge_deeplab.runtimes.open import open_artifact
        from edge_deeplab.runtimes.threads import available_cpus

        used_threads = threads or available_cpus()
        paths = expand_artifacts(artifacts)
        runtimes = [open_artifact(path, threads=used_threads) for path in paths]
        with progress_bar() as bar:
            task = bar.add_task(f"timing {len(runtimes)} files", total=rounds)
            measured = measure_latency(
                runtimes,
                rounds=rounds,
                threads=used_threads,
                progress=lambda: bar.advance(task),
            )
        if as_json:
            print_json({"artifacts": [latency.to_json() for latency in measured]})
        else:
            _show(measured, rounds)


def _show(measured: "Sequence[Latency]", rounds: int) -> None:
    from edge_deeplab.cli.terminal import stdout_console

    console = stdout_console()
    console.print(latency_table(measured, rounds))
    if not all(latency.on_device for latency in measured):
        console.print(_REFERENCE_NOTE)


def latency_table(measured: "Sequence[Latency]", rounds: int) -> "Table":
    """Return one row a file: runtime, size, times, and its ratio to the first."""
    from rich.table import Table

    table = Table("artifact", "runtime", title=f"{rounds} rounds, {measured[0].threads} threads")
    for header in ("MB", "median ms", "p95 ms", "ratio to first"):
        table.add_column(header, justify="right")
    for latency in measured:
        mark = "" if latency.on_device else " *"
        table.add_row(
            latency.path.name,
            latency.runtime + mark,
            f"{latency.bytes / 1e6:.2f}",
            f"{latency.median_ms:.2f}{mark}",
            f"{latency.p95_ms:.2f}{mark}",
            f"{latency.ratio_to_first:.3f}",
        )
    return table
