"""Keeping what the demo shows: an mp4 file, or a folder of PNG pictures.

A recording appears under its name only when it is complete; until then, and for ever if the run fails, what stood there
before is untouched.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from edge_deeplab.data.images import ImageHWC
from edge_deeplab.data.transforms import resize_image
from edge_deeplab.demo.frames import Frame
from edge_deeplab.errors import ConfigError, DataError, OutputError, require
from edge_deeplab.files import replace_when_complete

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

_ENCODERS: dict[str, dict[str, str]] = {
    "libx264": {"crf": "20", "preset": "veryfast", "bf": "0"},
    "libopenh264": {"b": "6M"},
    "mpeg4": {"b": "8M"},
}
"""Encoders in order of preference, with their settings; FFmpeg builds differ in which they have."""

_TICKS = Fraction(1, 1000)
"""Time base of recordings; frames keep their own times, so a camera's dropped frames do not speed up the film."""

_BT709 = 1  # FFmpeg's number for it, as matrix, primaries and transfer alike
_LIMITED_RANGE = 1


class Sink(Protocol):
    """Takes finished pictures."""

    def show(self, picture_hwc: ImageHWC, frame: Frame) -> None:
        """Take one picture, (H, W, 3) uint8 RGB, drawn from `frame`."""
        ...


@contextmanager
def record(path: Path) -> Iterator[Sink]:
    """Record to an .mp4 file, or as PNG pictures to a folder (any path without an ending).

    Raises:
        ConfigError: for another ending.
        OutputError: when the place cannot be written.
        MissingDependencyError: when a film is asked for and `av` is not installed.
    """
    check_record(path)
    if is_folder(path):
        yield PictureFolder(path)
    else:
        require("av", package="av", extra="demo")
        with replace_when_complete(path) as temporary, VideoRecorder(temporary) as recorder:
            yield recorder


def check_record(path: Path) -> None:
    """Check that a path means a film or a folder; errors as for `record`."""
    if not is_folder(path) and path.suffix.lower() != ".mp4":
        raise ConfigError(
            f"recording {path} ends in {path.suffix}; an .mp4 file, or a folder for PNG pictures, was expected; "
            "rename it"
        )


def is_folder(path: Path) -> bool:
    """Return whether a recording is a folder of pictures."""
    return path.is_dir() or not path.suffix


class PictureFolder:
    """Writes each picture as `NAME.png`; other files in the folder stay.

    Args:
        folder: created where it is absent.

    Raises:
        OutputError: when it cannot be created.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"folder {folder} cannot be created ({error.strerror}); a writable place was expected; "
                "choose another --record"
            ) from error

    def show(self, picture_hwc: ImageHWC, frame: Frame) -> None:
        """Write one picture; see `Sink`."""
        with replace_when_complete(self._folder / f"{frame.name}.png") as temporary:
            Image.fromarray(picture_hwc).save(temporary, compress_level=3)


class VideoRecorder:
    """Writes an mp4 film with each frame at its own time; the first picture sets the size.

    Args:
        path: the file to write.
    """

    def __init__(self, path: Path) -> None:
        self._av = require("av", package="av", extra="demo")
        self._path = path
        self._container = self._av.open(str(path), "w", format="mp4")
        self._stream: VideoStream | None = None
        self._last_pts = -1
        self._interval = 40

    def __enter__(self) -> "VideoRecorder":
        """Start recording."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the film.

        Raises:
            OutputError: when it cannot be finished.
            DataError: when no picture came.
        """
        if kind is not None:
            self._abandon()
        elif self._stream is None:
            self._abandon()
            raise DataError(
                "the run ended before its first picture, so there is nothing to record; run it again"
            )
        else:
            self._mux(self._stream, None)
            self._container.close()

    def show(self, picture_hwc: ImageHWC, frame: Frame) -> None:
        """Encode one picture; see `Sink`.

        Raises:
            OutputError: when it cannot be written.
        """
        if self._stream is None:
            self._stream = self._start(even_size(picture_hwc).shape)
        picture = even_size(fit_into(picture_hwc, (self._stream.height, self._stream.width)))
        encoded = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        encoded = encoded.reformat(
            format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED_RANGE
        )
        encoded.pts, encoded.time_base = self._next_pts(frame.timestamp_s), _TICKS
        self._mux(self._stream, encoded)

    def _start(self, shape: tuple[int, ...]) -> "VideoStream":
        name = first_encoder(self._av.codecs_available)
        stream: VideoStream = self._container.add_stream(
            name, rate=30, options=dict(_ENCODERS[name])
        )
        stream.height, stream.width = shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = _TICKS
        _tag_colours(stream.codec_context)
        return stream

    def _next_pts(self, timestamp_s: float) -> int:
        """Return the frame's time in ticks; times always grow, as films demand."""
        pts = max(round(timestamp_s / _TICKS), self._last_pts + 1)
        if self._last_pts >= 0:
            self._interval = pts - self._last_pts
        self._last_pts = pts
        return pts

    def _mux(self, stream: "VideoStream", frame: object) -> None:
        """Encode a frame, or what is left when it is None, and write the packets."""
        try:
            for packet in stream.encode(frame):  # type: ignore[arg-type]
                packet.duration = self._interval  # else the last frame is shown for no time at all
                self._container.mux(packet)
        except self._av.FFmpegError as error:
            raise OutputError(
                f"the recording cannot be written ({error.strerror}); a writable folder with free space was expected; "
                "choose another --record; what was there before is untouched"
            ) from error

    def _abandon(self) -> None:
        """Close without finishing; the file is about to be removed."""
        try:
            self._container.close()
        except self._av.FFmpegError:
            return  # a full disk already raised where it happened


def first_encoder(available: set[str]) -> str:
    """Return the best encoder among those of this FFmpeg build.

    Raises:
        OutputError: when it has none of them.
    """
    for name in _ENCODERS:
        if name in available:
            return name
    raise OutputError(
        f"this build of av has none of the encoders {', '.join(_ENCODERS)}; "
        "install another one, or record PNG pictures by naming a folder"
    )


def even_size(picture_hwc: ImageHWC) -> ImageHWC:
    """Return the picture with its last row and column repeated where a side is odd, as 4:2:0 films demand."""
    height, width = picture_hwc.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return picture_hwc
    return np.pad(picture_hwc, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def fit_into(picture_hwc: ImageHWC, size_hw: tuple[int, int]) -> ImageHWC:
    """Return the picture scaled into a film of `size_hw`, its proportions kept, black at the sides.

    A picture that is that large, or one row or column short of it, comes back as it is.
    """
    height, width = picture_hwc.shape[:2]
    if (height + height % 2, width + width % 2) == size_hw:
        return picture_hwc
    scale = min(size_hw[0] / height, size_hw[1] / width)
    inner = (max(1, round(height * scale)), max(1, round(width * scale)))
    film = np.zeros((*size_hw, 3), np.uint8)
    top, left = ((full - part) // 2 for full, part in zip(size_hw, inner, strict=True))
    film[top : top + inner[0], left : left + inner[1]] = resize_image(picture_hwc, inner)
    return film


def _tag_colours(codec: "VideoCodecContext") -> None:
    """Say which colours the numbers mean; players guess by size otherwise, and class colours shift."""
    codec.colorspace = codec.color_primaries = codec.color_trc = _BT709
    codec.color_range = _LIMITED_RANGE
