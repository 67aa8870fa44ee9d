"""Files that others name, and writing: what was there before stays, and kinds are never replaced by another kind."""

import hashlib
import os
from pathlib import Path
from typing import Literal

import pytest

from edge_deeplab.data.class_list import read_class_list
from edge_deeplab.data.images import read_image
from edge_deeplab.data.labelled_files import LabelledFiles
from edge_deeplab.description import ClassInfo
from edge_deeplab.documents import read_toml
from edge_deeplab.errors import ArtifactError, ConfigError, DataError, OutputError
from edge_deeplab.files import (
    check_outputs,
    check_writable,
    file_sha256,
    names_apart,
    path_inside,
    regular,
    remove_leftovers,
    replace_when_complete,
    write_atomically,
)
from edge_deeplab.formats.source import read_bytes
from edge_deeplab.runtimes.open import open_artifact


def test_hash_is_that_of_the_file_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    assert regular(tmp_path / "link") == tmp_path / "link"
    assert file_sha256(tmp_path / "link") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(FileNotFoundError):
        file_sha256(tmp_path / "absent")


@pytest.fixture(params=["device", "pipe"])
def endless(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What would fill the memory or be waited for for ever."""
    path = tmp_path / f"{request.param}.onnx"
    path.symlink_to("/dev/zero") if request.param == "device" else os.mkfifo(path)
    return path


def test_what_has_no_end_is_no_file(endless: Path) -> None:
    for reader in (regular, file_sha256, read_toml, read_class_list):
        with pytest.raises((OSError, ConfigError), match="a device or a pipe lies there"):
            reader(endless)
    with pytest.raises(ArtifactError, match="a device or a pipe lies there, not a file"):
        read_bytes(endless)
    with pytest.raises(ArtifactError, match="is a device or a pipe; an exported file was expected"):
        open_artifact(endless)


def test_image_that_has_no_end_is_one_sentence(endless: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a device or a pipe lies there, not a file"):
        read_image(endless)
    mask = tmp_path / "mask.png"
    mask.write_bytes(b"")
    classes = (ClassInfo("one", (0, 0, 0)),)
    files = LabelledFiles("odd", "CC0", classes, None, ((endless, mask),))
    with pytest.raises(DataError, match="a device or a pipe lies there, not a file"):
        files.content_sha256()


def test_file_is_never_written_over_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "kept").write_text("kept")
    with pytest.raises(OutputError, match="is a folder and a file was to be written there"):
        write_atomically(folder, "new")
    assert (folder / "kept").read_text() == "kept"
    assert list(tmp_path.iterdir()) == [folder]


def test_folder_is_never_written_over_a_file(tmp_path: Path) -> None:
    file = tmp_path / "precious"
    file.write_text("kept")
    with (
        pytest.raises(OutputError, match="is a file and a folder was to be written there"),
        replace_when_complete(file) as temporary,
    ):
        temporary.mkdir()
    assert file.read_text() == "kept"


def test_device_is_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OutputError, match="is a device"):
        write_atomically(pipe, "new")
    assert pipe.is_fifo()


def test_folder_is_replaced_by_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    for content in ("old", "new"):
        with replace_when_complete(folder) as temporary:
            temporary.mkdir()
            (temporary / content).write_text(content)
    assert [path.name for path in folder.iterdir()] == ["new"]


@pytest.mark.parametrize("moment", ["the old one stepped aside", "the new one comes"])
def test_folder_comes_back_when_its_replacement_is_interrupted(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "kept").write_text("kept")
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if moment == "the new one comes" and (self.name, target) == (folder.name, folder):
            raise KeyboardInterrupt
        done = rename(self, target)
        if moment == "the old one stepped aside" and self == folder:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), replace_when_complete(folder) as temporary:
        temporary.mkdir()
    assert [path.name for path in folder.iterdir()] == ["kept"]
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/hostname", "a/../../secret", "link", "round", "a\0b"]
)
def test_name_that_leads_out_of_its_folder_is_refused(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to("../secret")
    (folder / "round").symlink_to("round")
    with pytest.raises(ValueError, match=r"leads|null"):
        path_inside(folder, name)


def test_name_inside_its_folder_is_a_path_there(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("b")
    (tmp_path / "link").symlink_to("b")
    for name in ("b", "link", "sub/absent"):
        assert path_inside(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("there", [True, False], ids=["there", "dangling"])
def test_output_that_is_a_link_is_replaced_and_what_it_leads_to_stays(
    kind: str, there: bool, tmp_path: Path
) -> None:
    elsewhere, output = tmp_path / "elsewhere", tmp_path / "output"
    if there and kind == "folder":
        elsewhere.mkdir()
        (elsewhere / "kept").write_text("kept")
    elif there:
        elsewhere.write_text("kept")
    output.symlink_to(elsewhere)
    with replace_when_complete(output) as temporary:
        if kind == "folder":
            temporary.mkdir()
        else:
            temporary.write_text("new")
    assert not output.is_symlink()
    assert output.is_dir() == (kind == "folder")
    assert elsewhere.exists() == there
    if there:
        assert (elsewhere / "kept" if kind == "folder" else elsewhere).read_text() == "kept"
    assert len(list(tmp_path.iterdir())) == 1 + there


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        ("file", "folder"),
        ("file/below", "folder"),
        ("file/below", "file"),
        ("folder", "file"),
        ("x" * 300, "folder"),
        ("/proc/none/here", "folder"),
    ],
)
def test_output_that_cannot_be_written_is_told_before_any_work(
    place: str, wanted: Literal["file", "folder"], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"cannot be written|was to be written there"):
        check_writable(tmp_path / place, wanted)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize(
    ("place", "wanted"),
    [("new/run", "folder"), ("folder", "folder"), ("new/a.json", "file"), ("file", "file")],
)
def test_output_that_can_be_written_is_left_as_it_is(
    place: str, wanted: Literal["file", "folder"], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    check_writable(tmp_path / place, wanted)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_leftovers_of_a_name_that_is_a_pattern_are_its_own(tmp_path: Path) -> None:
    (tmp_path / ".a[b].x").mkdir()
    (tmp_path / ".ab.x").mkdir()
    remove_leftovers(tmp_path / "a[b]")
    assert [path.name for path in tmp_path.iterdir()] == [".ab.x"]


def test_missing_folders_above_what_is_written_are_made(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new" / "folder" / "a.txt", "new")
    assert (tmp_path / "new" / "folder" / "a.txt").read_text() == "new"


def test_outputs_are_apart_from_inputs_and_from_each_other(tmp_path: Path) -> None:
    model, link = tmp_path / "m.tflite", tmp_path / "link.xml"
    model.touch()
    link.symlink_to(model)
    check_outputs(None, tmp_path / "a.xml", tmp_path / "b.md", read=[model])
    for written in (model, link, tmp_path / "x" / ".." / "m.tflite"):
        with pytest.raises(OutputError, match=r"m\.tflite is read and would be written over"):
            check_outputs(written, read=[model])
    with pytest.raises(OutputError, match=r"a\.xml is written and would be written over"):
        check_outputs(tmp_path / "a.xml", tmp_path / "a.xml", read=[])
    with pytest.raises(OutputError, match=r"new is written and would be written over"):
        check_outputs(tmp_path / "new", folders=[tmp_path / "new"], read=[])


def test_page_may_lie_beside_what_is_read_but_not_over_a_model(tmp_path: Path) -> None:
    page, model = tmp_path / "page.html", tmp_path / "m.onnx"
    for path in (page, model):
        path.touch()
    check_outputs(page, tmp_path / "new.json", read=[tmp_path])
    with pytest.raises(
        OutputError, match=r"m\.onnx lies where .* is read and would be written over"
    ):
        check_outputs(model, read=[tmp_path])


def test_a_link_to_itself_among_what_is_read_is_left_to_who_reads_it(tmp_path: Path) -> None:
    loop = tmp_path / "loop.onnx"
    loop.symlink_to(loop)
    check_outputs(tmp_path / "a.xml", read=[loop])


def test_longest_name_that_the_place_takes_is_written(tmp_path: Path) -> None:
    path = tmp_path / f"{'n' * 250}.html"
    write_atomically(path, "page")
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_outputs_are_checked_to_be_writable_where_they_are_checked_to_be_apart(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a folder and a file was to be written"):
        check_outputs(tmp_path / "a.xml", tmp_path, read=[])
    with pytest.raises(OutputError, match="is a file and a folder was to be written"):
        check_outputs(folders=[tmp_path / "file"], read=[])


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/x.onnx", "a/y.onnx"], ["x.onnx", "y.onnx"]),
        (["a/x.onnx", "b/x.onnx"], ["a/x.onnx", "b/x.onnx"]),
        (["1/a/x.onnx", "2/a/x.onnx", "2/b/x.onnx"], ["1/a/x.onnx", "2/a/x.onnx", "b/x.onnx"]),
        (["x.onnx", "a/x.onnx", "a/x.onnx"], ["x.onnx", "a/x.onnx", "a/x.onnx"]),
        (["/x.onnx", "/a/x.onnx"], ["/x.onnx", "a/x.onnx"]),
    ],
)
def test_names_have_the_folders_that_tell_them_apart(paths: list[str], names: list[str]) -> None:
    told = names_apart(map(Path, paths))
    assert [told[Path(path)] for path in paths] == [str(Path(name)) for name in names]
