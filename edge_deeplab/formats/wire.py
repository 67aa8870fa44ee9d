"""Counts the messages of a protobuf before it is parsed.

An empty message takes two bytes in a file and some hundred once parsed, in memory that nothing bounds. So the bytes are
walked first: what a message's descriptor calls a message is counted and entered, all else is stepped over.
"""

from collections.abc import Iterator
from typing import Any

MOST_MESSAGES = 300_000
"""Messages of one file; the largest graphs that run on a phone have some ten thousand."""
_FIELDS_EACH = 10
"""Fields of a message on average; more are refused, because each costs time."""
_DEEPEST = 100
"""Levels of nesting that protobuf itself parses."""
_VARINT, _EIGHT_BYTES, _SIZED, _FOUR_BYTES = 0, 1, 2, 5
_LONGEST_VARINT = 10


def bound_messages(content: bytes, descriptor: Any, *, most: int = MOST_MESSAGES) -> int:
    """Return how many messages stand in serialised bytes; of bytes that are none, those that were met.

    Args:
        content: the bytes.
        descriptor: of the outermost message.
        most: messages that there may be.

    Raises:
        ValueError: when there are more, or far more fields than so many messages have.
    """
    count, fields_left = 0, most * _FIELDS_EACH
    pending = [(0, len(content), descriptor, 0)]
    nested = _Nested()
    while pending:
        at, end, kind, depth = pending.pop()
        inner = nested.of(kind)
        while at < end:
            fields_left -= 1
            tag, at = _read_varint(content, at, end)
            field, wire = tag >> 3, tag & 7
            start, at = _step_over(content, at, end, wire)
            if at > end:
                break
            if wire == _SIZED and field in inner:
                count += 1
                if depth < _DEEPEST and at > start:
                    pending.append((start, at, inner[field], depth + 1))
            if count > most or fields_left < 0:
                raise ValueError(f"it holds more than {most} messages")
    return count


def sized_fields(content: bytes, number: int) -> Iterator[bytes]:
    """Yield what stands in a message under one number: texts, bytes or messages; others are stepped over, not entered.

    Args:
        content: the message; of bytes that are none, what was met is yielded.
        number: the field's.

    Raises:
        ValueError: when it has more fields than a file may have messages.
    """
    at, left = 0, MOST_MESSAGES
    while at < len(content):
        left -= 1
        if left < 0:
            raise ValueError(f"it holds more than {MOST_MESSAGES} fields")
        tag, at = _read_varint(content, at, len(content))
        start, at = _step_over(content, at, len(content), tag & 7)
        if at > len(content):
            return
        if tag == number << 3 | _SIZED:
            yield content[start:at]


class _Nested:
    """Of each kind of message, the fields that are messages themselves."""

    def __init__(self) -> None:
        self._known: dict[str, dict[int, Any]] = {}

    def of(self, descriptor: Any) -> dict[int, Any]:
        name = descriptor.full_name
        if name not in self._known:
            fields = descriptor.fields
            self._known[name] = {f.number: f.message_type for f in fields if f.message_type}
        return self._known[name]


def _step_over(content: bytes, at: int, end: int, wire: int) -> tuple[int, int]:
    """Return where a field's value starts and ends; an end beyond `end` says that the bytes are no message."""
    if wire == _VARINT:
        return at, _read_varint(content, at, end)[1]
    if wire == _SIZED:
        size, start = _read_varint(content, at, end)
        return start, start + size
    sizes = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
    return at, at + sizes.get(wire, end + 1)


def _read_varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a number and the place behind it; a place beyond `end` where there is none."""
    value = 0
    for place in range(min(_LONGEST_VARINT, end - at)):
        byte = content[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    return 0, end + 1
