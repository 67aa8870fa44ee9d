"""Cameras, through the device input that FFmpeg has on each system: v4l2, avfoundation, dshow."""

import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from edge_deeplab.demo.frames import Frame, to_upright_rgb
from edge_deeplab.errors import DataError, require

if TYPE_CHECKING:
    from av.container import InputContainer

_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
_TIMEOUT_S = 10.0
_WISHES: tuple[Mapping[str, str], ...] = (
    {"video_size": "640x480", "framerate": "30"},
    {"framerate": "30"},  # avfoundation refuses to choose a rate itself
    {},
)
"""Settings to try in turn: close to what models take, then whatever the camera offers."""


class CameraSource:
    """A camera; its frames are live.

    Args:
        device: a number from 0, or the system's own name of the device ("/dev/video2", "FaceTime HD Camera").

    Raises:
        DataError: when there is no such camera or it cannot be opened.
        MissingDependencyError: when `av` is not installed.
    """

    live = True
    frame_count: int | None = None

    def __init__(self, device: str) -> None:
        self._av = require("av", package="av", extra="demo")
        self.name = f"camera {device}"
        self._container = self._open(device)

    def __iter__(self) -> Iterator[Frame]:
        """Give frames until the camera goes away; see `FrameSource`."""
        started = time.monotonic()
        with self._container as container:
            try:
                for index, picture in enumerate(container.decode(video=0)):
                    seconds = time.monotonic() - started
                    yield Frame(to_upright_rgb(picture), seconds, f"camera_{index:06d}")
            except self._av.FFmpegError as error:
                raise DataError(
                    f"{self.name} stopped sending pictures ({error.strerror}); check its cable and start again"
                ) from error

    def _open(self, device: str) -> "InputContainer":
        system_format = device_format()
        address = self._address(device, system_format)
        reason = ""
        for wish in _WISHES:
            try:
                container: InputContainer = self._av.open(
                    address, format=system_format, options=dict(wish), timeout=_TIMEOUT_S
                )
                return container
            except self._av.FFmpegError as error:
                reason = str(error.strerror)
        raise self._unknown(device, reason, system_format)

    def _address(self, device: str, system_format: str) -> str:
        """Return the name under which FFmpeg opens the device."""
        if system_format == "v4l2":
            return f"/dev/video{device}" if device.isdecimal() else device
        if system_format == "avfoundation":
            return f"{device}:none"  # picture without sound
        names = self._names(system_format)
        if device.isdecimal():
            if int(device) >= len(names):
                raise self._unknown(device, "no such number", system_format)
            device = names[int(device)]
        return f"video={device}"

    def _unknown(self, device: str, reason: str, system_format: str) -> DataError:
        found = ", ".join(self._names(system_format)) or "none"
        return DataError(
            f"camera {device!r} cannot be opened ({reason}); cameras found here: {found}; "
            "connect one, or pass --source camera:N with its number"
        )

    def _names(self, system_format: str) -> list[str]:
        try:
            devices = self._av.enumerate_input_devices(system_format)
        except (self._av.FFmpegError, ValueError):
            return []  # some systems open devices that they cannot list
        return [d.name for d in devices if not d.media_types or "video" in d.media_types]


def device_format() -> str:
    """Return FFmpeg's name of this system's camera input.

    Raises:
        DataError: on a system without one.
    """
    try:
        return _FORMATS[sys.platform]
    except KeyError:
        raise DataError(
            f"cameras cannot be read on {sys.platform}; Linux, macOS or Windows was expected; pass a video file instead"
        ) from None
