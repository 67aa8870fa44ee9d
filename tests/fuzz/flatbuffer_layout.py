"""Mutations of how a flatbuffer lies: offsets, vtables and lengths, which a writer of the schema cannot get wrong.

The walk knows no schema: what a table's field points to counts as a table where a vtable stands behind it, and as a
vector else. It may go astray, and then damages what it meets; mutants need no more.
"""

import struct
from collections.abc import Callable, Iterator

from tests.fuzz.dice import INTEGERS, Dice
from tests.fuzz.plain import Mutated

_MOST_TABLES, _LARGEST_VTABLE, _LONGEST_VECTOR = 3000, 64, 4096
"""What no honest file of a few operators exceeds; in weights, anything looks like a table or a vector."""


def mutate_layout(content: bytes, dice: Dice) -> Mutated:
    """Return a flatbuffer in which an offset, a length or a vtable's entry is another."""
    found = list(walk(content))
    if not found:
        return content, "no layout found"
    data = bytearray(content)
    changes: tuple[Callable[..., str], ...] = (_retarget, _lengthen, _change_entry, _share_vtable)
    return bytes(data), dice.choice(changes)(data, found, dice)


Found = tuple[str, int]
"""What stands somewhere ("table", "offset", "length", "entry"), and where."""


def walk(content: bytes) -> Iterator[Found]:
    """Yield the places of tables, of offsets in them, of vectors' lengths and of vtables' entries."""
    if len(content) < 8:
        return
    waiting, seen = [_u32(content, 0)], set[int]()
    while waiting and len(seen) < _MOST_TABLES:
        table = waiting.pop()
        if table in seen or not is_table(content, table):
            continue
        seen.add(table)
        yield "table", table
        vtable = table - _i32(content, table)
        for entry in range(vtable + 4, vtable + _u16(content, vtable), 2):
            yield "entry", entry
            place = table + _u16(content, entry)
            if place == table or place + 4 > len(content):
                continue
            target = place + _u32(content, place)
            if not place < target <= len(content) - 4:
                continue
            yield "offset", place
            if is_table(content, target):
                waiting.append(target)
            elif (length := _u32(content, target)) <= len(content) - target:
                yield "length", target
                entries = min(length, _LONGEST_VECTOR)
                firsts = range(target + 4, min(target + 4 + 4 * entries, len(content) - 3), 4)
                targets = {first + _u32(content, first) for first in firsts} - seen
                waiting += [each for each in targets if is_table(content, each)]


def is_table(content: bytes, place: int) -> bool:
    """Tell whether a vtable stands where a table at this place says so."""
    if not 4 <= place <= len(content) - 4:
        return False
    vtable = place - _i32(content, place)
    if not 4 <= vtable <= len(content) - 4:
        return False
    size, inline = _u16(content, vtable), _u16(content, vtable + 2)
    if not 4 <= size <= _LARGEST_VTABLE or size % 2 or inline < 4 or vtable + size > len(content):
        return False
    return all(_u16(content, entry) < inline for entry in range(vtable + 4, vtable + size, 2))


def _retarget(data: bytearray, found: list[Found], dice: Dice) -> str:
    """Let an offset point to what another points to, or anywhere."""
    offsets = [place for what, place in found if what == "offset"]
    place, other = dice.choice(offsets), dice.choice(offsets)
    target = other + _u32(data, other) - place
    offset = dice.choice((target, target, dice.choice(INTEGERS), dice.randrange(len(data))))
    struct.pack_into("<I", data, place, offset & 0xFFFFFFFF)
    return f"offset at {place} becomes {offset}"


def _lengthen(data: bytearray, found: list[Found], dice: Dice) -> str:
    """Give a vector another length."""
    lengths = [place for what, place in found if what == "length"] or [4]
    place = dice.choice(lengths)
    length = dice.near(_u32(data, place)) & 0xFFFFFFFF
    struct.pack_into("<I", data, place, length)
    return f"length at {place} becomes {length}"


def _change_entry(data: bytearray, found: list[Found], dice: Dice) -> str:
    """Let a field of a table stand elsewhere in it, or be absent."""
    entries = [place for what, place in found if what == "entry"] or [4]
    place, other = dice.choice(entries), dice.choice(entries)
    value = dice.choice((0, _u16(data, other), 2, 0xFFFF, dice.randrange(64)))
    struct.pack_into("<H", data, place, value)
    return f"vtable entry at {place} becomes {value}"


def _share_vtable(data: bytearray, found: list[Found], dice: Dice) -> str:
    """Give a table the vtable of another."""
    tables = [place for what, place in found if what == "table"]
    table, other = dice.choice(tables), dice.choice(tables)
    struct.pack_into("<i", data, table, table - (other - _i32(data, other)))
    return f"table at {table} takes the vtable of {other}"


def _u16(data: bytes | bytearray, place: int) -> int:
    return int(struct.unpack_from("<H", data, place)[0])


def _u32(data: bytes | bytearray, place: int) -> int:
    return int(struct.unpack_from("<I", data, place)[0])


def _i32(data: bytes | bytearray, place: int) -> int:
    return int(struct.unpack_from("<i", data, place)[0])
