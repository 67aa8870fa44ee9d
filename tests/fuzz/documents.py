"""Mutations of JSON and TOML documents: the tree is changed, and single values become what no writer would write.

A value that no Python object stands for (1e400, a nesting of 100,000 lists) is a `Token`: its text goes into the file
as it is.
"""

import copy
import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fuzz.dice import Dice
from tests.fuzz.plain import Mutated, mutate_bytes

Place = tuple[Any, Any]
"""A container and the key or position of a value in it."""
_DESCENT = 0.85
_MOST_TEXT = 1 << 21
_DEPTHS = (3, 60, 900, 5_000, 100_000)
_TOKENS = ("1e400", "-1e400", "9" * 30, "9" * 5_000, "nan", "NaN", "inf", "-Infinity", "1979-05-27")


@dataclass(frozen=True)
class Token:
    """Text that stands for a value."""

    text: str


def mutate_json(content: bytes, dice: Dice) -> Mutated:
    """Return a JSON document with one to three values changed, or with its text damaged."""
    if dice.random() < 0.1:
        return mutate_bytes(content, dice)
    document, told = mutate_tree(json.loads(content), dice)
    return encode(dump_json(document)), told


def mutate_toml(content: bytes, dice: Dice) -> Mutated:
    """Return a TOML document with one to three values changed, or with its text damaged."""
    if dice.random() < 0.15:
        return mutate_bytes(content, dice)
    document, told = mutate_tree(tomllib.loads(content.decode()), dice)
    return encode(dump_toml(document)), told


def encode(text: str) -> bytes:
    """Return a text as a file holds it; half of a surrogate pair stays what it is."""
    return text.encode("utf-8", "surrogatepass")


def mutate_tree(document: Any, dice: Dice) -> tuple[Any, str]:
    """Return a changed copy of a document and what was changed."""
    holder, told = [copy.deepcopy(document)], list[str]()
    for _ in range(dice.choices((1, 2, 3), (8, 2, 1))[0]):
        repeated = any(each.startswith(repeat.__name__) for each in told)
        told.append(mutate_once(holder, dice, may_repeat=not repeated))
    return holder[0], "; ".join(told)


def mutate_once(holder: list[Any], dice: Dice, *, may_repeat: bool = True) -> str:
    """Change one value of the document in `holder`, in place, and say which; thousands of thousands fill the disk."""
    container, key = choose_place(holder, dice)
    change = dice.choices(CHANGES, (8, 4, 2, 2 * may_repeat, 2, 2, 1))[0]
    told = change(container, key, dice)
    holder[:] = holder[:1] or [None]  # where the whole document was dropped or doubled
    return f"{change.__name__} {key!r}: {told}"[:200]


def choose_place(holder: list[Any], dice: Dice) -> Place:
    """Return a place of the tree, sought from its top: a long list must not outweigh all that stands above it."""
    container: Any = holder
    key: Any = 0
    while isinstance(container[key], dict | list) and container[key] and dice.random() < _DESCENT:
        container = container[key]
        key = dice.choice(list(container) if isinstance(container, dict) else range(len(container)))
    return container, key


def replace(container: Any, key: Any, dice: Dice) -> str:
    """Put another value in, of the same type or of another."""
    value = container[key]
    container[key] = another(value, dice)
    return f"{value!r:.60} becomes {container[key]!r:.60}"


def another(value: Any, dice: Dice) -> Any:
    """Return a value that differs from `value`."""
    others = (dice.integer(), dice.number(), dice.text(), [], {}, None, True, False)
    if isinstance(value, bool) or value is None or dice.random() < 0.4:
        return dice.choice((*others, Token(dice.choice(_TOKENS)), [value], {"a": value}))
    if isinstance(value, int):
        return dice.near(value)
    if isinstance(value, float):
        return dice.number()
    return dice.text() if isinstance(value, str) else dice.choice(others)


def drop(container: Any, key: Any, dice: Dice) -> str:
    """Take a value out."""
    del container[key]
    return "gone"


def add(container: Any, key: Any, dice: Dice) -> str:
    """Put a value beside another, under a name that nobody expects."""
    value = copy.deepcopy(container[key])
    if isinstance(container, dict):
        name = dice.choice((dice.text(), "unknown", str(key).upper()))
        container[name] = value
        return f"again as {name!r:.60}"
    container.insert(key, value)
    return "twice"


def repeat(container: Any, key: Any, dice: Dice) -> str:
    """Make a value a list of many copies of itself."""
    value = container[key]
    fits = _MOST_TEXT // len(repr(value))
    count = min(dice.choice((2, 3, 256, 300, 20_000)), max(2, fits))
    container[key] = value * count if isinstance(value, list) else [value] * count
    return f"{count} times"


def swap(container: Any, key: Any, dice: Dice) -> str:
    """Exchange a value with one of its neighbours."""
    other = dice.choice(list(container) if isinstance(container, dict) else range(len(container)))
    container[key], container[other] = container[other], container[key]
    return f"exchanged with {other!r}"


def nest(container: Any, key: Any, dice: Dice) -> str:
    """Put a value deep into containers."""
    depth = dice.choice(_DEPTHS)
    container[key] = Token("[" * depth + "1" + "]" * depth)
    return f"{depth} lists deep"


def rename(container: Any, key: Any, dice: Dice) -> str:
    """Give a value another name."""
    if not isinstance(container, dict):
        return replace(container, key, dice)
    name = dice.text()
    container[name] = container.pop(key)
    return f"now {name!r:.60}"


CHANGES: tuple[Callable[[Any, Any, Dice], str], ...] = (
    replace,
    drop,
    add,
    repeat,
    swap,
    nest,
    rename,
)


def dump_json(document: Any) -> str:
    """Return a document as JSON, tokens as they are."""
    tokens: list[str] = []

    def keep(token: Token) -> str:
        tokens.append(token.text)
        return f"@token {len(tokens) - 1}@"

    text = json.dumps(document, default=keep)
    for number, token in enumerate(tokens):
        text = text.replace(f'"@token {number}@"', token)
    return text


def dump_toml(document: Any) -> str:
    """Return a document as TOML, with inline tables below its keys; what is no table becomes the value of one key."""
    if not isinstance(document, dict):
        return f"document = {_toml(document)}\n"
    return "".join(f"{json.dumps(key)} = {_toml(value)}\n" for key, value in document.items())


def _toml(value: Any) -> str:
    if isinstance(value, Token):
        return value.text
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, float):
        return repr(value)
    return '""' if value is None else json.dumps(value, default=str)
