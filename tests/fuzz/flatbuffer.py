"""Mutations of a TFLite file that know its schema: one field of one table is changed, then the file is packed again.

Tables are chosen by their type first, so that the one list of subgraphs is changed as often as the many tensors.
"""

import struct
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.fuzz.dice import Dice
from tests.fuzz.flatbuffer_layout import mutate_layout
from tests.fuzz.plain import Mutated, mutate_bytes

_TRIES = 50
_PACKING_ERRORS = (struct.error, TypeError, ValueError, AttributeError, OverflowError)
"""What the schema's classes raise for a value that its field cannot hold."""
_CHANCES = {
    "TensorT": 24,
    "OperatorT": 18,
    "QuantizationParametersT": 8,
    "SubGraphT": 5,
    "BufferT": 1,
}
_USUAL_CHANCE = 2
_TELLING = {
    "shape",
    "type",
    "buffer",
    "inputs",
    "outputs",
    "opcodeIndex",
    "scale",
    "zeroPoint",
    "quantizedDimension",
}
"""Fields that kernels rely on; they are changed four times as often as the others of their table."""
_INTEGER_TYPES = {schema.TensorType.INT32: np.int32, schema.TensorType.INT64: np.int64}
_LONGEST_SETTING = 64
_SHARE_CONSTANTS = 0.15
Tables = dict[str, list[Any]]


def mutate_tflite(content: bytes, dice: Dice) -> Mutated:
    """Return a TFLite file with fields, offsets or bytes changed."""
    kind = dice.random()
    if kind < 0.15:
        return mutate_bytes(content, dice)
    if kind < 0.35:
        return mutate_layout(content, dice)
    return mutate_fields(content, dice)


def mutate_fields(content: bytes, dice: Dice) -> Mutated:
    """Return a TFLite file in which one to three fields have other values."""
    content = pack(schema.ModelT.InitFromPackedBuf(content, 0))
    told: list[str] = []
    wanted = dice.choices((1, 2, 3), (8, 2, 1))[0]
    for _ in range(_TRIES):
        try:
            model = schema.ModelT.InitFromPackedBuf(content, 0)
        except _PACKING_ERRORS:
            break  # the change before has made it a file that the schema's classes do not read
        change = change_constant if dice.random() < _SHARE_CONSTANTS else change_field
        changed = change(model, dice)
        try:
            packed = pack(model)
        except _PACKING_ERRORS:
            continue
        if packed == content:
            continue
        content = packed
        told.append(changed)
        if len(told) == wanted:
            break
    return content, "; ".join(told)


def pack(model: Any) -> bytes:
    """Return a model as a file."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def change_field(model: Any, dice: Dice) -> str:
    """Change one field of one table of a model, in place, and say which."""
    tables: Tables = defaultdict(list)
    for table in tables_within(model):
        tables[type(table).__name__].append(table)
    names = sorted(tables)
    name = dice.choices(names, [_CHANCES.get(name, _USUAL_CHANCE) for name in names])[0]
    number = dice.randrange(len(tables[name]))
    table = tables[name][number]
    fields = sorted(vars(table)) or ["nothing"]
    field = dice.choices(fields, [4 if name in _TELLING else 1 for name in fields])[0]
    before = getattr(table, field, None)
    setattr(table, field, another(before, field, tables, dice))
    return f"{name}[{number}].{field}: {shown(before)} becomes {shown(getattr(table, field))}"


def change_constant(model: Any, dice: Dice) -> str:
    """Change a number among the sizes, axes and paddings that operators take as constants, in place."""
    constants = [
        tensor
        for graph in model.subgraphs or ()
        for tensor in graph.tensors or ()
        if tensor.type in _INTEGER_TYPES
        and 0 <= tensor.buffer < len(model.buffers or ())
        and isinstance(model.buffers[tensor.buffer].data, np.ndarray)
        and 0 < len(model.buffers[tensor.buffer].data) <= _LONGEST_SETTING
    ]
    if not constants:
        return change_field(model, dice)
    tensor = dice.choice(constants)
    buffer, dtype = model.buffers[tensor.buffer], _INTEGER_TYPES[tensor.type]
    whole = len(buffer.data) // np.dtype(dtype).itemsize * np.dtype(dtype).itemsize
    before = np.frombuffer(buffer.data.astype(np.uint8).tobytes()[:whole], dtype)
    after = _numbers(before, dice)
    buffer.data = np.frombuffer(after.tobytes(), np.uint8)
    return f"constant {tensor.name!r}: {shown(before)} becomes {shown(after)}"


def tables_within(value: Any) -> Iterator[Any]:
    """Yield every table of a model, itself first."""
    if type(value).__module__ != schema.__name__:
        return
    yield value
    for field in vars(value).values():
        for part in field if isinstance(field, list) else [field]:
            yield from tables_within(part)


def another(value: Any, field: str, tables: Tables, dice: Dice) -> Any:
    """Return a value that differs from a field's."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return dice.choice((dice.near(value), dice.randrange(0, 210), dice.randrange(0, 20)))
    if isinstance(value, float):
        return dice.number()
    if isinstance(value, bytes | str) or field in ("name", "description", "customCode"):
        return _bytes(dice)
    if value is None or dice.random() < 0.1:
        return dice.choice((None, [], _numbers(np.array([1, 2, 3], np.int32), dice)))
    if isinstance(value, np.ndarray):
        return _numbers(value, dice)
    return _list(value, dice) if isinstance(value, list) else _table(value, tables, dice)


def _bytes(dice: Dice) -> bytes:
    return dice.choice((dice.text().encode("utf-8", "surrogatepass"), b"\xff\xfe\x80", b"a\0b"))


def _numbers(values: np.ndarray, dice: Dice) -> np.ndarray:
    if values.dtype.kind == "f":
        changed = [dice.number() for _ in range(dice.choice((0, 1, len(values), 300)))]
    else:
        limits = np.iinfo(values.dtype)
        changed = [min(max(v, limits.min), limits.max) for v in dice.sizes(values)]
    with np.errstate(over="ignore"):
        return np.array(changed, values.dtype)


def _list(values: list[Any], dice: Dice) -> list[Any]:
    """Return a list with an entry taken out, given again or put elsewhere; many times the same, or empty."""
    changed, kind = list(values), dice.randrange(6)
    place = dice.randrange(len(changed)) if changed else 0
    if kind == 0 or not changed:
        return []
    if kind == 1:
        del changed[place]
    elif kind == 2:
        changed.insert(dice.randrange(len(changed) + 1), changed[place])
    elif kind == 3:
        dice.shuffle(changed)
    elif kind == 4:
        changed[place] = dice.choice(changed)
    else:
        changed += [changed[place]] * dice.choice((1, 200, 3000))
    return changed


def _table(value: Any, tables: Tables, dice: Dice) -> Any:
    """Return no table, an empty one of the type, or one of the type from elsewhere in the file."""
    like = tables[type(value).__name__]
    return dice.choice((None, type(value)(), dice.choice(like)))


def shown(value: Any) -> str:
    """Return a value in few letters; of tables, how many there are."""
    if isinstance(value, list):
        return f"list of {len(value)}"
    if type(value).__module__ == schema.__name__:
        return type(value).__name__
    return " ".join(f"{value!r:.70}".split())
