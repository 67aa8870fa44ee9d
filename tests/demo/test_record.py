"""Recordings: what was shown can be decoded again, whole or not at all."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from edge_deeplab.demo import record as record_module
from edge_deeplab.demo.frames import Frame
from edge_deeplab.demo.record import even_size, first_encoder, fit_into, record
from edge_deeplab.errors import ConfigError, DataError, MissingDependencyError, OutputError
from tests.demo.conftest import frames, halves


def record_all(path: Path, shown: Iterable[Frame]) -> None:
    with record(path) as recorder:
        for frame in shown:
            recorder.show(frame.image_hwc, frame)


def breaking_after(shown: Sequence[Frame]) -> Iterator[Frame]:
    yield from shown
    raise RuntimeError("model broke")


def decode(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [(f.time, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


def test_record_film_has_every_frame_at_its_own_time(tmp_path: Path) -> None:
    uneven = [Frame(halves(i), t, str(i)) for i, t in enumerate((0.0, 0.1, 0.5, 0.52, 2.0))]
    record_all(tmp_path / "out.mp4", uneven)
    times = [time for time, _ in decode(tmp_path / "out.mp4")]
    assert times == pytest.approx([0.0, 0.1, 0.5, 0.52, 2.0], abs=1e-3)


def test_record_film_shows_its_last_frame_as_long_as_the_one_before(tmp_path: Path) -> None:
    record_all(tmp_path / "out.mp4", frames(4))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.duration == pytest.approx(1e6, rel=0.01)


@pytest.mark.parametrize("encoder", ["libx264", "mpeg4"])
def test_record_film_keeps_colours_with_every_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: str
) -> None:
    if encoder not in av.codecs_available:
        pytest.skip(f"this build of av has no {encoder}")
    monkeypatch.setattr(record_module, "_ENCODERS", {encoder: record_module._ENCODERS[encoder]})
    record_all(tmp_path / "out.mp4", frames(3))
    picture = decode(tmp_path / "out.mp4")[1][1].astype(int)
    assert np.abs(picture[20, 10] - (220, 0, 0)).max() < 12
    assert np.abs(picture[20, 90] - (0, 220, 0)).max() < 12


def test_record_film_odd_size_is_padded_to_even(tmp_path: Path) -> None:
    record_all(tmp_path / "out.mp4", frames(2, (33, 47)))
    assert decode(tmp_path / "out.mp4")[0][1].shape == (34, 48, 3)


def test_record_film_later_pictures_of_other_sizes_are_fitted_in(tmp_path: Path) -> None:
    shown = [*frames(1), Frame(halves(0, (128, 96)), 1.0, "tall")]
    record_all(tmp_path / "out.mp4", shown)
    tall = decode(tmp_path / "out.mp4")[1][1]
    assert tall.shape == (64, 96, 3)
    assert tall[32, 4].max() < 20, "black beside a picture that is narrower than the film"
    assert tall[32, 40, 0] > 180


def test_record_failure_leaves_the_earlier_film_untouched(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    record_all(path, frames(2))
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="model broke"):
        record_all(path, breaking_after(frames(1)))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


def test_record_film_without_a_picture_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to record"), record(tmp_path / "out.mp4"):
        pass
    assert not list(tmp_path.iterdir())


def test_record_film_where_nothing_can_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "out.mp4"
    with pytest.raises(OutputError, match=r"out\.mp4 cannot be written"), record(place):
        pass


def test_record_unknown_ending_names_what_can_be_recorded(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"ends in \.gif; an \.mp4 file"),
        record(tmp_path / "a.gif"),
    ):
        pass


def test_record_film_without_av_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"edge-deeplab\[demo\]"):
        record_all(tmp_path / "out.mp4", frames(1))


def test_record_folder_holds_exact_pictures_and_keeps_other_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    record_all(tmp_path, frames(2))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "frame_000.png",
        "frame_001.png",
        "mine.txt",
    ]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "frame_001.png")), halves(1))


def test_record_folder_that_cannot_be_created_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match="cannot be created"),
        record(tmp_path / "file" / "pictures"),
    ):
        pass


def test_first_encoder_falls_back_to_mpeg4_and_then_gives_up() -> None:
    assert first_encoder({"mpeg4", "libx264"}) == "libx264"
    assert first_encoder({"mpeg4", "vp9"}) == "mpeg4"
    with pytest.raises(OutputError, match="none of the encoders"):
        first_encoder({"vp9"})


def test_even_size_repeats_the_last_row_and_column() -> None:
    picture = np.arange(3 * 5 * 3, dtype=np.uint8).reshape(3, 5, 3)
    padded = even_size(picture)
    assert padded.shape == (4, 6, 3)
    assert np.array_equal(padded[3, :5], picture[2])
    assert np.array_equal(padded[:3, 5], picture[:, 4])


def test_fit_into_same_size_is_the_same_picture() -> None:
    picture = halves(0, (33, 47))
    assert fit_into(picture, (34, 48)) is picture
