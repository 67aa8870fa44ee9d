"""Writes docs/targets.md from the rules: `python -m edge_deeplab.checker.rules_page > docs/targets.md`.

A section of the page is a file of rules; its first paragraph is the comment that the file opens with.
"""

import re
import sys
from collections.abc import Iterator
from importlib.resources import files

from edge_deeplab.checker.explain import describe_condition, profiles_with
from edge_deeplab.checker.facts import FACTS
from edge_deeplab.checker.rules import (
    Profile,
    Rule,
    family_names,
    load_family,
    load_profile,
    profile_names,
)
from edge_deeplab.targets import TARGETS

_OPENING = """\
# What each target runs

<!-- Written by `python -m edge_deeplab.checker.rules_page`; edit the rules, not this page. -->

`edge-deeplab check FILE --profile NAME` holds every operator of an exported file against the rules below. They are
data, a TOML file a section in `edge_deeplab/checker/rules/`, and each has its source, its date and a confidence:

- **source**: read in the runtime's own code or documentation;
- **measured**: seen in a run of the runtime that is named;
- **reported**: told by others, and not checked here. All limits of Apple's Neural Engine are of this kind.

An operator that several rules speak about gets the worst verdict among theirs:

- **ok**: the target runs it. Where a rule says so it has something to add.
- **slow**: it runs, off the fast path.
- **fallback**: another processor or kernel runs it, which splits the graph there.
- **rejected**: the file does not load.

Words in *italics* stand for what the file says of the operator. A rule holds only where the file tells all that it
asks for: what is not known raises no alarm. `edge-deeplab check --explain RULE` prints one rule in full.
"""
_PLACEHOLDER = re.compile(r"\{(\w+)(?::[^}]*)?\}")


def write_page() -> str:
    """Return the page as Markdown."""
    families = [load_family(name) for name in family_names()]
    sections = [_OPENING, _profiles_table()]
    for file_format, target in TARGETS.items():
        own = [family for family in families if family.format == file_format]
        sections += [f"## {target.label}\n", *(_section(family) for family in own)]
    return "\n".join(sections)


def _profiles_table() -> str:
    rows = (_profile_row(load_profile(name)) for name in profile_names())
    return "\n".join(
        ["## Profiles\n", "| profile | what it is | rules |", "|---|---|---|", *rows, ""]
    )


def _profile_row(profile: Profile) -> str:
    is_default = profile.name == TARGETS[profile.format].default_profile
    default = " (taken when none is named)" if is_default else ""
    return f"| `{profile.name}`{default} | {_cell(profile.title)} | {len(profile.rules)} |"


def _section(family: Profile) -> str:
    lines = [f"### {family.name}\n", _opening_comment(family.name), ""]
    if family.variants:
        names = ", ".join(f"`{family.name}-{variant.suffix}`" for variant in family.variants)
        lines += [f"Profiles: {names}.", ""]
    if family.stops_at_first_unsupported:
        lines += ["Everything after the first operator that falls back falls back as well.", ""]
    if not family.accelerator:
        lines += ["Nothing is split off here, so no partitions are predicted.", ""]
    if family.prunes_unpacking:
        lines += ["What only unpacks a stored tensor is pruned and makes no partition.", ""]
    if family.splits_depth_first:
        lines += [
            "The compiler walks from the outputs back, and computes on the processor as late as it can.",
            "",
        ]
    lines += ["| rule | verdict | speaks about | why, and what mends it | evidence |"]
    lines += ["|---|---|---|---|---|", *(_row(rule, family) for rule in family.rules), ""]
    return "\n".join([*lines, *_known_operators(family)])


def _row(rule: Rule, family: Profile) -> str:
    held = profiles_with(rule)
    only = "" if len(held) in (1, len(family.variants)) else f" ({_span(held, family.name)} only)"
    reason = _sentence(rule.reason)
    mending = f" Mended by: {_words(rule.rewrite)}." if rule.rewrite else ""
    name = f" (`{rule.mend}`)" if rule.mend else ""
    cells = (
        f"`{rule.id}`",
        rule.verdict,
        f"{'any other operator' if _known(rule) else describe_condition(rule)}{only}",
        f"{reason}{mending.removesuffix('.')}{name}{'.' if mending else ''}",
        f"{_words(rule.source)} ({rule.confidence}, {rule.date})",
    )
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _known_operators(family: Profile) -> Iterator[str]:
    for rule in family.rules:
        if known := _known(rule):
            yield f"Operators that it knows: {', '.join(f'`{name}`' for name in known)}.\n"


def _known(rule: Rule) -> list[str]:
    """Return the operators that a rule about all others leaves out; empty for other rules."""
    if rule.operators or len(rule.when) != 1 or list(rule.when[0]) != ["type"]:
        return []
    wanted = rule.when[0]["type"]
    return list(wanted.get("not_in", ())) if isinstance(wanted, dict) else []


def _span(names: tuple[str, ...], family: str) -> str:
    suffixes = [name.removeprefix(f"{family}-") for name in names]
    return ", ".join(suffixes) if suffixes else "none"


def _opening_comment(name: str) -> str:
    text = (files(__package__) / "rules" / f"{name}.toml").read_text("utf-8")
    comment = re.match(r"(?:#[^\n]*\n)*", text)
    lines = (line.lstrip("#").strip() for line in (comment[0] if comment else "").splitlines())
    return "\n".join(lines)


def _sentence(text: str) -> str:
    words = _words(text)
    return f"{words[:1].upper()}{words[1:]}."


def _words(text: str) -> str:
    """Return a text with the facts in braces as words in italics."""
    named = _PLACEHOLDER.sub(lambda match: f"*{FACTS[match[1]].told_as}*", text)
    return named.replace("*x*", "* x *")  # numbers stand closer than words may


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(write_page())
