"""GStreamer's pipelines: real ones where it is installed, and a program that stands in for it everywhere."""

import os
import shutil
import stat
import sys
from itertools import islice
from pathlib import Path

import pytest

from edge_deeplab.demo import gstreamer
from edge_deeplab.demo.frames import Frame
from edge_deeplab.demo.sources import open_source
from edge_deeplab.errors import DataError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="only on POSIX: pipes are handed over")
real = pytest.mark.skipif(
    shutil.which("gst-launch-1.0") is None,
    reason="GStreamer is absent: gst-launch-1.0 is not on the path",
)
HEADER = "YUV4MPEG2 W4 H2 F10:1 Ip A1:1 C444"


def open_frames(pipeline: str) -> list[Frame]:
    return list(open_source(f"gstreamer:{pipeline}"))


@real
@pytest.mark.parametrize("size", ["width=64,height=48", "width=1280,height=721"])
@pytest.mark.parametrize(
    ("colour", "rgb"), [("red", (255, 0, 0)), ("green", (0, 255, 0)), ("blue", (0, 0, 255))]
)
def test_a_pipeline_gives_rgb_whatever_its_size(
    colour: str, rgb: tuple[int, int, int], size: str
) -> None:
    """GStreamer codes large pictures as BT.709, which the stream between cannot say."""
    frames = open_frames(f"videotestsrc num-buffers=2 pattern={colour} ! video/x-raw,{size}")
    assert [frame.name for frame in frames] == ["gstreamer_000000", "gstreamer_000001"]
    shown = frames[0].image_hwc
    assert f"width={shown.shape[1]},height={shown.shape[0]}" == size
    assert abs(shown.reshape(-1, 3).astype(int) - rgb).max() <= 3


@real
def test_a_quoted_part_stays_one() -> None:
    (frame,) = open_frames('videotestsrc num-buffers=1 ! "video/x-raw, width=32, height=16"')
    assert frame.image_hwc.shape == (16, 32, 3)


@real
def test_a_live_pipeline_ends_when_nobody_asks_any_more() -> None:
    source = open_source("gstreamer:videotestsrc is-live=true ! video/x-raw,width=32,height=16")
    assert isinstance(source, gstreamer.GStreamerSource)
    assert (source.live, source.frame_count) == (True, None)
    frames = iter(source)
    first, second = islice(frames, 2)
    frames.close()  # type: ignore[attr-defined]
    assert first.timestamp_s <= second.timestamp_s
    assert source._process.returncode is not None


@real
@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        ("nosuchsource", "no element"),
        ("audiotestsrc", "could not link"),
        ("videotestsrc ! fakesink", "link"),
        (
            "filesrc location=/no/such/film.h264 ! decodebin",
            "(?s)No such file|Could not open|not found",
        ),
    ],
)
def test_what_gstreamer_says_of_a_wrong_pipeline_is_told(pipeline: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        open_frames(pipeline)
    assert "without a sink" in str(caught.value)


@real
def test_a_huge_picture_is_refused_before_it_is_decoded() -> None:
    pipeline = "videotestsrc ! video/x-raw,width=400,height=300"
    with pytest.raises(DataError, match=r"300x400.*at most 100"):
        open_source(f"gstreamer:{pipeline}", max_pixels=100)


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program in the place of gst-launch-1.0 that finds the pipe it is to write to in `pipe`."""
    program = folder / "gst-launch-1.0"
    program.write_text(
        f"#!{sys.executable}\nimport os, sys, time\n"
        f"pipe = os.fdopen(int(sys.argv[-1].removeprefix('fd=')), 'wb', 0)\n{script}\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


PICTURE = f"pipe.write(b'{HEADER}\\n' + b'FRAME\\n' + bytes([128]) * 24)"


def test_pictures_come_over_the_pipe_and_talk_on_stdout_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, f"print('opening in blocking mode', flush=True)\n{PICTURE}")
    (frame,) = open_frames("v4l2src")
    assert frame.image_hwc.shape == (2, 4, 3)
    assert abs(frame.image_hwc.astype(int) - 130).max() <= 3


def test_a_pipeline_that_breaks_off_says_after_how_many_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"{PICTURE}\nsys.exit('ERROR: from element v4l2src0: the camera was unplugged')"
    stand_in(tmp_path, monkeypatch, script)
    frames = iter(open_source("gstreamer:v4l2src"))
    next(frames)
    with pytest.raises(DataError, match=r"stopped after 1 pictures .*the camera was unplugged"):
        next(frames)


def test_a_pipeline_without_a_picture_is_not_waited_for_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gstreamer, "_FIRST_PICTURE_S", 0.5)
    stand_in(tmp_path, monkeypatch, "time.sleep(60)")
    with pytest.raises(DataError, match="no picture in"):
        open_source("gstreamer:v4l2src")


def test_unclosed_quotes_are_named() -> None:
    with pytest.raises(DataError, match="quot"):
        open_source("gstreamer:v4l2src device='/dev/video0")


def test_without_gstreamer_its_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DataError, match=r"gstreamer1\.0-tools"):
        open_source("gstreamer:v4l2src")
