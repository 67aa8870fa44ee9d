"""Lists of classes: a dataset.toml, or a text with one name a line."""

from pathlib import Path

import pytest

from edge_deeplab.data.class_list import read_class_list
from edge_deeplab.errors import ConfigError, DataError
from tests.conftest import DATASET_TOML


def test_text_lists_names_in_pascal_vocs_colours(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("background\naeroplane\n\n dining table \n")
    told = read_class_list(path)
    assert [c.name for c in told.classes] == ["background", "aeroplane", "dining table"]
    assert told.classes[1].color == (128, 0, 0)
    assert told.ignore_index is None


def test_dataset_toml_tells_colours_and_the_ignored_index(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(DATASET_TOML)
    told = read_class_list(path)
    assert [(c.name, c.color) for c in told.classes] == [
        ("left", (255, 0, 0)),
        ("right", (0, 255, 0)),
    ]
    assert told.ignore_index == 9


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not a list of 1 to 255"),
        (b"a\nb\na\n", "2 classes have the name 'a'"),
        (b"\xff\xfe", "cannot be used"),
        (b"a\x1b[31m\n", "without control characters"),
        (b"a\n" * 40000, "larger than 64 KiB"),
    ],
)
def test_text_that_lists_no_classes_is_refused(
    content: bytes, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=sentence):
        read_class_list(path)


def test_file_that_is_absent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        read_class_list(tmp_path / "absent.txt")
    with pytest.raises(DataError, match="cannot be used"):
        read_class_list(tmp_path / "absent.toml")


def test_byte_order_mark_of_a_text_editor_is_part_of_no_name(tmp_path: Path) -> None:
    names, table = tmp_path / "classes.txt", tmp_path / "dataset.toml"
    names.write_text("left\nright\n", "utf-8-sig")
    table.write_text(DATASET_TOML, "utf-8-sig")
    for path in (names, table):
        assert [c.name for c in read_class_list(path).classes] == ["left", "right"]
