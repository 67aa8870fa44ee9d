"""`edge-deeplab demo`: an exported file on a camera, a video or a folder of images; replays for parity."""

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_deeplab import api
from edge_deeplab.cli import demo_web
from edge_deeplab.cli.demo_options import (
    HostOption,
    PortOption,
    QrOption,
    RuntimeDirOption,
    ServeOption,
    SmoothOption,
    WebOption,
    check_what_is_asked,
    only_file,
)
from edge_deeplab.cli.options import (
    MaxPixelsOption,
    MemoryLimitOption,
    RuntimeOption,
    SplitOption,
    TimeLimitOption,
    allowance,
)
from edge_deeplab.cli.output import (
    DebugOption,
    JsonOption,
    ending_cleanly,
    finite,
    naming_options,
    parse_size,
    print_json,
    reading_option,
)
from edge_deeplab.cli.progress import drawn_progress
from edge_deeplab.cli.terminal import say
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import ConfigError
from edge_deeplab.progress import Progress

if TYPE_CHECKING:
    from edge_deeplab.cli.tables import FittingTable
    from edge_deeplab.data.images import ImageHWC
    from edge_deeplab.demo.frames import Frame, FrameSource
    from edge_deeplab.demo.record import Sink
    from edge_deeplab.demo.statistics import DemoStatistics
    from edge_deeplab.runtimes.smoothing import Smoothing

OPACITY = 0.5


