"""A flatbuffer read by its schema: what is stated, what is left out, and what leads nowhere."""

import struct
from pathlib import Path

import flatbuffers
import numpy as np
import pytest

from edge_deeplab.formats import flatbuffer
from edge_deeplab.formats.flatbuffer import Schema, load_schema, read_flatbuffer
from edge_deeplab.formats.source import ReadingBudget

SHARED = "namespace shared;\nenum Colour : byte { RED = 1, GREEN, BLUE = 7, }\n"
SCHEMA = """
include "shared.fbs";
namespace zoo;
file_identifier "ZOO1";
table Cat { name: string; lives: int = 9; }  // a comment; with a semicolon
table Dog { weight: float (deprecated); legs: [ubyte] (force_align: 16); }
union Animal { Cat, Puppy: Dog, }
table Zoo {
  animal: Animal;
  colour: shared.Colour = BLUE;
  sizes: [int];
  cats: [Cat];
  open: bool;
  names: [string];
}
root_type Zoo;
"""


@pytest.fixture
def schema(tmp_path: Path) -> Schema:
    (tmp_path / "shared.fbs").write_text(SHARED)
    path = tmp_path / "zoo.fbs"
    path.write_text(SCHEMA)
    return load_schema(path)


def build(*, animal: int = 1, colour: int | None = 2, sizes: tuple[int, ...] = (3, -4)) -> bytes:
    """Return a zoo of two cats, one of them the animal."""
    builder = flatbuffers.Builder(0)
    name = builder.CreateString("Tom")
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(0, name, 0)
    tom = builder.EndObject()
    builder.StartObject(2)
    builder.PrependInt32Slot(1, 3, 9)
    other = builder.EndObject()
    numbers = builder.CreateNumpyVector(np.array(sizes, np.int32))
    builder.StartVector(4, 2, 4)
    for cat in (other, tom):
        builder.PrependUOffsetTRelative(cat)
    cats = builder.EndVector()
    builder.StartObject(7)
    builder.PrependUint8Slot(0, animal, 0)
    builder.PrependUOffsetTRelativeSlot(1, tom, 0)
    if colour is not None:
        builder.PrependInt8Slot(2, colour, 0)
    builder.PrependUOffsetTRelativeSlot(3, numbers, 0)
    builder.PrependUOffsetTRelativeSlot(4, cats, 0)
    builder.Finish(builder.EndObject(), b"ZOO1")
    return bytes(builder.Output())


def test_what_a_table_states_is_read(schema: Schema) -> None:
    zoo = read_flatbuffer(build(), schema)
    assert (zoo.kind, zoo["colour"]) == ("Zoo", "GREEN")
    assert zoo["sizes"].tolist() == [3, -4]
    assert [(cat["name"], cat["lives"]) for cat in zoo["cats"]] == [("Tom", 9), ("", 3)]
    assert (zoo["animal"].kind, zoo["animal"]["name"]) == ("Cat", "Tom")
    assert zoo["animal"].to_dict() == {"name": "Tom", "lives": 9}


def test_what_is_left_out_is_what_the_schema_says(schema: Schema) -> None:
    zoo = read_flatbuffer(build(colour=None), schema)
    assert (zoo["colour"], zoo["open"], zoo["names"]) == ("BLUE", False, [])
    assert not zoo.states("colour")
    assert zoo.states("sizes")


def test_a_member_of_a_union_has_the_name_that_the_union_has_for_it(schema: Schema) -> None:
    puppy = read_flatbuffer(build(animal=2), schema)["animal"]
    assert puppy.kind == "Puppy"
    with pytest.raises(KeyError):
        puppy["lives"]


def test_numbers_that_the_schema_does_not_know(schema: Schema) -> None:
    assert read_flatbuffer(build(colour=5), schema)["colour"] == "5"
    assert read_flatbuffer(build(animal=0), schema)["animal"] is None
    with pytest.raises(ValueError, match="Animal number 3 is not known"):
        read_flatbuffer(build(animal=3), schema)["animal"]


@pytest.mark.parametrize("content", [b"", b"ZOO1", b"\0\0\0\0ZOO2" + bytes(40)])
def test_bytes_without_the_identifier_are_refused(content: bytes, schema: Schema) -> None:
    with pytest.raises(ValueError, match="ZOO1 identifier is missing"):
        read_flatbuffer(content, schema)


def test_every_cut_and_every_changed_byte_is_read_or_refused(schema: Schema) -> None:
    content, ended = build(), {"read": 0, "refused": 0}
    mutants = [content[:end] for end in range(len(content))]
    for at in range(len(content)):
        mutants += [content[:at] + bytes([b]) + content[at + 1 :] for b in (0, 1, 127, 128, 255)]
    for mutant in mutants:
        try:
            zoo = read_flatbuffer(mutant, schema)
            for cat in zoo["cats"]:
                cat.to_dict()
            zoo["animal"], zoo["sizes"].sum(), zoo["names"]
            ended["read"] += 1
        except ValueError:
            ended["refused"] += 1
    assert min(ended.values()) > 100


def test_many_offsets_to_one_long_text_are_bounded(
    schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = ReadingBudget(1000)
    monkeypatch.setattr(flatbuffer.ReadingBudget, "for_file", lambda size: budget)
    zoo = read_flatbuffer(build(sizes=tuple(range(400))), schema)
    with pytest.raises(ValueError, match="more memory"):
        [zoo["cats"] for _ in range(10)]


def test_long_vector_that_is_read_again_and_again_is_bounded(
    schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = ReadingBudget(100_000)
    monkeypatch.setattr(flatbuffer.ReadingBudget, "for_file", lambda size: budget)
    zoo = read_flatbuffer(build(sizes=tuple(range(400))), schema)
    with pytest.raises(ValueError, match="more memory"):
        [zoo["sizes"] for _ in range(10)]


def test_length_beyond_the_file_is_refused(schema: Schema) -> None:
    content = bytearray(build(sizes=(77, 78, 79)))
    at = content.index(struct.pack("<IIII", 3, 77, 78, 79))
    struct.pack_into("<I", content, at, 1 << 31)
    with pytest.raises(ValueError, match="longer than the file"):
        read_flatbuffer(bytes(content), schema)["sizes"]
