"""`edge-deeplab parity`: the mIoU of exported files against the reference they were exported from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab import api
from edge_deeplab.cli.completion import names_of
from edge_deeplab.cli.options import (
    ClassMapOption,
    DataOption,
    FailInconclusiveOption,
    JunitOption,
    LabelMapOption,
    LimitOption,
    MaxPixelsOption,
    MemoryLimitOption,
    NormalisationOption,
    RuntimeOption,
    SplitOption,
    ThresholdOption,
    TimeLimitOption,
    allowance,
    parse_normalisation,
)
from edge_deeplab.cli.output import (
    DebugOption,
    JsonOption,
    ending_cleanly,
    finite,
    naming_options,
)
from edge_deeplab.cli.parity_video import show_flicker
from edge_deeplab.cli.progress import drawn_progress
from edge_deeplab.cli.terminal import say
from edge_deeplab.cli.together import refuse_beside
from edge_deeplab.data.pixel_limit import MAX_PIXELS

if TYPE_CHECKING:
    from edge_deeplab.evaluation.verdict import ParityReport


MAX_DROP = 0.5


def parity(
    artifacts: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="ARTIFACT",
            help="Exported files, or folders that export wrote; without one those of exports/.",
        ),
    ] = None,
    masks: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Class maps that a device made of the images (demo --replay and its apps write them): a row of their "
            "own. With the file that it ran as ARTIFACT, device and machine are compared.",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="CHECKPOINT",
            autocompletion=names_of("checkpoint"),
            help="Without it the checkpoint that the artifacts name, else the shipped one.",
        ),
    ] = None,
    canonical: Annotated[
        bool,
        typer.Option(
            "--canonical",
            help="Run the reference as its canonical graph: what a file's converter and runtime alone change.",
        ),
    ] = False,
    data: DataOption = None,
    video: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="In place of a score: how class maps flicker from frame to frame, and what smoothing them (demo "
            "--smooth) changes, on photographs moved by known shifts. DIR holds them, or is a labelled folder.",
        ),
    ] = None,
    split: SplitOption = "test",
    limit: LimitOption = None,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    label_map: LabelMapOption = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            callback=finite,
            show_default=str(MAX_DROP),
            help="Largest loss of mIoU points that passes.",
        ),
    ] = None,
    class_map: ClassMapOption = None,
    normalisation: NormalisationOption = None,
    threshold: ThresholdOption = None,
    runtime: RuntimeOption = None,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="Also show the difference of each class.")
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Also say, layer by layer on one image, where the difference arises."
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw what --explain found (.png, .svg, .pdf)."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="PAGE", help="Also write the result as one page."),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICE",
            autocompletion=names_of("device"),
            help="Run the files on a device of the lab, by its profile: its simulator or accelerator (lab --tools).",
        ),
    ] = None,
    junit: JunitOption = None,
    markdown: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also write a short page of Markdown, for a pull request."
        ),
    ] = None,
    fail_inconclusive: FailInconclusiveOption = False,
    memory_limit: MemoryLimitOption = None,
    time_limit: TimeLimitOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure what exported files score against their reference, on the same images.

    Each difference comes with a 95 % interval (paired bootstrap over images),
    the share of pixels that agree, the mIoU near label boundaries, and the
    median latency. A file passes where the whole interval is within
    --max-drop, fails where none of it is, and is inconclusive between. Every
    failure is collected before the verdict; the exit code is 1 when one file
    fails.

    Example: edge-deeplab parity exports/*.onnx exports/*.tflite --data camvid --max-drop 0.05

    From a phone: edge-deeplab parity exports/model.tflite --masks from-phone --data camvid

    Flicker: edge-deeplab parity exports/model.tflite --video camvid --limit 20
    """
    foreign_pixels = parse_normalisation(normalisation)
    if video is not None:
        scored = {"--masks": masks, "--canonical": canonical, "--data": data, "--on": on}
        shown = {"--per-class": per_class, "--explain": explain, "--plot": plot, "--html": html}
        judged = {"--max-drop": max_drop, "--fail-inconclusive": fail_inconclusive}
        shown |= {"--junit": junit, "--markdown": markdown}
        refuse_beside({"--video": video}, {**scored, **shown, **judged})
        with ending_cleanly(as_json=as_json, debug=debug):
            with naming_options({"data": "--video"}), drawn_progress() as progress:
                found = api.measure_flicker(
                    artifacts or None,
                    reference=reference,
                    data=video,
                    split=split,
                    limit=limit,
                    max_pixels=max_pixels,
                    label_map=label_map,
                    class_map=class_map,
                    normalisation=foreign_pixels,
                    threshold=threshold,
                    runtime=runtime,
                    allowance=allowance(memory_limit, time_limit),
                    progress=progress,
                )
            show_flicker(found, as_json=as_json)
        return
    with ending_cleanly(as_json=as_json, debug=debug) as ending:
        with naming_options({}), drawn_progress() as progress:
            report = ending.result_of(
                api.parity,
                artifacts or None,
                masks=masks or (),
                reference=reference,
                canonical=canonical,
                data=data,
                split=split,
                limit=limit,
                max_pixels=max_pixels,
                label_map=label_map,
                max_drop=MAX_DROP if max_drop is None else max_drop,
                class_map=class_map,
                normalisation=foreign_pixels,
                threshold=threshold,
                runtime=runtime,
                allowance=allowance(memory_limit, time_limit),
                explain=explain,
                plot=plot,
                on=on,
                junit=junit,
                markdown=markdown,
                fail_inconclusive=fail_inconclusive,
                html=html,
                progress=progress,
            )
        if as_json:
            ending.print_json(report.to_json())
        else:
            _show(report, per_class=per_class)
            if on is not None:
                _tell_seconds(report, on)
        for warning in report.warnings:
            say(f"warning: {warning}", err=True)
        failures = report.failures()
        for failure in failures:
            say(f"failed: {failure}", err=True)
        for doubt in report.doubts:
            say(f"inconclusive: {doubt}", err=True)
        if failures or (fail_inconclusive and report.doubts):
            raise typer.Exit(1)


def _tell_seconds(report: "ParityReport", device: str) -> None:
    """Say how long a device took for a picture, which is no device's time: simulators are slow."""
    for artifact in report.artifacts:
        if artifact.evaluation is not None:
            seconds = f"{artifact.evaluation.latency_ms / 1000:.2f} s a picture here"
            say(
                f"{artifact.path.name} on {device}: {seconds}, with all that the tool does around it"
            )


def _show(report: "ParityReport", *, per_class: bool) -> None:
    from edge_deeplab.cli.score_tables import (
        chain_table,
        parity_table,
        per_class_table,
        replay_table,
    )
    from edge_deeplab.cli.terminal import stdout_console

    console = stdout_console()
    console.print(parity_table(report))
    if report.replays:
        console.print(replay_table(report))
    for remark in report.remarks:
        console.print(remark)
    if per_class:
        console.print(per_class_table(report))
    for chain in report.chains:
        if chain.error is None:
            console.print(chain_table(chain))
