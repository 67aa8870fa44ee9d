"""Mutations of a protobuf that know its descriptors: fields are set, cleared, doubled, exchanged or nested.

Messages are chosen by their type first, as tables are in `flatbuffer`.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.fuzz.dice import Dice

_UNLIKELY = {"TensorValue", "Dimension", "ConstantDimension", "StringStringEntryProto", "Operation"}
_BOUNDS = {"INT32": (-(2**31), 2**31 - 1), "UINT32": (0, 2**32 - 1), "UINT64": (0, 2**64 - 1)}
_INT64 = (-(2**63), 2**63 - 1)
_COPIES = (1, 2, 50, 5000)
NOT_UTF8 = b"\xff\xfe\x1b[5m\x80"
_STANDS_FOR_IT = "@@@@@@@@"[: len(NOT_UTF8)]


def mutate_message(message: Any, dice: Dice) -> tuple[bytes, str]:
    """Return a changed message, serialized, and what was changed; the message itself is changed too."""
    told = [change_field(message, dice) for _ in range(dice.choices((1, 2, 3), (8, 2, 1))[0])]
    content: bytes = message.SerializePartialToString(deterministic=True)
    return content.replace(_STANDS_FOR_IT.encode(), NOT_UTF8), "; ".join(told)


def change_field(message: Any, dice: Dice) -> str:
    """Change one field of a message or of one within it, in place, and say which."""
    messages: dict[str, list[Any]] = defaultdict(list)
    for part in messages_within(message):
        messages[part.DESCRIPTOR.name].append(part)
    names = sorted(name for name in messages if messages[name][0].DESCRIPTOR.fields)
    name = dice.choices(names, [1 if name in _UNLIKELY else 2 for name in names])[0]
    part = dice.choice(messages[name])
    present = [field for field, _ in part.ListFields()]
    fields = present if present and dice.random() < 0.75 else list(part.DESCRIPTOR.fields)
    field = dice.choice(fields)
    change = _change_map if is_map(field) else _change_list if field.is_repeated else _change_one
    return f"{name}.{field.name}: {change(part, field, messages, dice)}"


def messages_within(message: Any) -> Iterator[Any]:
    """Yield a message and all those within it."""
    yield message
    for field, value in message.ListFields():
        if is_map(field):
            if field.message_type.fields_by_name["value"].message_type is not None:
                for key in sorted(value):
                    yield from messages_within(value[key])
        elif field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                yield from messages_within(part)


def is_map(field: Any) -> bool:
    """Tell whether a field is a map."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _change_one(part: Any, field: Any, messages: dict[str, list[Any]], dice: Dice) -> str:
    present = field.has_presence and part.HasField(field.name)
    if present and dice.random() < 0.2:
        part.ClearField(field.name)
        return "cleared"
    if field.message_type is None:
        value = scalar(field, getattr(part, field.name), dice)
        setattr(part, field.name, value)
        return f"becomes {value!r:.60}"
    target, like = getattr(part, field.name), messages.get(field.message_type.name)
    if like and dice.random() < 0.8:
        target.CopyFrom(_apart(dice.choice(like)))
        return "becomes one from elsewhere"
    target.SetInParent()
    return "becomes an empty one"


def _change_list(part: Any, field: Any, messages: dict[str, list[Any]], dice: Dice) -> str:
    values, kind = getattr(part, field.name), dice.randrange(6)
    place = dice.randrange(len(values)) if values else 0
    if not values or kind == 0:
        return _append(values, field, messages, dice)
    if kind == 1:
        del values[place]
        return f"loses entry {place}"
    if kind == 2:
        part.ClearField(field.name)
        return "cleared"
    if kind == 3:
        kept, other = list(map(_apart, values)), dice.randrange(len(values))
        kept[place], kept[other] = kept[other], kept[place]
        del values[:]
        values.extend(kept)
        return f"entries {place} and {other} exchanged"
    if kind == 4 or field.message_type is not None:
        copies = dice.choice(_COPIES if field.message_type is None else _COPIES[:3])
        values.extend([_apart(values[place])] * copies)
        return f"entry {place} given {copies} times more"
    values[place] = scalar(field, values[place], dice)
    return f"entry {place} becomes {values[place]!r:.60}"


def _append(values: Any, field: Any, messages: dict[str, list[Any]], dice: Dice) -> str:
    if field.message_type is None:
        values.append(scalar(field, 0, dice))
        return f"gets {values[-1]!r:.60}"
    like = messages.get(field.message_type.name)
    values.add().CopyFrom(_apart(dice.choice(like))) if like else values.add()
    return "gets an entry"


def _change_map(part: Any, field: Any, messages: dict[str, list[Any]], dice: Dice) -> str:
    values, value_field = getattr(part, field.name), field.message_type.fields_by_name["value"]
    keys, kind = sorted(values), dice.randrange(4)
    key_field = field.message_type.fields_by_name["key"]
    new = scalar(key_field, "", dice)
    if not keys or kind == 0:
        keys, old = [new, *keys], None
    else:
        old = dice.choice(keys)
    if old is not None and kind == 1:
        del values[old]
        return f"loses {old!r:.60}"
    key = new if old is None or kind == 2 else old
    if value_field.message_type is None:
        values[key] = scalar(value_field, values[old] if old is not None else "", dice)
        return f"{key!r:.60} becomes {values[key]!r:.60}"
    like = messages.get(value_field.message_type.name) or [values[key]]
    values[key].CopyFrom(_apart(dice.choice(like)))
    if kind == 2 and old is not None:
        del values[old]
    return f"{key!r:.60} becomes one from elsewhere"


def _apart(value: Any) -> Any:
    """Return a copy of a message, which nothing that happens to its parents changes; other values as they are."""
    if not hasattr(value, "CopyFrom"):
        return value
    copy = type(value)()
    copy.CopyFrom(value)
    return copy


def scalar(field: Any, value: Any, dice: Dice) -> Any:
    """Return another value for a field that is no message."""
    kind = field.cpp_type
    if kind == field.CPPTYPE_BOOL:
        return not value
    if kind in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return dice.number()
    if kind == field.CPPTYPE_STRING:
        if field.type == field.TYPE_BYTES:
            return dice.choice(
                (b"", NOT_UTF8, value[: len(value) // 2] if value else b"1", b"x" * 500)
            )
        text = dice.choice((dice.text(), _STANDS_FOR_IT))
        return text.encode(errors="ignore").decode()
    if kind == field.CPPTYPE_ENUM:
        known = [each.number for each in field.enum_type.values]
        strange = () if field.enum_type.is_closed else (99,)  # a closed one takes no other number
        return dice.choice((*known, *known, *strange))
    low, high = next(
        (b for name, b in _BOUNDS.items() if kind == getattr(field, f"CPPTYPE_{name}")), _INT64
    )
    return min(max(dice.near(int(value or 0)), low), high)
