"""Mutations of image and mask files: sizes and modes that no camera writes, chunks that lie, and damage."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.fuzz.dice import Dice
from tests.fuzz.plain import mutate_bytes

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MODES = {
    ".png": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    ".jpg": ("L", "RGB", "CMYK"),
    ".tif": ("1", "L", "F", "I", "I;16", "RGB", "RGBA", "CMYK", "LAB"),
}
_SIDES = (1, 2, 3, 40, 48, 257)
_BOMB_SIDES = (4_000, 13_300, 20_000, 60_000)
Chunk = tuple[bytes, bytes]


def change_picture(path: Path, dice: Dice) -> str:
    """Change an image file in place and say how."""
    changes: tuple[Callable[[Path, Dice], str], ...] = (
        _damage,
        _reencode,
        _change_header,
        _change_chunk,
        _write_bomb,
        _rename_content,
    )
    return dice.choices(changes, (4, 4, 4, 4, 1, 1))[0](path, dice)


def _damage(path: Path, dice: Dice) -> str:
    content, told = mutate_bytes(path.read_bytes(), dice)
    path.write_bytes(content)
    return told


def _reencode(path: Path, dice: Dice) -> str:
    """Write noise in another mode and size, with an orientation, in place."""
    mode = dice.choice(_MODES.get(path.suffix, _MODES[".png"]))
    width, height = dice.choice(_SIDES), dice.choice(_SIDES)
    picture = noise(mode, width, height, dice)
    exif = Image.Exif()
    exif[0x0112] = dice.choice((0, 1, 3, 6, 8, 9, 65535))  # orientation
    picture.save(path, **({"exif": exif} if path.suffix == ".jpg" or dice.random() < 0.3 else {}))
    return f"mode {mode}, {width}x{height}, orientation {exif[0x0112]}"


def noise(mode: str, width: int, height: int, dice: Dice) -> Image.Image:
    """Return a picture of noise."""
    random = np.random.default_rng(dice.randrange(2**32))
    if mode == "F":
        return Image.fromarray(random.normal(size=(height, width)).astype(np.float32))
    if mode in ("I", "I;16"):
        top, dtype = (2**31 - 1, np.int32) if mode == "I" else (2**16, np.uint16)
        return Image.fromarray(random.integers(0, top, (height, width), dtype))
    bands = random.integers(
        0, 256, (height, width, len(Image.new(mode, (1, 1)).getbands())), np.uint8
    )
    if mode in ("1", "P"):
        return Image.fromarray(bands[..., 0]).convert(mode)
    return Image.fromarray(bands[..., 0] if bands.shape[2] == 1 else bands, mode=mode)


def _change_header(path: Path, dice: Dice) -> str:
    """Declare another size, depth, colour type or interlacing in a PNG, its checksum right."""
    chunks = read_chunks(path.read_bytes())
    if not chunks:
        return _damage(path, dice)
    fields = list(struct.unpack(">IIBBBBB", chunks[0][1][:13].ljust(13, b"\0")))
    place = dice.randrange(len(fields))
    fields[place] = (
        dice.near(fields[place]) & 0xFFFFFFFF
        if place < 2
        else dice.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
    )
    chunks[0] = (b"IHDR", struct.pack(">IIBBBBB", *fields))
    path.write_bytes(write_chunks(chunks))
    return f"header becomes {fields}"


def _change_chunk(path: Path, dice: Dice) -> str:
    """Damage, double, lose or add a chunk of a PNG, checksums right."""
    chunks = read_chunks(path.read_bytes())
    if not chunks:
        return _damage(path, dice)
    place, kind = dice.randrange(len(chunks)), dice.randrange(4)
    name, content = chunks[place]
    if kind == 0:
        content, told = mutate_bytes(content, dice)
        chunks[place] = (name, content)
    elif kind == 1:
        chunks.insert(place, chunks[dice.randrange(len(chunks))])
        told = "doubled"
    elif kind == 2:
        del chunks[place]
        told = "lost"
    else:
        added = dice.choice(tuple(_STRANGE))
        chunks.insert(min(1, len(chunks)), (added, _STRANGE[added]))
        told = f"{added!r} added"
    path.write_bytes(write_chunks(chunks))
    return f"chunk {name!r}: {told}"


_STRANGE = {
    b"zTXt": b"a\0\0" + zlib.compress(bytes(64 << 20)),
    b"iTXt": b"a\0\x01\0\0\0" + zlib.compress(bytes(64 << 20)),
    b"iCCP": b"a\0\0" + zlib.compress(bytes(64 << 20)),
    b"eXIf": b"MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12\0\x03\xff\xff\xff\xff\0\x06\0\0" * 9,
    b"tRNS": b"\xff" * 300,
    b"PLTE": b"\x01\x02",
    b"acTL": struct.pack(">II", 2**31, 0),
    b"fcTL": struct.pack(">IIIIIHHBB", 0, 2**31, 2**31, 2**31, 2**31, 0, 0, 9, 9),
}
"""Chunks that unpack to 64 MiB, promise what is not there or are of a wrong size."""


def _write_bomb(path: Path, dice: Dice) -> str:
    """Write a black PNG of many pixels in few bytes, in place."""
    side = dice.choice(_BOMB_SIDES)
    depth, colours = dice.choice(((1, 0), (8, 0), (8, 2), (16, 6)))
    samples = {0: 1, 2: 3, 6: 4}[colours]
    row = bytes(1 + (side * depth * samples + 7) // 8)
    packer = zlib.compressobj(1)
    rows = min(side, max(1, (64 << 20) // len(row)))  # the rest is missing
    packed = b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, depth, colours, 0, 0, 0)
    path.write_bytes(write_chunks([(b"IHDR", header), (b"IDAT", packed), (b"IEND", b"")]))
    return f"{side}x{side}, {depth} bits, colour type {colours}, {rows} rows there"


def _rename_content(path: Path, dice: Dice) -> str:
    """Write another format under the file's ending, in place."""
    other = dice.choice(("GIF", "BMP", "TIFF", "WEBP", "ICO", "PPM", "JPEG", "PCX", "EPS"))
    buffer = io.BytesIO()
    noise("RGB", 48, 40, dice).save(buffer, other)
    content = buffer.getvalue()
    if dice.random() < 0.5:
        content, _ = mutate_bytes(content, dice)
    path.write_bytes(content)
    return f"is {other}"


def read_chunks(content: bytes) -> list[Chunk]:
    """Return the chunks of a PNG; none of another file."""
    if not content.startswith(_SIGNATURE):
        return []
    chunks, place = [], len(_SIGNATURE)
    while place + 8 <= len(content):
        size, name = struct.unpack_from(">I4s", content, place)
        chunks.append((name, content[place + 8 : place + 8 + size]))
        place += 12 + size
    return chunks


def write_chunks(chunks: list[Chunk]) -> bytes:
    """Return a PNG of chunks, with their lengths and checksums."""
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )
