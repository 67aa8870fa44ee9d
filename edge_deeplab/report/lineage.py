"""Where files come from, as their own provenance tells it: one step a checkpoint, back to the first one.

A provenance is a stranger's: what in it is of another form is passed over, and nothing of it is long.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_deeplab.documents import is_finite
from edge_deeplab.text import printable

if TYPE_CHECKING:
    from edge_deeplab.models.checkpoint import Checkpoint

_MOST_STEPS = 12
_MOST_LINES = 120
_LONGEST_LINE = 160


@dataclass(frozen=True)
class Detail:
    """One thing that is known: what it is called, and what it is."""

    name: str
    value: str


@dataclass(frozen=True)
class Ancestor:
    """A checkpoint on the way.

    Args:
        name: of the checkpoint; empty where its descendant does not name it.
        sha256: of its file; empty where it is not told.
        made_by: what made it: training, pruning, quantization, import.
        facts: in a line each.
        recipe: as TOML-like lines; none where it is not told.
    """

    name: str
    sha256: str
    made_by: str
    facts: tuple[Detail, ...]
    recipe: tuple[str, ...]


@dataclass(frozen=True)
class Story:
    """Where one checkpoint comes from.

    Args:
        name: of the checkpoint.
        steps: it first, then what it starts from, back to the first.
    """

    name: str
    steps: tuple[Ancestor, ...]


def story_of(checkpoint: "Checkpoint") -> Story:
    """Return where a checkpoint comes from."""
    info = checkpoint.info
    told: Any = {
        "checkpoint": checkpoint.name,
        "sha256": checkpoint.sha256,
        **info.provenance,
    }
    steps = [_step(each) for each in _back(told)]
    if info.pruning is not None and steps:
        facts = (*steps[0].facts, *_budgets(info.pruning))
        steps[0] = Ancestor(
            steps[0].name, steps[0].sha256, steps[0].made_by, facts, steps[0].recipe
        )
    return Story(checkpoint.name, tuple(steps))


def ancestors_of(checkpoint: "Checkpoint") -> set[str]:
    """Return the hashes of what a checkpoint starts from, as it tells."""
    pruned = checkpoint.info.pruning or {}
    hashes = [each.get("sha256") for each in _back(checkpoint.info.provenance)]
    return {h for h in (*hashes, pruned.get("parent_sha256")) if isinstance(h, str) and h}


def _back(told: Any) -> Iterator[Mapping[str, Any]]:
    for _ in range(_MOST_STEPS):
        if not isinstance(told, Mapping):
            return
        yield told
        told = told.get("starts_from")


def _step(told: Mapping[str, Any]) -> Ancestor:
    recipe = told.get("recipe")
    sections: Mapping[str, Any] = recipe if isinstance(recipe, Mapping) else {}
    facts = [
        *_listed("data", told.get("data")),
        *_epochs(sections),
        *_teacher(told.get("taught_by")),
        *_imported(told.get("imported")),
        *_packages(told.get("packages")),
    ]
    return Ancestor(
        _text(told.get("checkpoint")),
        _text(told.get("sha256")),
        _made_by(told, sections),
        tuple(facts),
        tuple(_lines(sections)),
    )


def _made_by(told: Mapping[str, Any], recipe: Mapping[str, Any]) -> str:
    if "quantization" in recipe:
        return "quantization-aware training"
    if "pruning" in recipe:
        return "pruning and fine-tuning"
    if isinstance(told.get("imported"), Mapping):
        return "import"
    return "training" if recipe else "not told"


def _epochs(recipe: Mapping[str, Any]) -> list[Detail]:
    optimiser = recipe.get("optimiser")
    if not isinstance(optimiser, Mapping) or "epochs" not in optimiser:
        return []
    seed = f", seed {_text(recipe['seed'])}" if "seed" in recipe else ""
    return [Detail("epochs", f"{_text(optimiser['epochs'])}{seed}")]


def _budgets(pruning: Mapping[str, Any]) -> Iterator[Detail]:
    """Yield what a pruned checkpoint says of its parent and budgets."""
    parent, digest = _text(pruning.get("parent")), _text(pruning.get("parent_sha256"))
    if parent:
        yield Detail("pruned from", f"{parent} {digest[:12]}".strip())
    budgets = pruning.get("budgets")
    for name, shares in budgets.items() if isinstance(budgets, Mapping) else ():
        if isinstance(shares, Mapping):
            asked, met = (_share(shares.get(key)) for key in ("asked", "met"))
            yield Detail(f"budget: {_text(name)}", f"{asked} asked, {met} met")
    removed = pruning.get("removed")
    if isinstance(removed, Mapping):
        yield Detail("narrowed", f"{len(removed)} layers")


def _share(value: Any) -> str:
    return f"{value:.1%}" if is_finite(value) else "not told"


def _teacher(told: Any) -> list[Detail]:
    if not isinstance(told, Mapping):
        return []
    return [
        Detail("taught by", f"{_text(told.get('checkpoint'))} {_text(told.get('sha256'))[:12]}")
    ]


def _imported(told: Any) -> list[Detail]:
    if not isinstance(told, Mapping):
        return []
    names = ("file", "sha256", "licence")
    return [Detail(f"imported {name}", _text(told[name])) for name in names if name in told]


def _packages(told: Any) -> list[Detail]:
    if not isinstance(told, Mapping) or not told:
        return []
    versions = [f"{_text(name)} {_text(version)}" for name, version in list(told.items())[:12]]
    return [Detail("packages", ", ".join(versions))]


def _listed(name: str, told: Any) -> list[Detail]:
    if not isinstance(told, Sequence) or isinstance(told, str) or not told:
        return []
    return [Detail(name, ", ".join(_text(each) for each in list(told)[:12]))]


def _lines(recipe: Mapping[str, Any]) -> Iterator[str]:
    """Yield a recipe as the lines of its file, at most `_MOST_LINES`."""
    plain = {k: v for k, v in recipe.items() if not isinstance(v, Mapping)}
    tables = {k: v for k, v in recipe.items() if isinstance(v, Mapping)}
    lines = [f"{_text(key)} = {_value(value)}" for key, value in plain.items()]
    for name, table in tables.items():
        lines += ["", f"[{_text(name)}]"]
        lines += [f"{_text(key)} = {_value(value)}" for key, value in table.items()]
    yield from lines[:_MOST_LINES]
    if len(lines) > _MOST_LINES:
        yield f"# and {len(lines) - _MOST_LINES} lines more"


def _value(value: Any) -> str:
    try:
        return printable(json.dumps(value, ensure_ascii=False))[:_LONGEST_LINE]
    except (TypeError, ValueError):
        return _text(value)


def _text(value: Any) -> str:
    return "" if value is None else printable(str(value)[:_LONGEST_LINE])
