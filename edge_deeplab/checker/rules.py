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
    mend = "deinterlace"                       # entry of converters.rewrites.catalogue that does it; may be left out

One file may serve a family of devices: its `variants` are profiles of their own, each with facts about its device.

    variants = [{ suffix = "27", facts = { api = 27 } }, { suffix = "28", facts = { api = 28 } }]

Conditions on those facts are decided when a profile is loaded, so that it holds only the rules of its device.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from importlib.resources import files
from itertools import chain
from string import Formatter
from typing import Any

from edge_deeplab.checker.facts import DEVICE_FACTS, FACTS, Value
from edge_deeplab.checker.verdicts import Confidence, Verdict
from edge_deeplab.errors import ConfigError, unknown_choice
from edge_deeplab.targets import TARGETS, TargetName

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "above": lambda fact, limit: fact > limit,
    "below": lambda fact, limit: fact < limit,
    "not": lambda fact, other: fact != other,
    "not_in": lambda fact, others: fact not in others,
    "in": lambda fact, others: fact in others,
    "not_multiple_of": lambda fact, factor: fact % factor != 0,
}
Condition = Mapping[str, Any]
_SWITCHES: Mapping[str, bool] = {
    "stops_at_first_unsupported": False,
    "accelerator": True,
    "prunes_unpacking": False,
    "splits_depth_first": False,
}
"""What a profile is or does, yes or no, and what holds where its file is silent."""


@dataclass(frozen=True)
class Rule:
    """One rule. What is not known raises no alarm: it holds only where every fact that its sentences name is told.

    Args:
        id: "<TOML file>.<what it is about>", unique.
        verdict: what becomes of the operator.
        reason: one sentence with facts in braces.
        source: where it was read or measured.
        date: when, as year and month.
        confidence: how it is known.
        operators: operator types it is about; empty for all.
        when: alternatives, each a table of facts and what they must be: a value, or a comparison ({above = 1}).
        rewrite: what mends it, or None.
        mend: name of the catalogued rewrite that does so, or None.
    """

    id: str
    verdict: Verdict
    reason: str
    source: str
    date: str
    confidence: Confidence
    operators: tuple[str, ...] = ()
    when: tuple[Condition, ...] = ({},)
    rewrite: str | None = None
    mend: str | None = None

    @cached_property
    def named_facts(self) -> frozenset[str]:
        """Facts in braces in its sentences."""
        return frozenset(
            name for text in (self.reason, self.source, self.rewrite) for name in _named_in(text)
        )

    def matches(self, facts: Mapping[str, Value]) -> bool:
        """Tell whether the rule speaks about an operator with these facts."""
        if self.operators and facts["type"] not in self.operators:
            return False
        holds = any(
            all(_holds(facts.get(name), wanted) for name, wanted in alternative.items())
            for alternative in self.when
        )
        return holds and self.named_facts <= facts.keys()


@dataclass(frozen=True)
class Variant:
    """One device of a family that a TOML file serves.

    Args:
        suffix: what the profile's name ends in, after the file's name and a dash.
        facts: what is known of the device.
    """

    suffix: str
    facts: Mapping[str, Value]


@dataclass(frozen=True)
class Profile:
    """What one runtime, on one kind of device, does with operators.

    Args:
        name: as `check --profile` takes it.
        format: file format that it reads.
        title: what it is, for people.
        ok_reason: what an operator that no rule speaks about is told; honest about how much the rules cover.
        rules: its rules.
        observed_by: name of the observer that sees what its runtime does with a file; None where none does.
        family: the TOML file's name, which is the profile's own unless the file has variants.
        variants: of a family's file, the devices it serves.
        stops_at_first_unsupported: whether what comes after the first operator that falls back falls back as well.
        accelerator: whether something beside the processor takes operators; without one nothing is split off.
        prunes_unpacking: whether it takes stored tensors as they are, so that what unpacks them runs nowhere.
        splits_depth_first: whether operators are split as a compiler does that walks from the outputs back.
    """

    name: str
    format: TargetName
    title: str
    ok_reason: str
    rules: tuple[Rule, ...]
    observed_by: str | None = None
    family: str = ""
    variants: tuple[Variant, ...] = ()
    stops_at_first_unsupported: bool = False
    accelerator: bool = True
    prunes_unpacking: bool = False
    splits_depth_first: bool = False

    @cached_property
    def asked_facts(self) -> frozenset[str]:
        """Facts that its rules ask for."""
        asked = (alternative for rule in self.rules for alternative in rule.when)
        return frozenset(chain.from_iterable(asked))

    def worst_rule(self, facts: Mapping[str, Value]) -> Rule | None:
        """Return the rule with the worst verdict among those that match, the first of equals; None when none does."""
        matching = [rule for rule in self.rules if rule.matches(facts)]
        return max(matching, key=lambda rule: rule.verdict, default=None)


def family_names() -> tuple[str, ...]:
    """Return the names of the files of rules, sorted."""
    folder = files(__package__) / "rules"
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def profile_names() -> tuple[str, ...]:
    """Return the names of all profiles: those of the files, and in place of a family's those of its variants."""
    return tuple(name for family in family_names() for name in _names_in(load_family(family)))


@cache
def load_profile(name: str) -> Profile:
    """Return a profile by name.

    Raises:
        ConfigError: for an unknown profile (the choices are listed) or a file of rules that is not well formed.
    """
    if name not in profile_names():
        raise unknown_choice("profile", name, profile_names())
    family = load_family(next(f for f in family_names() if name in _names_in(load_family(f))))
    suffix = name.removeprefix(f"{family.name}-")
    variant = next((v for v in family.variants if v.suffix == suffix), None)
    return family if variant is None else _profile_of(family, variant)