def demo(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A file that edge-deeplab export wrote."),
    ] = None,
    artifact: Annotated[
        Path | None,
        typer.Option("--artifact", metavar="FILE", help="Another way to name the file."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="camera|VIDEO|FOLDER",
            help="Show the camera (another one: camera:1; a Raspberry Pi's own: picamera), a video file, a folder of "
            "images, or what a GStreamer pipeline gives (gstreamer:v4l2src).",
        ),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(
            "--replay",
            metavar="DIR",
            help="In place of a source: write the class maps of photographs for parity --masks. DIR holds them, or "
            "is a labelled folder.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="MASKS", help="Folder of the class maps of --replay."),
    ] = None,
    contract: Annotated[
        Path | None,
        typer.Option(
            "--contract",
            metavar="OUT",
            help="In place of a source: write what an app must know of the file, as JSON and as JavaScript, Kotlin, "
            "Swift and Python, with eight golden frames.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Photographs of --contract and --web: a labelled folder; without it the rendered set.",
        ),
    ] = None,
    web: WebOption = None,
    serve: ServeOption = False,
    host: HostOption = None,
    port: PortOption = None,
    qr: QrOption = False,
    runtime_dir: RuntimeDirOption = None,
    split: SplitOption = "test",
    on: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICE",
            help="Replay on a device of the lab, by its profile: its simulator or accelerator (lab --tools).",
        ),
    ] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Open no window.")] = False,
    record: Annotated[
        Path | None,
        typer.Option(
            "--record",
            metavar="OUT.mp4|DIR",
            help="Keep what is shown: a film, or PNG pictures in a folder.",
        ),
    ] = None,
    opacity: Annotated[
        float,
        typer.Option(
            "--opacity", min=0, max=1, callback=finite, help="How much the class colours cover."
        ),
    ] = OPACITY,
    panel: Annotated[
        bool, typer.Option("--panel/--no-panel", help="Frame rate and legend beside the picture.")
    ] = True,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads; without it every CPU.")
    ] = None,
    smooth: SmoothOption = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="End after so many pictures.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            "--size",
            metavar="HxW",
            help="Which of the sizes that the file takes; without it the first.",
        ),
    ] = None,
    runtime: RuntimeOption = None,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    memory_limit: MemoryLimitOption = None,
    time_limit: TimeLimitOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what an exported file sees, live: classes in colour, legend, frame rate. Needs no torch.

    Class names, colours and size come from the file itself. Ctrl-C, q or closing the window ends it and keeps the
    recording. Pictures wider or higher than 1280 pixels are shown and recorded reduced to that.

    Example: edge-deeplab demo exports/model.tflite --source street.mp4 --headless --record out.mp4

    Replay: edge-deeplab demo exports/model.tflite --replay camvid --output masks

    For an app: edge-deeplab demo exports/model.tflite --contract contract --data camvid

    In a browser: edge-deeplab demo exports/model.tflite --web site --serve
    """
    size_hw = parse_size(size)
    path = only_file(file, artifact)
    tasks = {"--source": source, "--replay": replay, "--contract": contract, "--web": web}
    check_what_is_asked(
        tasks,
        {
            **{"--output": output, "--on": on, "--record": record, "--data": data},
            **{"--smooth": smooth, "--headless": headless, "--no-panel": not panel},
            "--opacity": opacity if opacity != OPACITY else None,
            **{"--limit": limit, "--split": split if split != "test" else None},
            **{"--serve": serve, "--host": host, "--port": port, "--qr": qr},
            "--runtime-dir": runtime_dir,
        },
    )
    if source is None:
        with ending_cleanly(as_json=as_json, debug=debug):
            running: dict[str, Any] = {
                "size_hw": size_hw,
                "threads": threads,
                "runtime": runtime,
                "allowance": allowance(memory_limit, time_limit),
                "max_pixels": max_pixels,
            }
            if web is not None:
                from edge_deeplab.demo.web_address import LOOPBACK
                from edge_deeplab.demo.web_task import PORT, WebTask

                served = host or LOOPBACK, PORT if port is None else port
                task = WebTask(web, runtime_dir, *served, replay, split, limit, output, max_pixels)
                wishes = demo_web.Wishes(serve=serve, qr=qr, as_json=as_json)
                demo_web.make_page(task, path, data, running, wishes)
            elif replay is not None and output is not None:
                running |= {"split": split, "limit": limit, "on": on}
                _replay(path, replay, output, running, as_json=as_json)
            elif contract is not None:
                _write_contract(path, contract, data, split, running, as_json=as_json)
        return
    with ending_cleanly(as_json=as_json, debug=debug), ExitStack() as stack:
        from edge_deeplab.demo.pipeline import DemoView, run_demo, stopping_on_signals
        from edge_deeplab.demo.sources import open_source

        if record is not None:
            _check_recording(record)
        smoothing = _read_smoothing(smooth)
        progress = stack.enter_context(drawn_progress())
        progress.begin(f"opening {path.name}")
        with naming_options({"size_hw": "--size"}):
            opened = api.open_artifact(
                path,
                size_hw=size_hw,
                threads=threads,
                runtime=runtime,
                allowance=allowance(memory_limit, time_limit),
            )
        view = DemoView(opened, opacity=opacity, with_panel=panel, smoothing=smoothing)
        refuse_recording_over_source(record, source)
        frames = open_source(source, max_pixels=max_pixels)
        stop = threading.Event()
        stack.enter_context(stopping_on_signals(stop))
        sinks = _open_sinks(stack, frames, stop, record, headless=headless)
        totals = [n for n in (frames.frame_count, limit) if n is not None]
        progress.begin(f"showing {frames.name}", min(totals, default=None), "pictures")
        sinks.append(_ProgressSink(progress))
        statistics = run_demo(view, frames, sinks, limit=limit, stop=stop)
        stack.close()  # finishes the recording, before success is told
        if as_json:
            document = {
                "artifact": str(path),
                "runtime": opened.name,
                "source": frames.name,
                "smoothing": None if smoothing is None else smoothing.name,
                **statistics.to_json(),
                "recorded": None if record is None else str(record),
            }
            print_json(document)
            return
        from edge_deeplab.cli.terminal import stdout_console

        steadied = "" if smoothing is None else f", {smoothing.name}"
        stdout_console().print(_table(statistics, f"{path} on {frames.name}{steadied}"))
        if record is not None:
            say(f"recorded: {record}")


def _replay(
    file: Path,
    photographs: Path,
    output: Path,
    running: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """Replay photographs and tell where their class maps lie; `running` says which, what runs the file, and how."""
    with naming_options({"size_hw": "--size"}), drawn_progress() as progress:
        done = api.replay(
            file, photographs=photographs, output=output, progress=progress, **running
        )
    if as_json:
        print_json({"masks": str(output), **done.to_json()})
        return
    say(f"{output}: class maps of {len(done.images)} photographs, {done.median_ms:.1f} ms each")
    say(f"score them: edge-deeplab parity {file} --masks {output} --data DATA")


def _write_contract(
    file: Path,
    folder: Path,
    data: Path | None,
    split: str,
    running: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """Write a contract and tell what lies there; `running` says what runs the file, and how."""
    with naming_options({"size_hw": "--size"}), drawn_progress() as progress:
        written = api.write_contract(
            file, output=folder, data=data, split=split, progress=progress, **running
        )
    if as_json:
        print_json({"path": str(folder), **written.to_json()})
        return
    names = sorted(path.name for path in folder.iterdir())
    say(f"{folder}: the contract of {written.model}: {', '.join(names)}")


def _read_smoothing(text: str | None) -> "Smoothing | None":
    """Return the smoothing that was asked for; what cannot be meant ends with exit code 2."""
    if text is None:
        return None
    from edge_deeplab.runtimes.smoothing import parse_smoothing

    with reading_option("--smooth"):
        return parse_smoothing(text)


def _check_recording(record: Path) -> None:
    """Check that a recording can be written, before a model or a camera is opened; errors as for `check_record`."""
    from edge_deeplab.demo.record import check_record, is_folder
    from edge_deeplab.files import check_writable

    with reading_option("--record"):
        check_record(record)
    check_writable(record, "folder" if is_folder(record) else "file")


def refuse_recording_over_source(record: Path | None, source: str) -> None:
    """Check that a recording writes no picture over one that it shows.

    Raises:
        ConfigError: when it would.
    """
    from edge_deeplab.data.images import IMAGE_ENDINGS
    from edge_deeplab.files import real_path

    shown = real_path(Path(source))
    is_picture = shown.suffix.lower() in IMAGE_ENDINGS
    if record is not None and real_path(record) in (shown, shown.parent if is_picture else shown):
        raise ConfigError(
            f"--record {record} is where the source lies, whose files could be replaced; another place was expected; "
            "name one"
        )


def _open_sinks(
    stack: ExitStack,
    source: "FrameSource",
    stop: threading.Event,
    record: Path | None,
    *,
    headless: bool,
) -> "list[Sink]":
    """Open the window and the recording, as asked; `stack` closes them."""
    sinks: list[Sink] = []
    if not headless:
        from edge_deeplab.demo.window import open_window

        title = f"edge-deeplab: {source.name}"
        sinks.append(stack.enter_context(open_window(title, stop, paced=not source.live)))
    if record is not None:
        from edge_deeplab.demo.record import record as open_recording

        sinks.append(stack.enter_context(open_recording(record)))
    return sinks


class _ProgressSink:
    """Counts pictures."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def show(self, picture_hwc: "ImageHWC", frame: "Frame") -> None:
        self._progress.advance()


def _table(statistics: "DemoStatistics", title: str) -> "FittingTable":
    from edge_deeplab.cli.tables import FittingTable

    dropped = f", {statistics.dropped} stale ones dropped" if statistics.dropped else ""
    caption = f"{statistics.frames} pictures at {statistics.fps:.1f} fps end to end{dropped}"
    table = FittingTable("stage", title=title, caption=caption)
    table.add_numbers("median ms", "p95 ms")
    for stage, times in statistics.stages.items():
        table.add_row(stage, f"{times.median:.1f}", f"{times.p95:.1f}")
    return table
