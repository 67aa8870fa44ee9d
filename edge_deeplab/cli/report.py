"""`edge-deeplab report`: everything that is known of a run or of files, as one self-contained page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab import api
from edge_deeplab.cli.options import (
    ClassMapOption,
    DataOption,
    LabelMapOption,
    LimitOption,
    MaxPixelsOption,
    MemoryLimitOption,
    NormalisationOption,
    RuntimeOption,
    SplitOption,
    TimeLimitOption,
    allowance,
    parse_normalisation,
)
from edge_deeplab.cli.output import (
    DebugOption,
    Ending,
    JsonOption,
    ending_cleanly,
    finite,
    naming_options,
)
from edge_deeplab.cli.progress import drawn_progress
from edge_deeplab.cli.terminal import say
from edge_deeplab.data.pixel_limit import MAX_PIXELS

if TYPE_CHECKING:
    from edge_deeplab.report.known import WrittenReport


def report(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN|FILE...",
            help="Folders of train, prune, qat, compress or export; exported files; checkpoints.",
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="PAGE", help="The page: one HTML file.")] = Path(
        "report.html"
    ),
    data: DataOption = None,
    split: SplitOption = "test",
    limit: LimitOption = None,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    label_map: LabelMapOption = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="What files are held against; without it the checkpoint they were exported from.",
        ),
    ] = None,
    max_drop: Annotated[
        float,
        typer.Option(min=0.0, callback=finite, help="Largest loss of mIoU points that passes."),
    ] = 0.5,
    rounds: Annotated[int, typer.Option(min=1, help="How often each file is timed.")] = 10,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads; without it all that are available.")
    ] = None,
    drift_images: Annotated[
        int,
        typer.Option(
            min=0, help="Images on which files are followed layer by layer; 0 leaves it out."
        ),
    ] = 2,
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device",
            metavar="NAME",
            help="Also ask this device's own tool, by its profile (lab --tools); again for more.",
        ),
    ] = None,
    class_map: ClassMapOption = None,
    normalisation: NormalisationOption = None,
    runtime: RuntimeOption = None,
    memory_limit: MemoryLimitOption = None,
    time_limit: TimeLimitOption = None,
    png: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write the plots alone, as PNGs.")
    ] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write one page of what is known of a run or of files: one self-contained HTML file, which loads nothing.

    It has what the model is and where it comes from, training curves, scores by class with intervals, confusion,
    scores near boundaries, the photographs at which files disagree with the reference, latency, size, operators and
    drift. A file that cannot be read or run is a row that says why; the page is written all the same.

    Example: edge-deeplab report exports --data camvid --output report.html
    """
    foreign_pixels = parse_normalisation(normalisation)
    with ending_cleanly(as_json=as_json, debug=debug) as ending:
        with naming_options({"devices": "--device"}), drawn_progress() as progress:
            written = ending.result_of(
                api.report,
                files,
                output=output,
                data=data,
                split=split,
                limit=limit,
                max_pixels=max_pixels,
                label_map=label_map,
                reference=reference,
                max_drop=max_drop,
                rounds=rounds,
                threads=threads,
                drift_images=drift_images,
                devices=device or (),
                class_map=class_map,
                normalisation=foreign_pixels,
                runtime=runtime,
                allowance=allowance(memory_limit, time_limit),
                png=png,
                progress=progress,
            )
        _tell(written, ending, as_json=as_json)


def _tell(written: "WrittenReport", ending: Ending, *, as_json: bool) -> None:
    if as_json:
        ending.print_json(written.to_json())
    elif written.bytes is not None:
        count = len(written.entries)
        files = f"{count} {'file' if count == 1 else 'files'}"
        say(f"{written.path}: {files}, {written.bytes / 1e6:.2f} MB")
        if written.plots:
            say(f"{written.plots[0].parent}: {len(written.plots)} plots")
    for sentence in dict.fromkeys(s for entry in written.entries for s in entry.errors):
        say(f"failed: {sentence}", err=True)
    for note in written.notes:
        say(f"note: {note}", err=True)
