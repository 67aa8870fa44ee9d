"""Whatever GStreamer reads, through a pipeline of the user's: boards' cameras that nothing else drives, streams.

`gst-launch-1.0`, a package of the system, runs the pipeline in a process of its own and hands its pictures over a pipe.
"""

import os
import select
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from edge_deeplab.data.pixel_limit import MAX_PIXELS, check_pixels
from edge_deeplab.demo.frames import Frame, to_upright_rgb
from edge_deeplab.errors import DataError, require
from edge_deeplab.text import first_line

if TYPE_CHECKING:
    from av.container import InputContainer

_PROGRAM = "gst-launch-1.0"
_TO_PIPE = "! videoconvert ! video/x-raw,format=Y444,colorimetry=bt601 ! y4menc ! fdsink fd={pipe}"
"""YUV4MPEG2 says size and rate, but not how colours were coded: FFmpeg takes them for BT.601, so they are made that."""
_FIRST_PICTURE_S, _LAST_WORDS_S = 10.0, 2.0
_MOST_SAID = 1 << 16


class GStreamerSource:
    """The pictures of a GStreamer pipeline; they are live.

    Args:
        pipeline: as after `gst-launch-1.0`, up to an element that gives pictures, without a sink
            ("v4l2src device=/dev/video2 ! video/x-raw,width=640").
        max_pixels: a pipeline of larger pictures is refused.

    Raises:
        DataError: when GStreamer is not installed, does not take the pipeline, or gives no picture in ten seconds.
        MissingDependencyError: when `av` is not installed.
    """

    live = True
    frame_count: int | None = None

    def __init__(self, pipeline: str, max_pixels: int = MAX_PIXELS) -> None:
        self._av = require("av", package="av", extra="demo")
        self.name = f"gstreamer {pipeline}"
        command = [_program(), "--quiet", *self._elements(pipeline)]
        with ExitStack() as ending:
            self._said = ending.enter_context(TemporaryFile())
            self._process, pictures = self._start(command)
            ending.callback(os.close, pictures)
            ending.callback(self._stop)
            self._container = ending.enter_context(self._open(pictures))
            stream = self._container.streams.video[0]
            check_pixels(self.name, (stream.height, stream.width), max_pixels)
            self._ending = ending.pop_all()

    def __iter__(self) -> Iterator[Frame]:
        """Give pictures until the pipeline ends; see `FrameSource`."""
        started, count = time.monotonic(), 0
        with self._ending:
            try:
                for picture in self._container.decode(video=0):
                    seconds = time.monotonic() - started
                    yield Frame(to_upright_rgb(picture), seconds, f"gstreamer_{count:06d}")
                    count += 1
            except self._av.FFmpegError as error:
                raise self._failed(f"it stopped after {count} pictures") from error
            if self._exit_code():
                raise self._failed(f"it stopped after {count} pictures")

    def _elements(self, pipeline: str) -> list[str]:
        try:
            return shlex.split(pipeline)
        except ValueError as error:
            raise DataError(
                f"{self.name} cannot be read ({first_line(error)}); a pipeline as {_PROGRAM} takes it was expected; "
                "check its quotes"
            ) from error

    def _start(self, command: list[str]) -> tuple["subprocess.Popen[bytes]", int]:
        """Return the process that runs the pipeline, and the end of the pipe on which its pictures come."""
        reader, writer = os.pipe()  # not stdout, where some boards' elements talk
        try:
            process = subprocess.Popen(
                [*command, *_TO_PIPE.format(pipe=writer).split()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                pass_fds=[writer],
            )
        finally:
            os.close(writer)
        return process, reader

    def _open(self, pictures: int) -> "InputContainer":
        """Return what decodes the pictures, once the first is there."""
        if not select.select([pictures], [], [], _FIRST_PICTURE_S)[0]:
            raise self._failed(f"no picture in {_FIRST_PICTURE_S:.0f} s")
        try:
            container: InputContainer = self._av.open(
                os.fdopen(pictures, "rb", buffering=0, closefd=False),
                format="yuv4mpegpipe",
                options={
                    "probesize": "32"
                },  # no more than the header, or the first pictures are late
            )
        except self._av.FFmpegError as error:
            raise self._failed("no picture") from error
        return container

    def _exit_code(self) -> int | None:
        """Return how a process that closed its pipe ended; None where it still runs."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_WORDS_S)
        return self._process.poll()

    def _stop(self) -> None:
        self._process.terminate()
        if self._exit_code() is None:
            self._process.kill()
            self._process.wait()

    def _failed(self, what: str) -> DataError:
        self._exit_code()  # why it failed is its last word
        self._said.seek(0)
        lines = self._said.read(_MOST_SAID).decode(errors="replace").splitlines()
        telling = [line for line in lines if line.startswith("ERROR") or "erroneous" in line]
        reason = first_line(next(iter(telling or lines), "it said nothing"))
        return DataError(
            f"{self.name}: {what} ({reason}); a pipeline that gives pictures, without a sink, was expected; "
            f"try it with {_PROGRAM} and autovideosink"
        )


def _program() -> str:
    found = shutil.which(_PROGRAM)
    if found is None or os.name == "nt":
        raise DataError(
            f"{_PROGRAM}, which runs GStreamer's pipelines, is not installed; the packages gstreamer1.0-tools, "
            "gstreamer1.0-plugins-base and gstreamer1.0-plugins-good of a Linux system were expected; install them, or "
            "pass --source camera"
        )
    return found
