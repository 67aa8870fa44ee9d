"""Sources: order, names, times, orientation, and one clear sentence for what cannot be read."""

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from edge_deeplab.demo.sources import FOLDER_FPS, ImageSource, VideoSource, open_source
from edge_deeplab.errors import DataError, MissingDependencyError
from tests.demo.conftest import halves

QUARTER_TURN_CLOCKWISE = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
"""Display matrix of a film shot with a phone held upright, as ISO 14496-12 lays it out."""


def turn_film(path: Path) -> None:
    """Write a quarter turn into the track header, as phones do."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    content[matrix : matrix + 36] = struct.pack(">9i", *QUARTER_TURN_CLOCKWISE)
    path.write_bytes(content)


def test_folder_gives_images_by_name_and_ignores_other_files(image_folder: Path) -> None:
    source = open_source(str(image_folder))
    given = list(source)
    assert [frame.name for frame in given] == [f"street_{i}" for i in range(5)]
    assert [frame.timestamp_s for frame in given] == [i / FOLDER_FPS for i in range(5)]
    assert np.array_equal(given[3].image_hwc, halves(3))
    assert (source.frame_count, source.live) == (5, False)


def test_folder_equal_stems_keep_names_apart(image_folder: Path) -> None:
    Image.fromarray(halves()).save(image_folder / "street_1.jpg")
    names = [frame.name for frame in open_source(str(image_folder))]
    assert names[:4] == ["street_0", "street_1.jpg", "street_1.png", "street_2"]


def test_folder_names_stay_apart_where_one_ends_like_another(image_folder: Path) -> None:
    for name in ("a.jpg", "a.png", "a.jpg.webp"):
        Image.fromarray(halves()).save(image_folder / name)
    names = [frame.name for frame in open_source(str(image_folder))]
    assert names[:3] == ["a.jpg", "a.jpg.webp", "a.png"]


def test_folder_can_be_read_twice(image_folder: Path) -> None:
    source = open_source(str(image_folder))
    assert len(list(source)) == len(list(source)) == 5


def test_image_with_exif_orientation_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn clockwise by 90 degrees
    Image.fromarray(halves()).save(tmp_path / "a.png", exif=exif)
    (frame,) = open_source(str(tmp_path / "a.png"))
    assert frame.image_hwc.shape == (96, 64, 3)
    assert frame.image_hwc[0, 32, 0] == 220, "what was left is above after a clockwise turn"


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_image_of_another_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    Image.fromarray(halves()).convert(mode).save(tmp_path / "a.png")
    (frame,) = open_source(str(tmp_path))
    assert frame.image_hwc.shape == (64, 96, 3)
    assert frame.image_hwc.dtype == np.uint8


def test_video_gives_every_frame_in_order_with_its_time(make_film: Callable[..., Path]) -> None:
    source = open_source(str(make_film(6)))
    given = list(source)
    assert isinstance(source, VideoSource)
    assert source.frame_count == 6
    assert [frame.name for frame in given] == [f"film_{i:06d}" for i in range(6)]
    assert [frame.timestamp_s for frame in given] == pytest.approx([i / 4 for i in range(6)])
    for index, frame in enumerate(given):
        border = int((frame.image_hwc[30, :, 0] > 110).sum())
        assert border == pytest.approx(48 + 2 * index, abs=1)


def test_video_read_twice_gives_the_same_pixels(make_film: Callable[..., Path]) -> None:
    source = open_source(str(make_film(4)))
    for first, second in zip(source, source, strict=True):
        assert np.array_equal(first.image_hwc, second.image_hwc)


def test_video_whose_clock_began_earlier_starts_at_zero(tmp_path: Path) -> None:
    path = tmp_path / "late.ts"
    write_film(path, first=36_000)
    times = [frame.timestamp_s for frame in VideoSource(path)]
    assert times == pytest.approx([i / 10 for i in range(4)], abs=1e-3)


def test_video_with_a_title_that_is_no_utf8_is_read(tmp_path: Path) -> None:
    path = tmp_path / "title.avi"
    write_film(path, title="Strasse")
    content = path.read_bytes()
    assert b"Strasse" in content
    path.write_bytes(content.replace(b"Strasse", b"Stra\xdfe "))
    assert len(list(VideoSource(path))) == 4


def test_video_named_like_a_protocol_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "12:30.avi")
    assert len(list(open_source("12:30.avi"))) == 4


def write_film(path: Path, *, first: int = 0, title: str = "film") -> None:
    """Write four pictures, ten a second, the first of which has that number."""
    with av.open(str(path.absolute()), "w") as container:
        container.metadata["title"] = title
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(4):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 50, np.uint8), "rgb24")
            picture.pts, picture.time_base = first + index, Fraction(1, 10)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def test_video_of_larger_pictures_than_asked_for_is_refused(make_film: Callable[..., Path]) -> None:
    path = str(make_film(2))
    with pytest.raises(DataError, match=r"film\.mp4 is too large: 64x96; at most 6143 pixels"):
        open_source(path, max_pixels=64 * 96 - 1)
    assert len(list(open_source(path, max_pixels=64 * 96))) == 2


def test_video_of_a_turned_phone_is_upright(make_film: Callable[..., Path]) -> None:
    path = make_film(2)
    turn_film(path)
    frame = next(iter(open_source(str(path))))
    assert frame.image_hwc.shape == (96, 64, 3)
    assert frame.image_hwc[2, 32, 0] > 180, "what was left is above after a clockwise turn"
    assert frame.image_hwc[-3, 32, 1] > 180


def test_source_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.mp4 does not exist; 'camera', a video"):
        open_source(str(tmp_path / "nothing.mp4"))


def test_folder_without_images_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no images; files ending in \.bmp"):
        open_source(str(tmp_path))


def test_corrupt_image_is_reported_with_its_path_after_the_good_ones(image_folder: Path) -> None:
    broken = image_folder / "street_2.png"
    broken.write_bytes(broken.read_bytes()[:60])
    given = iter(open_source(str(image_folder)))
    assert [next(given).name, next(given).name] == ["street_0", "street_1"]
    with pytest.raises(DataError, match=r"street_2\.png cannot be read as an image"):
        next(given)


def test_file_that_is_no_video_is_reported_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("no film at all" * 50)
    with pytest.raises(DataError, match=r"notes\.mp4 cannot be read as a video \(Invalid data"):
        open_source(str(path))


def test_film_cut_off_before_its_index_is_reported(make_film: Callable[..., Path]) -> None:
    path = make_film(6)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match=r"film\.mp4 cannot be read as a video"):
        list(open_source(str(path)))


def test_sound_without_pictures_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.sample_rate = 8000
        container.mux([*stream.encode(sound), *stream.encode(None)])
    with pytest.raises(DataError, match="it holds no picture track"):
        open_source(str(path))


def test_video_without_av_names_the_extra(
    make_film: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_film(1)
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"edge-deeplab\[demo\]"):
        open_source(str(path))


def test_folder_needs_no_av(image_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    assert isinstance(open_source(str(image_folder)), ImageSource)
