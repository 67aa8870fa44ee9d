"""What parent and child say to each other: one line of JSON, then the bytes of the arrays that it announces.

Neither side unpickles anything, and a reader believes no number before it has checked it: what a child says may have
been written by the file that it ran.
"""

import json
import re
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt

LONGEST_LINE = 1 << 24
LARGEST_PAYLOAD = 1 << 28
"""Bytes of all arrays of a message: the scores of 19 classes at 1536x2048."""
_NUMBERS = re.compile(r"[<>|][biuf][1-9]")
"""Types that an array may have: booleans, integers and floats of 1 to 8 bytes."""

Message = Mapping[str, Any]
"""By name, JSON values and arrays."""


def write_message(stream: IO[bytes], kind: str, values: Message) -> None:
    """Write one message.

    Args:
        stream: binary, to the other process.
        kind: what the message is.
        values: JSON values, and arrays of numbers.

    Raises:
        ValueError: for an array that does not hold numbers, or arrays too large for one message.
    """
    arrays = {k: np.ascontiguousarray(v) for k, v in values.items() if isinstance(v, np.ndarray)}
    announced = [
        {"name": name, "dtype": array.dtype.str, "shape": values[name].shape}
        for name, array in arrays.items()
    ]
    for each in announced:
        _check(each["dtype"], each["shape"])
    if sum(array.nbytes for array in arrays.values()) > LARGEST_PAYLOAD:
        raise ValueError(f"its values take more than {LARGEST_PAYLOAD >> 20} MiB")
    plain = {name: value for name, value in values.items() if name not in arrays}
    header = json.dumps({"kind": kind, "values": plain, "arrays": announced}).encode() + b"\n"
    if len(header) > LONGEST_LINE:
        raise ValueError(f"it says more than {LONGEST_LINE >> 20} MiB of text")
    stream.write(header)
    for array in arrays.values():
        stream.write(array.reshape(-1).view(np.uint8).data)
    stream.flush()


def read_message(stream: IO[bytes]) -> tuple[str, dict[str, Any]]:
    """Read one message and return its kind and values.

    Raises:
        EOFError: when the other process closed the stream, before the message or within it.
        ValueError: when it is no message.
    """
    line = stream.readline(LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise EOFError if len(line) < LONGEST_LINE else ValueError("a line without end")
    try:
        header = json.loads(line)
        kind, values = str(header["kind"]), dict(header["values"])
        announced = [(str(a["name"]), *_check(a["dtype"], a["shape"])) for a in header["arrays"]]
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if sum(_size(dtype, shape) for _, dtype, shape in announced) > LARGEST_PAYLOAD:
        raise ValueError(f"more than {LARGEST_PAYLOAD >> 20} MiB of arrays")
    return kind, values | {name: _read_array(stream, dtype, s) for name, dtype, s in announced}


def _check(dtype: Any, shape: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return type and shape of an announced array.

    Raises:
        ValueError: when they are none.
    """
    if not isinstance(dtype, str) or _NUMBERS.fullmatch(dtype) is None:
        raise ValueError(f"an array of {dtype!r:.40}, which are no numbers")
    sides = tuple(shape)
    if not all(isinstance(side, int) and side >= 0 for side in sides) or len(sides) > 32:
        raise ValueError(f"an array of shape {sides!r:.80}")
    return np.dtype(dtype), sides


def _size(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    count = 1
    for side in shape:  # of Python's integers, which do not overflow
        count *= side
    return count * dtype.itemsize


def _read_array(
    stream: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]
) -> npt.NDArray[Any]:
    content = np.empty(_size(dtype, shape), np.uint8)
    view, filled = content.data, 0
    while filled < len(content):
        count = stream.readinto(view[filled:])  # type: ignore[attr-defined]  # every binary stream has it
        if not count:
            raise EOFError
        filled += count
    return content.view(dtype).reshape(shape)
