"""Writing files: a folder is replaced by folders alone, a file by files, and what does not fit stays as it was."""

import os
from pathlib import Path

import pytest

from edge_deeplab.errors import OutputError
from edge_deeplab.files import replace_when_complete, write_atomically


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
