"""Cameras: how each system names them, and what is said when there is none. FFmpeg's test pattern stands in for one."""

import sys
from types import SimpleNamespace

import av
import pytest

from edge_deeplab.demo import camera as camera_module
from edge_deeplab.demo.camera import CameraSource
from edge_deeplab.demo.sources import open_source
from edge_deeplab.errors import DataError

PATTERN = "testsrc=size=64x48:rate=30:duration=0.2"


class FakeAv:
    """Stands in for `av`: remembers what is opened, and refuses the first settings."""

    FFmpegError = av.FFmpegError

    def __init__(self, refusals: int = 0) -> None:
        self.opened: list[tuple[str, str, dict[str, str]]] = []
        self._refusals = refusals

    def open(self, address: str, *, format: str, options: dict[str, str], timeout: float) -> object:
        assert timeout > 0
        self.opened.append((address, format, options))
        if len(self.opened) <= self._refusals:
            raise av.FFmpegError(5, "Input/output error", address)
        return SimpleNamespace()

    def enumerate_input_devices(self, format: str) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(name="Microphone", media_types=["audio"]),
            SimpleNamespace(name="Front Camera", media_types=["video"]),
            SimpleNamespace(name="Rear Camera", media_types=["video"]),
        ]


@pytest.fixture
def pattern_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make FFmpeg's test pattern the only camera."""
    monkeypatch.setattr(camera_module, "device_format", lambda: "lavfi")
    monkeypatch.setattr(CameraSource, "_address", lambda *_: PATTERN)
    monkeypatch.setattr(camera_module, "_WISHES", ({},))


@pytest.mark.usefixtures("pattern_camera")
def test_camera_gives_rgb_frames_with_growing_times() -> None:
    source = open_source("camera")
    given = list(source)
    assert source.live
    assert source.frame_count is None
    assert [frame.name for frame in given] == [f"camera_{i:06d}" for i in range(6)]
    assert given[0].image_hwc.shape == (48, 64, 3)
    times = [frame.timestamp_s for frame in given]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("platform", "device", "address", "device_format"),
    [
        ("linux", "0", "/dev/video0", "v4l2"),
        ("linux", "/dev/video7", "/dev/video7", "v4l2"),
        ("darwin", "1", "1:none", "avfoundation"),
        ("win32", "1", "video=Rear Camera", "dshow"),
        ("win32", "Front Camera", "video=Front Camera", "dshow"),
    ],
)
def test_camera_is_addressed_the_way_its_system_does(
    monkeypatch: pytest.MonkeyPatch, platform: str, device: str, address: str, device_format: str
) -> None:
    fake = FakeAv()
    monkeypatch.setitem(sys.modules, "av", fake)
    monkeypatch.setattr(sys, "platform", platform)
    CameraSource(device)
    assert fake.opened[0][:2] == (address, device_format)


def test_camera_that_refuses_a_setting_is_asked_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeAv(refusals=2)
    monkeypatch.setitem(sys.modules, "av", fake)
    monkeypatch.setattr(sys, "platform", "linux")
    CameraSource("0")
    assert [options for *_, options in fake.opened] == [
        {"video_size": "640x480", "framerate": "30"},
        {"framerate": "30"},
        {},
    ]


def test_camera_unknown_number_lists_the_cameras_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", FakeAv())
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(DataError, match=r"camera '9' .* found here: Front Camera, Rear Camera"):
        CameraSource("9")


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux: opens a device file")
def test_camera_that_is_absent_is_one_clear_sentence() -> None:
    with pytest.raises(DataError, match=r"camera '/dev/no-such-camera' cannot be opened"):
        open_source("camera:/dev/no-such-camera")


def test_camera_on_an_unknown_system_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "plan9")
    with pytest.raises(DataError, match="cameras cannot be read on plan9"):
        open_source("camera")
