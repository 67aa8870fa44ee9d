"""PNGs written by hand: samples of any bits, which Pillow does not write, and pictures far larger than their files."""

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt


def write_png(path: Path, samples: npt.NDArray[np.integer], depth: int, colour: int = 0) -> Path:
    """Write (H, W) or (H, W, C) samples of `depth` bits as colour type 0 (grey) or 2 (RGB)."""
    height, width = samples.shape[:2]
    bits = np.unpackbits(samples.reshape(height, -1, 1).astype(">u2").view(np.uint8), axis=2)
    rows = np.packbits(bits[..., 16 - depth :].reshape(height, -1), axis=1)
    content = b"".join(b"\0" + row.tobytes() for row in rows)
    _write(path, (height, width), depth, colour, zlib.compress(content))
    return path


def write_bomb(path: Path, side: int) -> Path:
    """Write a valid black grey PNG of side x side, without holding it in memory."""
    packer, row = zlib.compressobj(9), bytes(1 + (side + 7) // 8)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    _write(path, (side, side), 1, 0, data)
    return path


def _write(path: Path, size_hw: tuple[int, int], depth: int, colour: int, data: bytes) -> None:
    header = struct.pack(">IIBBBBB", size_hw[1], size_hw[0], depth, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks))


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check
