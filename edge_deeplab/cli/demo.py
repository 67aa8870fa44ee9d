"""`edge-deeplab demo`: an exported file on a camera, a video or a folder of images; replays for parity."""

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab import api
from edge_deeplab.cli import demo_web
from edge_deeplab.cli.demo_options import (
    HostOption,
    PortOption,
    QrOption,
    RuntimeDirOption,
    ServeOption,
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
    print_json,
    reading_option,
)
from edge_deeplab.cli.progress import drawn_progress
from edge_deeplab.cli.terminal import say
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import ConfigError
from edge_deeplab.progress import Progress

if TYPE_CHECKING:
    from rich.table import Table

    from edge_deeplab.data.dataset import SegmentationDataset
    from edge_deeplab.data.images import ImageHWC
    from edge_deeplab.demo.frames import Frame, FrameSource
    from edge_deeplab.demo.record import Sink
    from edge_deeplab.demo.statistics import DemoStatistics
    from edge_deeplab.runtimes.base import Runtime


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
            help="Show the camera (another one: camera:1), a video file, or a folder of images.",
        ),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(
            "--replay",
            metavar="DIR",
            help="In place of a source: write the class maps of a folder of photographs for parity --masks.",
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
    ] = 0.5,
    panel: Annotated[
        bool, typer.Option("--panel/--no-panel", help="Frame rate and legend beside the picture.")
    ] = True,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads; without it every CPU.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="End after so many pictures.")
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

    Replay: edge-deeplab demo exports/model.tflite --replay camvid/test/images --output masks

    For an app: edge-deeplab demo exports/model.tflite --contract contract --data camvid

    In a browser: edge-deeplab demo exports/model.tflite --web site --serve
    """
    path = only_file(file, artifact)
    check_what_is_asked(
        {"--source": source, "--replay": replay, "--contract": contract, "--web": web},
        {
            **{
                "--output": output,
                "--record": record,
                "--data": data,
                "--runtime-dir": runtime_dir,
            },
            **{"--serve": serve or None, "--host": host, "--port": port, "--qr": qr or None},
        },
    )
    with ending_cleanly(as_json=as_json, debug=debug), ExitStack() as stack:
        from edge_deeplab.demo.pipeline import DemoView, run_demo, stopping_on_signals
        from edge_deeplab.demo.sources import open_source

        if record is not None:
            _check_recording(record)
        page = None
        if web is not None:
            from edge_deeplab.demo.web_address import LOOPBACK
            from edge_deeplab.demo.web_task import PORT, WebTask

            served = host or LOOPBACK, PORT if port is None else port
            page = WebTask(web, runtime_dir, *served, replay, limit, output, max_pixels)
            page.check(path, serving=serve, with_qr=qr)
        asked = None if page else _Photographs.found(replay, output, limit)
        _check_contract(contract)
        dataset = _open_frames(data, split, max_pixels) if contract or page else None
        progress = stack.enter_context(drawn_progress())
        progress.begin(f"opening {path.name}")
        with naming_options({}):
            opened = api.open_artifact(
                path,
                threads=threads,
                runtime=runtime,
                allowance=allowance(memory_limit, time_limit),
            )
        if asked is not None:
            _replay(opened, asked, max_pixels, progress, as_json=as_json)
            return
        if page is not None and dataset is not None:
            site = page.write(opened, dataset, progress)
            if replay is not None:
                demo_web.replay(page, site, path, progress, qr=qr, as_json=as_json)
                return
            stack.close()  # no bar while it is served
            if serve:
                demo_web.serve(page, site, qr=qr, as_json=as_json)
            else:
                demo_web.tell_site(site, as_json=as_json)
            return
        if contract is not None and dataset is not None:
            _write_contract(opened, dataset, contract, progress, as_json=as_json)
            return
        assert source is not None, "one task was asked for"
        view = DemoView(opened, opacity=opacity, with_panel=panel)
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
                **statistics.to_json(),
                "recorded": None if record is None else str(record),
            }
            print_json(document)
            return
        from edge_deeplab.cli.terminal import stdout_console

        stdout_console().print(_table(statistics, f"{path} on {frames.name}"))
        if record is not None:
            say(f"recorded: {record}")


@dataclass(frozen=True)
class _Photographs:
    """Which photographs are replayed, and where to."""

    paths: Sequence[Path]
    output: Path

    @classmethod
    def found(
        cls, folder: Path | None, output: Path | None, limit: int | None
    ) -> "_Photographs | None":
        """Return those of a folder, before a model is opened; None where no replay is asked for."""
        if folder is None or output is None:
            return None
        from edge_deeplab.demo.sources import images_in
        from edge_deeplab.files import check_replaceable, check_writable
        from edge_deeplab.formats.replay import REPLAY, is_own

        paths = images_in(folder)[:limit]
        check_writable(output, "folder")
        check_replaceable(output, REPLAY, is_own)
        return cls(paths, output)


def _replay(
    runtime: "Runtime",
    asked: _Photographs,
    max_pixels: int,
    progress: Progress,
    *,
    as_json: bool,
) -> None:
    """Replay photographs and tell where their class maps lie."""
    from edge_deeplab.demo.replay import median_ms, replay_photographs

    done = replay_photographs(
        runtime, asked.paths, asked.output, max_pixels=max_pixels, progress=progress
    )
    if as_json:
        print_json({"masks": str(asked.output), **done.to_json()})
        return
    say(
        f"{asked.output}: class maps of {len(done.images)} photographs, {median_ms(done):.1f} ms each"
    )
    say(f"score them: edge-deeplab parity {runtime.path} --masks {asked.output} --data DATA")


def _check_contract(folder: Path | None) -> None:
    """Check that a contract's folder can be written, before a model is opened."""
    if folder is None:
        return
    from edge_deeplab.demo.contract_folder import CONTRACT, is_own
    from edge_deeplab.files import check_replaceable, check_writable

    check_writable(folder, "folder")
    check_replaceable(folder, CONTRACT, is_own)


def _open_frames(data: Path | None, split: str, max_pixels: int) -> "SegmentationDataset":
    """Return the images of golden frames, before a model is opened."""
    from edge_deeplab.data.folder import DataFolder
    from edge_deeplab.data.rendered_set import resolve_dataset

    return resolve_dataset(None if data is None else DataFolder(data, max_pixels), split)


def _write_contract(
    runtime: "Runtime",
    dataset: "SegmentationDataset",
    folder: Path,
    progress: Progress,
    *,
    as_json: bool,
) -> None:
    """Write a contract and tell what lies there."""
    from edge_deeplab.demo.contract_folder import write_contract

    written = write_contract(runtime, dataset, folder, progress)
    if as_json:
        print_json({"path": str(folder), **written.to_json()})
        return
    names = sorted(path.name for path in folder.iterdir())
    say(f"{folder}: the contract of {written.model}: {', '.join(names)}")


def _check_recording(record: Path) -> None:
    """Check that a recording can be written, before a model or a camera is opened; errors as for `check_record`."""
    from edge_deeplab.demo.record import check_record, is_folder
    from edge_deeplab.files import check_writable

    with reading_option("--record"):
        check_record(record)
    check_writable(record, "folder" if is_folder(record) else "file")


def refuse_recording_over_source(record: Path | None, source: str) -> None:
    """Check that a recording does not write into what it reads.

    Raises:
        ConfigError: when it would.
    """
    if record is not None and record.resolve() == Path(source).resolve():
        raise ConfigError(
            f"--record {record} is the source itself, whose files would be replaced; another place was expected; "
            "rename it"
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


def _table(statistics: "DemoStatistics", title: str) -> "Table":
    from rich.table import Table

    dropped = f", {statistics.dropped} stale ones dropped" if statistics.dropped else ""
    caption = f"{statistics.frames} pictures at {statistics.fps:.1f} fps end to end{dropped}"
    table = Table("stage", title=title, caption=caption)
    for header in ("median ms", "p95 ms"):
        table.add_column(header, justify="right")
    for stage, times in statistics.stages.items():
        table.add_row(stage, f"{times.median:.1f}", f"{times.p95:.1f}")
    return table
