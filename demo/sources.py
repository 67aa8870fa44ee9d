"""Where frames come from: a camera, a video file, or a folder of images, all behind one iterator of `Frame`.

Files give every frame in order, so a run over them is repeatable. A camera is live: whoever falls behind must skip
frames, which `demo/latest.py` does.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from edge_deeplab.data.images import IMAGE_ENDINGS, images_in, read_image
from edge_deeplab.data.pixel_limit import MAX_PIXELS, check_pixels
from edge_deeplab.demo.camera import CameraSource
from edge_deeplab.demo.frames import Frame, FrameSource, to_upright_rgb
from edge_deeplab.demo.gstreamer import GStreamerSource
from edge_deeplab.demo.picamera import PiCameraSource
from edge_deeplab.errors import DataError, require

if TYPE_CHECKING:
    from av.container import InputContainer

CAMERA, PI_CAMERA, GSTREAMER = "camera", "picamera", "gstreamer"
FOLDER_FPS = 4
"""Pictures a second at which a folder is shown and recorded."""


def open_source(text: str, *, max_pixels: int = MAX_PIXELS) -> FrameSource:
    """Open what `--source` names.

    Args:
        text: "camera", "camera:1" (by number), "camera:/dev/video2" (by name), "picamera" or "picamera:1" (a
            Raspberry Pi's own), "gstreamer:v4l2src ! videorate" (a pipeline without its sink), a video file, an image,
            or a folder of images.
        max_pixels: a larger image, or film, is refused before it is decoded.

    Raises:
        DataError: when there is no such thing or it cannot be opened.
        MissingDependencyError: when a camera or video is asked for and `av` is not installed.
    """
    if text == CAMERA or text.startswith(f"{CAMERA}:"):
        return CameraSource(text.partition(":")[2] or "0")
    kind, _, which = text.partition(":")
    if kind == PI_CAMERA and (which or "0").isdecimal():
        return PiCameraSource(int(which or "0"))
    if kind == GSTREAMER and which:
        return GStreamerSource(which, max_pixels)
    path = Path(text)
    if path.is_dir():
        return ImageSource(text, images_in(path), max_pixels)
    if not path.is_file():
        raise DataError(
            f"source {text} does not exist; 'camera', a video file or a folder of images was expected; check the path"
        )
    if path.suffix.lower() in IMAGE_ENDINGS:
        return ImageSource(text, [path], max_pixels)
    return VideoSource(path, max_pixels)


class ImageSource:
    """Image files, one after the other.

    Args:
        name: what the user called the source.
        paths: the files, in the order in which they come.
        max_pixels: a larger one is refused before it is decoded.
    """

    live = False

    def __init__(self, name: str, paths: Sequence[Path], max_pixels: int = MAX_PIXELS) -> None:
        self.name = name
        self.frame_count: int | None = len(paths)
        self._paths = tuple(paths)
        self._max_pixels = max_pixels

    def __iter__(self) -> Iterator[Frame]:
        """Give the images; see `FrameSource`."""
        for index, (path, name) in enumerate(zip(self._paths, _names(self._paths), strict=True)):
            image = read_image(path, max_pixels=self._max_pixels)
            yield Frame(image, index / FOLDER_FPS, name)


class VideoSource:
    """A video file, every frame of it.

    Args:
        path: any file that FFmpeg reads.
        max_pixels: a film of larger pictures is refused.

    Raises:
        DataError: when it is no video, or too large.
        MissingDependencyError: when `av` is not installed.
    """

    live = False

    def __init__(self, path: Path, max_pixels: int = MAX_PIXELS) -> None:
        self._av = require("av", package="av", extra="demo")
        self.name = str(path)
        self._path = path
        self._max_pixels = max_pixels
        with self._open() as container:
            self.frame_count: int | None = container.streams.video[0].frames or None

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames; see `FrameSource`."""
        index = 0
        with self._open() as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            seconds_a_frame = 1 / float(stream.average_rate or Fraction(25))
            try:
                first: float | None = None
                for index, picture in enumerate(container.decode(stream)):
                    check_pixels(self.name, (picture.height, picture.width), self._max_pixels)
                    seconds = picture.time if picture.time is not None else index * seconds_a_frame
                    first = seconds if first is None else first
                    name = f"{self._path.stem}_{index:06d}"
                    yield Frame(to_upright_rgb(picture), seconds - first, name)
            except self._av.FFmpegError as error:
                raise self._unreadable(f"{error.strerror} after {index} frames") from error

    def _open(self) -> "InputContainer":
        try:
            # a whole path, because "12:30.mp4" would name a protocol
            container: InputContainer = self._av.open(
                str(self._path.absolute()), metadata_errors="replace"
            )
        except self._av.FFmpegError as error:
            raise self._unreadable(str(error.strerror)) from error
        if not container.streams.video:
            container.close()
            raise self._unreadable("it holds no picture track")
        stream = container.streams.video[0]
        try:
            check_pixels(self.name, (stream.height, stream.width), self._max_pixels)
        except DataError:
            container.close()
            raise
        return container

    def _unreadable(self, reason: str) -> DataError:
        return DataError(
            f"{self.name} cannot be read as a video ({reason}); a complete video file was expected; "
            "copy it again or convert it to mp4"
        )


def _names(paths: Sequence[Path]) -> list[str]:
    """Return a name for each picture: the stem where no other file could be meant by it, else the file's name."""
    claims = Counter(name for path in paths for name in (path.stem, path.name))
    return [path.stem if claims[path.stem] == 1 else path.name for path in paths]
