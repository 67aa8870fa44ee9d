"""A Raspberry Pi's camera, whose library is stood in for: no board is here."""

import sys
from itertools import islice
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest

from edge_deeplab.demo.sources import open_source
from edge_deeplab.errors import DataError


class Camera:
    """Gives pictures with a fourth byte a pixel, as some formats have, and notes what is asked of it."""

    made: ClassVar[list["Camera"]] = []

    def __init__(self, number: int) -> None:
        if number > 0:
            raise IndexError("list index out of range")
        self.asked: list[Any] = [number]
        self.made.append(self)

    @staticmethod
    def global_camera_info() -> list[dict[str, str]]:
        return [{"Model": "imx708"}]

    def create_video_configuration(self, main: dict[str, Any]) -> dict[str, Any]:
        return main

    def configure(self, configuration: dict[str, Any]) -> None:
        self.asked.append(configuration)

    def start(self) -> None:
        self.asked.append("start")

    def capture_array(self, stream: str) -> np.ndarray:
        assert stream == "main"
        return np.dstack([np.full((4, 6), value, np.uint8) for value in (10, 20, 30, 255)])

    def close(self) -> None:
        self.asked.append("close")


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> type[Camera]:
    module = ModuleType("picamera2")
    module.Picamera2 = Camera  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    monkeypatch.setattr(Camera, "made", [])
    return Camera


@pytest.mark.parametrize("name", ["picamera", "picamera:0"])
def test_frames_are_rgb_and_the_camera_is_closed(library: type[Camera], name: str) -> None:
    source = open_source(name)
    assert (source.live, source.frame_count, source.name) == (True, None, "picamera 0")
    frames = iter(source)
    first, second = islice(frames, 2)
    frames.close()  # type: ignore[attr-defined]
    assert first.image_hwc.shape == (4, 6, 3)
    assert first.image_hwc[0, 0].tolist() == [10, 20, 30]
    assert first.image_hwc.flags.c_contiguous
    assert (first.name, second.name) == ("picamera_000000", "picamera_000001")
    assert first.timestamp_s <= second.timestamp_s
    (camera,) = library.made
    assert camera.asked == [0, {"size": (640, 480), "format": "BGR888"}, "start", "close"]


def test_a_camera_that_is_not_there_is_named_beside_those_that_are(library: type[Camera]) -> None:
    with pytest.raises(DataError, match=r"picamera 3 cannot be started .* found: imx708; connect"):
        open_source("picamera:3")


def test_without_the_library_its_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(DataError, match="python3-picamera2"):
        open_source("picamera")
