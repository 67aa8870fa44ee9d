"""One rule in words: what `check --explain` prints and the page of rules is made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from edge_deeplab.checker.facts import FACTS
from edge_deeplab.checker.judging import OBSERVED
from edge_deeplab.checker.rules import (
    Condition,
    Rule,
    family_names,
    load_family,
    load_profile,
    profile_names,
)
from edge_deeplab.checker.verdicts import Confidence, Verdict
from edge_deeplab.errors import ConfigError

_CONFIDENCE_WORDS: Mapping[Confidence, str] = {
    Confidence.SOURCE: "read in the runtime's source or documentation",
    Confidence.MEASURED: "measured",
    Confidence.REPORTED: "reported by others",
}
_COMPARISON_WORDS: Mapping[str, str] = {
    "above": "above",
    "below": "below",
    "not": "other than",
    "in": "one of",
    "not_in": "none of",
    "not_multiple_of": "no multiple of",
}


_OBSERVED = Rule(
    id=OBSERVED,
    verdict=Verdict.OK,  # in words "as observed": the plan decides
    reason="a Mac's compute plan tells where Core ML runs the operator: ok on the profile's device, fallback on "
    "another, rejected where the package does not load",
    source="MLComputePlan of coremltools, in the result that check --merge was given",
    date="the day of that run",
    confidence=Confidence.MEASURED,
)
"""What `check --merge` puts in place of the rules of Core ML's profiles."""


@dataclass(frozen=True)
class ExplainedRule:
    """A rule, and where it holds.

    Args:
        rule: as its file has it, conditions on devices undecided.
        profiles: names of the profiles that have it.
        verdict: its verdict, or "as observed" where what was observed decides.
    """

    rule: Rule
    profiles: tuple[str, ...]
    verdict: str

    @property
    def condition(self) -> str:
        """What the rule is about, in words."""
        return describe_condition(self.rule)

    @property
    def confidence(self) -> str:
        """How well the rule is known, in words."""
        return f"{self.rule.confidence}: {_CONFIDENCE_WORDS[self.rule.confidence]}"

    def to_json(self) -> dict[str, Any]:
        """Return the explanation as plain JSON values."""
        rule = self.rule
        return {
            "rule": rule.id,
            "verdict": self.verdict,
            "condition": self.condition,
            "operators": list(rule.operators),
            "when": [dict(alternative) for alternative in rule.when],
            "reason": rule.reason,
            "rewrite": rule.rewrite,
            "mend": rule.mend,
            "source": rule.source,
            "date": rule.date,
            "confidence": rule.confidence,
            "profiles": list(self.profiles),
        }


def explain_rule(rule_id: str) -> ExplainedRule:
    """Return a rule by its id, and the profiles that have it.

    Raises:
        ConfigError: for an unknown id; the closest known ones are named, or those of a profile whose name it is.
    """
    if rule_id == OBSERVED:
        core_ml = tuple(n for n in profile_names() if load_profile(n).observed_by == "mac")
        return ExplainedRule(_OBSERVED, core_ml, "as observed")
    families = {rule.id: name for name in family_names() for rule in load_family(name).rules}
    if rule_id not in families:
        raise _unknown_rule(rule_id, tuple(families))
    rule = next(r for r in load_family(families[rule_id]).rules if r.id == rule_id)
    return ExplainedRule(rule, profiles_with(rule), rule.verdict)


def profiles_with(rule: Rule) -> tuple[str, ...]:
    """Return the names of the profiles that have a rule: of a family's, those on whose device it can hold."""
    family = rule.id.split(".")[0]
    loaded = (load_profile(name) for name in profile_names() if name.startswith(family))
    return tuple(
        profile.name
        for profile in loaded
        if profile.family == family and any(own.id == rule.id for own in profile.rules)
    )


def describe_condition(rule: Rule) -> str:
    """Return what a rule is about: "CONV_2D with rate above 1, API level below 29; or with several groups"."""
    described: list[str] = []
    for alternative in rule.when:
        subject = _subject(rule, alternative, first=not described)
        rest = [_describe(name, w) for name, w in alternative.items() if name != "type"]
        described.append(" ".join([subject, *(["with", ", ".join(rest)] if rest else [])]).strip())
    return "; or ".join(described)


def _subject(rule: Rule, alternative: Condition, *, first: bool) -> str:
    """Return the operators that an alternative is about; nothing where those named before still stand."""
    wanted = alternative.get("type")
    if wanted is None:
        return (_joined(rule.operators, "or") or "any operator") if first else ""
    if not isinstance(wanted, Mapping):
        return str(wanted)
    others = [*wanted.get("not_in", ()), *([wanted["not"]] if "not" in wanted else ())]
    if others:
        return f"any {'of them' if rule.operators else 'operator'} but {_joined(others, 'and')}"
    return _joined(wanted.get("in", ()), "or")


def _describe(name: str, wanted: Any) -> str:
    fact = FACTS[name]
    words = fact.told_as
    if isinstance(wanted, bool):
        return (fact.yes_and_no or (words, f"not {words}"))[0 if wanted else 1]
    if not isinstance(wanted, Mapping):
        return f"{words} {wanted}"
    return " and ".join(
        f"{words} {_COMPARISON_WORDS[comparison]} {_value(limit)}"
        for comparison, limit in wanted.items()
    )


def _value(limit: Any) -> str:
    if isinstance(limit, list):
        return _joined([_value(one) for one in limit], "or")
    return "standard" if limit == "" else str(limit)


def _joined(names: Iterable[Any], word: str) -> str:
    *first, last = [str(name) for name in names] or [""]
    return f"{', '.join(first)} {word} {last}" if first else last


def _unknown_rule(rule_id: str, known: tuple[str, ...]) -> ConfigError:
    if rule_id in profile_names() or rule_id in family_names():
        named = load_profile(rule_id) if rule_id in profile_names() else load_family(rule_id)
        return ConfigError(
            f"{rule_id!r} is a profile; the id of one rule was expected; its rules are "
            f"{_joined((rule.id for rule in named.rules), 'and')}"
        )
    family = rule_id.split(".")[0]
    near = get_close_matches(rule_id, known, n=3) or [
        name for name in known if name.split(".")[0] == family
    ]
    hint = f"perhaps {_joined(near, 'or')} was meant" if near else "its form is FILE.WHAT"
    return ConfigError(
        f"unknown rule {rule_id!r}; an id as check prints it was expected, {hint}; "
        "docs/targets.md lists all"
    )
