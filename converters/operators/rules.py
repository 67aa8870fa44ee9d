"""Rules about operators, kept as data: one TOML file a profile in `rules/`, read and checked here.

The idea to hold: a rule is a condition over facts (`facts.FACTS`) and a verdict with its evidence. It knows nothing
of file formats beyond the operator types it names, so a new profile is a new TOML file and its examples in the tests.

    [[rules]]
    id = "onnx-cpu.dilated-depthwise"
    operators = ["Conv"]                       # types it is about; left out: all
    when = [{ depthwise = true, rate = { above = 1 } }]   # any of these; in each all of its conditions
    verdict = "slow"
    reason = "... rate {rate} ..."             # facts in braces are filled in
    source = "..."  date = "2026-08"  confidence = "source"   # or "measured", "reported"
    rewrite = "..."                            # what mends it; left out: nothing known
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any

from edge_deeplab.converters.operators.facts import FACTS, Fact
from edge_deeplab.errors import ConfigError, unknown_choice

VERDICTS = ("ok", "slow", "fallback", "rejected")
"""From best to worst."""
CONFIDENCES = ("source", "measured", "reported")

DEFAULT_PROFILES: Mapping[str, str] = {
    "tflite": "tflite-xnnpack",
    "onnx": "onnx-cpu",
    "coreml": "coreml-ane-a14",
}
"""Profile that a file of each format is held against when none is named."""

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "above": lambda fact, limit: fact > limit,
    "below": lambda fact, limit: fact < limit,
    "not": lambda fact, other: fact != other,
    "not_in": lambda fact, others: fact not in others,
    "in": lambda fact, others: fact in others,
}
Condition = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """One rule.

    Args:
        id: "<profile>.<what it is about>", unique.
        verdict: one of `VERDICTS`.
        reason: one sentence with facts in braces.
        source: where it was read or measured.
        date: when, as year and month.
        confidence: one of `CONFIDENCES`.
        operators: operator types it is about; empty for all.
        when: alternatives, each a table of facts and what they must be: a value, or a comparison ({above = 1}).
        rewrite: what mends it, or None.
    """

    id: str
    verdict: str
    reason: str
    source: str
    date: str
    confidence: str
    operators: tuple[str, ...] = ()
    when: tuple[Condition, ...] = ({},)
    rewrite: str | None = None

    def matches(self, facts: Mapping[str, Fact]) -> bool:
        """Tell whether the rule speaks about an operator with these facts."""
        if self.operators and facts["type"] not in self.operators:
            return False
        return any(
            all(_holds(facts.get(name), wanted) for name, wanted in alternative.items())
            for alternative in self.when
        )


@dataclass(frozen=True)
class Profile:
    """What one runtime, on one kind of device, does with operators.

    Args:
        name: as `check --profile` takes it; also the TOML file's name.
        format: file format that it reads.
        title: what it is, for people.
        ok_reason: what an operator that no rule speaks about is told; honest about how much the rules cover.
        measured: whether its facts are measured on this machine.
        rules: its rules.
    """

    name: str
    format: str
    title: str
    ok_reason: str
    measured: bool
    rules: tuple[Rule, ...]

    def worst_rule(self, facts: Mapping[str, Fact]) -> Rule | None:
        """Return the rule with the worst verdict among those that match, the first of equals; None when none does."""
        matching = [rule for rule in self.rules if rule.matches(facts)]
        return max(matching, key=lambda rule: VERDICTS.index(rule.verdict), default=None)


def profile_names() -> tuple[str, ...]:
    """Return the names of all profiles, sorted."""
    folder = files(__package__) / "rules"
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def load_profile(name: str) -> Profile:
    """Return a profile by name.

    Raises:
        ConfigError: for an unknown profile (the choices are listed) or a file of rules that is not well formed.
    """
    if name not in profile_names():
        raise unknown_choice("profile", name, profile_names())
    text = (files(__package__) / "rules" / f"{name}.toml").read_text("utf-8")
    return parse_profile(name, tomllib.loads(text))


def parse_profile(name: str, document: Mapping[str, Any]) -> Profile:
    """Return the profile that a TOML document describes.

    Raises:
        ConfigError: naming the profile and what is wrong with it.
    """
    _check_keys(
        f"profile {name}", document, {"format", "title", "ok_reason"}, {"measured", "rules"}
    )
    rules = tuple(_parse_rule(name, entry) for entry in document.get("rules", ()))
    if len({rule.id for rule in rules}) != len(rules):
        raise ConfigError(f"profile {name} has two rules of one id; ids are unique; rename one")
    return Profile(
        name=name,
        format=document["format"],
        title=document["title"],
        ok_reason=document["ok_reason"],
        measured=bool(document.get("measured", False)),
        rules=rules,
    )


def _parse_rule(profile: str, entry: Mapping[str, Any]) -> Rule:
    where = f"rule {entry.get('id', '(without id)')} of profile {profile}"
    known = {field.name for field in fields(Rule)}
    optional = {"operators", "when", "rewrite"}
    _check_keys(where, entry, known - optional, optional)
    rule = Rule(
        **{
            **entry,
            "operators": tuple(entry.get("operators", ())),
            "when": tuple(entry.get("when", ({},))),
        }
    )
    if rule.verdict not in VERDICTS or rule.confidence not in CONFIDENCES:
        raise ConfigError(
            f"{where} has verdict {rule.verdict!r} and confidence {rule.confidence!r}; "
            f"one of {', '.join(VERDICTS)} and one of {', '.join(CONFIDENCES)} were expected"
        )
    for alternative in rule.when:
        _check_condition(where, alternative)
    for text in (rule.reason, rule.source, rule.rewrite or ""):
        _check_placeholders(where, text)
    return rule


def _check_placeholders(where: str, text: str) -> None:
    for _, name, _, _ in Formatter().parse(text):
        if name is not None and name not in FACTS:
            raise unknown_choice(f"fact in {where}", name, tuple(FACTS))


def _check_condition(where: str, alternative: Condition) -> None:
    for name, wanted in alternative.items():
        if name not in FACTS:
            raise unknown_choice(f"fact in {where}", name, tuple(FACTS))
        for comparison in wanted if isinstance(wanted, Mapping) else ():
            if comparison not in _COMPARISONS:
                raise unknown_choice(f"comparison in {where}", comparison, tuple(_COMPARISONS))


def _check_keys(
    where: str, table: Mapping[str, Any], required: Sequence[str] | set[str], optional: set[str]
) -> None:
    missing = sorted(set(required) - set(table))
    if missing:
        raise ConfigError(f"{where} lacks {', '.join(missing)}; add it to the profile's TOML file")
    for key in table:
        if key not in {*required, *optional}:
            raise unknown_choice(f"key in {where}", key, sorted({*required, *optional}))


def _holds(fact: Fact | None, wanted: Any) -> bool:
    if fact is None:
        return False
    if isinstance(wanted, Mapping):
        return all(_COMPARISONS[name](fact, limit) for name, limit in wanted.items())
    return bool(fact == wanted)
