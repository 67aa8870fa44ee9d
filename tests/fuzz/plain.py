"""Mutations that know nothing of a format: what a broken download, disk or copy makes of a file."""

import struct

from tests.fuzz.dice import INTEGERS, Dice

Mutated = tuple[bytes, str]
"""The mutant's content, and what was done to it in words."""


def mutate_bytes(content: bytes, dice: Dice) -> Mutated:
    """Return a content cut short, with bits flipped, numbers made huge, or a stretch repeated, doubled or removed."""
    change = dice.choices((flip, enlarge, splice, cut, insert, remove), (4, 4, 3, 2, 1, 1))[0]
    return change(content, dice) if content else (b"\0", "empty file gets a byte")


def cut(content: bytes, dice: Dice) -> Mutated:
    """Cut the end off."""
    at = dice.randrange(len(content))
    return content[:at], f"cut at byte {at}"


def flip(content: bytes, dice: Dice) -> Mutated:
    """Flip single bits."""
    data = bytearray(content)
    places = [dice.randrange(len(data)) for _ in range(dice.randrange(1, 17))]
    for place in places:
        data[place] ^= 1 << dice.randrange(8)
    return bytes(data), f"bits flipped in bytes {places}"


def enlarge(content: bytes, dice: Dice) -> Mutated:
    """Write extreme 32-bit numbers over aligned ones."""
    data = bytearray(content)
    if len(data) < 4:
        return flip(content, dice)
    places = [dice.randrange(len(data) // 4) * 4 for _ in range(dice.randrange(1, 5))]
    for place in places:
        struct.pack_into("<I", data, place, dice.choice(INTEGERS) & 0xFFFFFFFF)
    return bytes(data), f"numbers at bytes {places} made extreme"


def splice(content: bytes, dice: Dice) -> Mutated:
    """Write one stretch over another."""
    at, start = dice.randrange(len(content)), dice.randrange(len(content))
    stretch = content[start : start + dice.randrange(1, 200)]
    spliced = content[:at] + stretch + content[at + len(stretch) :]
    return spliced, f"{len(stretch)} bytes from {start} written at {at}"


def insert(content: bytes, dice: Dice) -> Mutated:
    """Put a stretch in twice."""
    at, length = dice.randrange(len(content)), dice.randrange(1, 200)
    doubled = content[: at + length] + content[at:]
    return doubled, f"{length} bytes at {at} doubled"


def remove(content: bytes, dice: Dice) -> Mutated:
    """Take a stretch out."""
    at, length = dice.randrange(len(content)), dice.randrange(1, 200)
    return content[:at] + content[at + length :], f"{length} bytes at {at} removed"