def default_profiles(target: TargetName) -> list[Profile]:
    """Return the profile that a target's files are held against when none is named; none where there are no rules."""
    name = TARGETS[target].default_profile
    return [] if name is None else [load_profile(name)]


@cache
def load_family(name: str) -> Profile:
    """Return what a file of rules says, the conditions on its variants' devices undecided.

    Raises:
        ConfigError: for an unknown file, or one that is not well formed.
    """
    if name not in family_names():
        raise unknown_choice("file of rules", name, family_names())
    text = (files(__package__) / "rules" / f"{name}.toml").read_text("utf-8")
    return parse_profile(name, tomllib.loads(text))


def _names_in(family: Profile) -> tuple[str, ...]:
    named = tuple(f"{family.name}-{variant.suffix}" for variant in family.variants)
    return named or (family.name,)


def _profile_of(family: Profile, variant: Variant) -> Profile:
    """Return the profile of one device: the rules that can hold on it, its facts filled in."""
    rules = (_rule_on(rule, variant.facts) for rule in family.rules)
    return replace(
        family,
        name=f"{family.name}-{variant.suffix}",
        title=_fill(family.title, variant.facts),
        ok_reason=_fill(family.ok_reason, variant.facts),
        rules=tuple(rule for rule in rules if rule.when),
        variants=(),
    )


def _rule_on(rule: Rule, facts: Mapping[str, Value]) -> Rule:
    """Return a rule as it reads on a device; one that never holds there has no alternatives left."""
    holding = (
        alternative
        for alternative in rule.when
        if all(_holds(facts[name], alternative[name]) for name in alternative if name in facts)
    )
    return replace(
        rule,
        when=tuple({k: v for k, v in kept.items() if k not in facts} for kept in holding),
        reason=_fill(rule.reason, facts),
        source=_fill(rule.source, facts),
        rewrite=_fill(rule.rewrite, facts) if rule.rewrite else None,
    )


def _fill(text: str, facts: Mapping[str, Value]) -> str:
    """Return a text with the facts of a device in place of their names in braces; other braces stay."""
    for name, fact in facts.items():
        text = text.replace(f"{{{name}}}", str(fact))
    return text


def parse_profile(name: str, document: Mapping[str, Any]) -> Profile:
    """Return the profile that a TOML document describes.

    Raises:
        ConfigError: naming the profile and what is wrong with it.
    """
    _check_keys(
        f"profile {name}",
        document,
        {"format", "title", "ok_reason"},
        {"rules", "variants", "observed_by", *_SWITCHES},
    )
    rules = tuple(
        _parse_rule(name, document["format"], entry) for entry in document.get("rules", ())
    )
    if len({rule.id for rule in rules}) != len(rules):
        raise ConfigError(f"profile {name} has two rules of one id; ids are unique; rename one")
    return Profile(
        name=name,
        format=document["format"],
        title=document["title"],
        ok_reason=document["ok_reason"],
        rules=rules,
        observed_by=document.get("observed_by"),
        family=name,
        variants=tuple(_parse_variant(name, entry) for entry in document.get("variants", ())),
        **{key: bool(document.get(key, usual)) for key, usual in _SWITCHES.items()},
    )


def _parse_variant(profile: str, entry: Mapping[str, Any]) -> Variant:
    where = f"variant {entry.get('suffix', '(without suffix)')} of profile {profile}"
    _check_keys(where, entry, {"suffix", "facts"}, set())
    for name in entry["facts"]:
        if name not in DEVICE_FACTS:
            raise unknown_choice(f"fact in {where}", name, tuple(DEVICE_FACTS))
    return Variant(entry["suffix"], entry["facts"])


def _parse_rule(profile: str, file_format: str, entry: Mapping[str, Any]) -> Rule:
    where = f"rule {entry.get('id', '(without id)')} of profile {profile}"
    known = {field.name for field in fields(Rule)}
    optional = {"operators", "when", "rewrite", "mend"}
    _check_keys(where, entry, known - optional, optional)
    try:
        verdict, confidence = Verdict(entry["verdict"]), Confidence(entry["confidence"])
    except ValueError as error:
        raise ConfigError(
            f"{where} has verdict {entry['verdict']!r} and confidence {entry['confidence']!r}; "
            f"one of {', '.join(Verdict)} and one of {', '.join(Confidence)} were expected"
        ) from error
    rule = Rule(
        **{
            **entry,
            "verdict": verdict,
            "confidence": confidence,
            "operators": tuple(entry.get("operators", ())),
            "when": tuple(entry.get("when", ({},))),
        }
    )
    for alternative in rule.when:
        _check_comparisons(where, alternative)
    for name in (*chain.from_iterable(rule.when), *rule.named_facts):
        _check_fact(where, file_format, name)
    return rule


def _check_fact(where: str, file_format: str, name: str) -> None:
    if name not in FACTS:
        raise unknown_choice(f"fact in {where}", name, tuple(FACTS))
    formats = FACTS[name].formats
    if formats and file_format not in formats:
        raise ConfigError(
            f"{where} asks for {name}, which {file_format} files do not tell; a fact of theirs was expected; "
            f"only {' and '.join(formats)} files tell this one"
        )


def _named_in(text: str | None) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(text or "") if name is not None]


def _check_comparisons(where: str, alternative: Condition) -> None:
    for wanted in alternative.values():
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


def _holds(fact: Value | None, wanted: Any) -> bool:
    if fact is None:
        return False
    if isinstance(wanted, Mapping):
        return all(_COMPARISONS[name](fact, limit) for name, limit in wanted.items())
    return bool(fact == wanted)
