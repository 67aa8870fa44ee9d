"""An export for named devices: written, checked as a file, and written again only where a rule names a further rewrite.

The idea to hold: files are judged, never graphs, so what is said of an export is what `check` will say of it. What is
rewritten before is chosen by the operators that the file is expected to have, so that one lowering is the usual number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_deeplab.checker.judging import ProfileReport, judge
from edge_deeplab.checker.rules import Profile, default_profiles, load_profile
from edge_deeplab.checker.verdicts import Verdict
from edge_deeplab.converters.capture import CanonicalGraph
from edge_deeplab.converters.devices.atrous_forms import (
    AUTO,
    DEINTERLACE,
    NATIVE,
    ZERO_INSERT,
    AtrousChoice,
    ask_for,
    choose_forms,
    one_form,
)
from edge_deeplab.converters.devices.expected import (
    expect_beginning_and_end,
    expect_operators,
)
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite
from edge_deeplab.description import Description, Head
from edge_deeplab.errors import ConfigError, UnsupportedOperatorError
from edge_deeplab.formats.graph import FileGraph
from edge_deeplab.formats.read import read_graph
from edge_deeplab.targets import TargetName

MOST_ROUNDS = 3
"""What a rewrite leaves may be mended in turn; more than twice has not been seen."""

_ATROUS = (ZERO_INSERT, DEINTERLACE)

Lower = Callable[[CanonicalGraph], Path]
"""Writes the file of a graph, in place of one that it wrote before, and returns its path."""
Judged = list[tuple[Profile, ProfileReport]]
"""What each profile says of a file."""


@dataclass(frozen=True)
class Mended:
    """What an export asks for so that devices run it.

    Args:
        asked: the rewrites, each with the rules that named it.
        atrous: the form of each atrous convolution, where one had to be chosen.
    """

    asked: tuple[AskedRewrite, ...] = ()
    atrous: tuple[AtrousChoice, ...] = ()


UNMENDED = Mended()


def profiles_of(
    names: Sequence[str], targets: Sequence[TargetName]
) -> dict[TargetName, list[Profile]]:
    """Return, by target, the profiles among those named that read its files.

    Raises:
        ConfigError: for an unknown profile, or one that reads none of the targets' files.
    """
    profiles = [load_profile(name) for name in names]
    for profile in profiles:
        if profile.format not in targets:
            raise ConfigError(
                f"profile {profile.name} is about {profile.format} files and the export writes {', '.join(targets)}; "
                f"a profile of those was expected; add the target {profile.format}"
            )
    return {target: [p for p in profiles if p.format == target] for target in targets}


def check_precision(
    profiles: Sequence[Profile], target: TargetName, precision: str, head: Head
) -> None:
    """Refuse a precision whose files a profile does not load, whatever the network.

    Args:
        profiles: of the devices that the files are for.
        target: what reads them.
        precision: one of `PRECISIONS`.
        head: what comes out.

    Raises:
        ConfigError: with the rule's reason, and what it says to do.
    """
    operators = expect_beginning_and_end(target, precision, head)
    file = FileGraph(Path(), target, {}, operators)
    for profile, report in _judged(file, profiles):
        for verdict in report.verdicts:
            if verdict.verdict is Verdict.REJECTED:
                raise ConfigError(
                    f"precision {precision} came for profile {profile.name}, which does not load such files "
                    f"({verdict.reason}); another precision was expected; {verdict.rewrite or 'choose one'}"
                )


def foresee(
    graph: CanonicalGraph, description: Description, atrous: str, profiles: Sequence[Profile]
) -> Mended:
    """Return what a file asks for, as far as that is told before it is written.

    Args:
        graph: the canonical graph.
        description: of the file.
        atrous: form of atrous convolutions, one of `ATROUS`; for "auto" the first profile chooses, with none the
            target's default.
        profiles: of the devices that the file is for.
    """
    assert description.target is not None, "a file is made for a target"
    judges = [*profiles, *default_profiles(description.target)]
    if atrous == AUTO and judges:
        expected = expect_operators(graph.program, description)
        choices = choose_forms(graph.program, expected, judges[0])
        start = Mended(ask_for(choices, f"--atrous auto, {judges[0].name}"), choices)
    else:
        choices = one_form(graph.program, NATIVE if atrous == AUTO else atrous)
        start = Mended(ask_for(choices, f"--atrous {atrous}"), choices)
    mended = start
    for _ in range(MOST_ROUNDS if profiles else 0):
        rewritten = graph.rewritten(mended.asked)
        expected = expect_operators(rewritten.program, description)
        further = _further(rewritten, expected, _judged(expected, profiles), mended)
        if further.asked == mended.asked:
            break
        mended = further
    return mended


def lower_mended(
    graph: CanonicalGraph, lower: Lower, profiles: Sequence[Profile], start: Mended
) -> tuple[Mended, tuple[ProfileReport, ...]]:
    """Write a file of which no rule of the profiles names a rewrite any more.

    Args:
        graph: the canonical graph.
        lower: writes its file.
        profiles: of the file's format.
        start: what is asked for already, as `foresee` gives it.

    Returns:
        What the file was written with, and what the profiles say of it.

    Raises:
        UnsupportedOperatorError: when a profile would not load the file however it is rewritten.
    """
    mended = start
    for rounds_left in reversed(range(MOST_ROUNDS + 1)):
        file = read_graph(lower(graph.rewritten(mended.asked)))
        judged = _judged(file, profiles)
        further = _further(graph, file, judged, mended)
        if further.asked == mended.asked or not rounds_left:
            break
        mended = further
    reports = tuple(report for _, report in judged)
    _refuse_rejected(reports)
    return mended, reports


def _judged(file: FileGraph, profiles: Sequence[Profile]) -> Judged:
    return [(profile, judge(file, profile)) for profile in profiles]


def _further(graph: CanonicalGraph, file: FileGraph, judged: Judged, before: Mended) -> Mended:
    """Return what was asked for before, and what the rules name now."""
    asked, atrous = list(before.asked), before.atrous
    for profile, report in judged:
        for name, (modules, rules) in _named_by(profile, report).items():
            if name not in _ATROUS:
                _ask(asked, AskedRewrite(name, modules, ", ".join(rules)))
            elif not {request.name for request in asked} & set(_ATROUS):
                atrous = choose_forms(graph.program, file, profile)
                asked += ask_for(atrous, ", ".join(rules))
    return Mended(tuple(asked), atrous)


def _ask(asked: list[AskedRewrite], further: AskedRewrite) -> None:
    """Add a request; modules that an earlier one of the same rewrite names already are not asked for again."""
    same = [request for request in asked if request.name == further.name]
    named = [request.modules for request in same if request.modules is not None]
    if len(named) < len(same):
        return
    if further.modules is not None:
        further = replace(further, modules=further.modules.difference(*named))
    if further.modules is None or further.modules:
        asked.append(further)


def _named_by(
    profile: Profile, report: ProfileReport
) -> dict[str, tuple[frozenset[str] | None, list[str]]]:
    """Return, by rewrite that rules name, the modules of the operators that they speak about, and the rules' ids."""
    mends = {rule.id: rule.mend for rule in profile.rules if rule.mend}
    found: dict[str, tuple[frozenset[str] | None, list[str]]] = {}
    for verdict in report.verdicts:
        name = mends.get(verdict.rule or "")
        if name is None:
            continue
        modules, rules = found.get(name, (frozenset(), []))
        grown = None
        if modules is not None and verdict.module is not None:
            grown = modules | {verdict.module}
        found[name] = grown, list(dict.fromkeys([*rules, str(verdict.rule)]))
    return found


def _refuse_rejected(reports: Sequence[ProfileReport]) -> None:
    for report in reports:
        rejected = [
            f"{verdict.operator} {verdict.module or verdict.name} ({verdict.reason})"
            for verdict in report.verdicts
            if verdict.verdict is Verdict.REJECTED
        ]
        if rejected:
            raise UnsupportedOperatorError(rejected, f"profile {report.profile}")
