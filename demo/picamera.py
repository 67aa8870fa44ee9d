"""The camera of a Raspberry Pi, through picamera2, which Raspberry Pi OS brings for its own Python."""

import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

from edge_deeplab.demo.frames import Frame
from edge_deeplab.errors import DataError
from edge_deeplab.text import first_line

_SIZE = (640, 480)
"""Close to what models take."""
_RGB = "BGR888"
"""libcamera names formats by the order of bytes in a word: an array of this one is (H, W, RGB)."""


class PiCameraSource:
    """A camera that libcamera drives; its frames are live.

    Args:
        number: of the camera, from 0.

    Raises:
        DataError: when there is no such camera, it cannot be started, or picamera2 is not installed.
    """

    live = True
    frame_count: int | None = None

    def __init__(self, number: int = 0) -> None:
        self.name = f"picamera {number}"
        module, found = _library(), []
        try:
            found = module.Picamera2.global_camera_info()
            self._camera = module.Picamera2(number)
            self._camera.configure(
                self._camera.create_video_configuration({"size": _SIZE, "format": _RGB})
            )
            self._camera.start()
        except (RuntimeError, IndexError) as error:
            names = ", ".join(str(each.get("Model")) for each in found) or "none"
            raise DataError(
                f"{self.name} cannot be started ({first_line(error)}); cameras that libcamera found: {names}; "
                "connect one, or pass --source picamera:N with its number"
            ) from error

    def __iter__(self) -> Iterator[Frame]:
        """Give frames until somebody stops asking; see `FrameSource`."""
        started, index = time.monotonic(), 0
        try:
            while True:
                picture = np.ascontiguousarray(self._camera.capture_array("main")[..., :3])
                yield Frame(picture, time.monotonic() - started, f"picamera_{index:06d}")
                index += 1
        finally:
            self._camera.close()


def _library() -> Any:
    try:
        return import_module("picamera2")
    except ModuleNotFoundError as error:
        raise DataError(
            "picamera2, through which a Raspberry Pi's camera is read, is not installed; the system's package was "
            "expected (apt install python3-picamera2) in an environment made with --system-site-packages; or pass "
            "--source camera for a camera on USB"
        ) from error
