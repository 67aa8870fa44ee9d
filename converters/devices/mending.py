"""An export for named devices: lowered, checked as a file, rewritten where a rule knows what mends, and checked again.

The idea to hold: files are judged, never graphs, so what is said of an export is what `check` will say of it.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_deeplab.checker.judging import ProfileReport, judge
from edge_deeplab.checker.rules import Profile, default_profiles, load_profile
from edge_deeplab.checker.verdicts import Verdict
from edge_deeplab.converters.capture import CanonicalGraph
from edge_deeplab.converters.devices.atrous_forms import (
    DEINTERLACE,
    ZERO_INSERT,
    AtrousChoice,
    ask_for,
    choose_forms,
)
from edge_deeplab.converters.noise import quietly
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite
from edge_deeplab.errors import ConfigError, UnsupportedOperatorError
from edge_deeplab.formats.graph import FileGraph
from edge_deeplab.formats.read import read_graph
from edge_deeplab.targets import TargetName

MOST_ROUNDS = 3
"""What a rewrite leaves may be mended in turn; more than twice has not been seen."""

_ATROUS = (ZERO_INSERT, DEINTERLACE)

Lower = Callable[[CanonicalGraph, Path], Path]
"""Writes the file of a graph into a folder and returns its path."""


@dataclass(frozen=True)
class Mended:
    """What an export asks for so that devices run it.

    Args:
        asked: the rewrites, each with the rules that named it.
        atrous: the form of each atrous convolution, where one had to be chosen.
    """

    asked: tuple[AskedRewrite, ...] = ()
    atrous: tuple[AtrousChoice, ...] = ()


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
                f"a profile of those was expected; add --target {profile.format}"
            )
    return {target: [p for p in profiles if p.format == target] for target in targets}


def mend(graph: CanonicalGraph, lower: Lower, profiles: Sequence[Profile], start: Mended) -> Mended:
    """Return the rewrites after which no rule of the profiles names another.

    Args:
        graph: the canonical graph.
        lower: writes its file.
        profiles: of the file's format; with none there is nothing to mend.
        start: what is asked for already; the form of atrous convolutions is only chosen where none is.

    Raises:
        UnsupportedOperatorError: when a profile would not load the file however it is rewritten.
    """
    mended = start
    if not profiles:
        return mended
    for _ in range(MOST_ROUNDS):
        file, reports = _judged(graph, lower, profiles, mended)
        further = _further(graph, file, profiles, reports, mended)
        if further == mended:
            break
        mended = further
    else:
        _, reports = _judged(graph, lower, profiles, mended)
    _refuse_rejected(reports)
    return mended


def _judged(
    graph: CanonicalGraph, lower: Lower, profiles: Sequence[Profile], mended: Mended
) -> tuple[FileGraph, list[ProfileReport]]:
    """Return the file of a mended graph, and what the profiles say of it."""
    file = _lowered(graph.rewritten(mended.asked), lower)
    with quietly():
        return file, [judge(file, profile) for profile in profiles]


def choose_atrous_forms(
    graph: CanonicalGraph, lower: Lower, profiles: Sequence[Profile], target: TargetName
) -> Mended:
    """Return each atrous convolution's cheapest form that a profile runs on its fast path.

    Args:
        graph: the canonical graph.
        lower: writes its file.
        profiles: the first one judges; with none the target's default does.
        target: what is exported to.
    """
    profile = profiles[0] if profiles else default_profiles(target)[0]
    choices = choose_forms(graph.program, _lowered(graph, lower), profile)
    return Mended(ask_for(choices, f"--atrous auto, {profile.name}"), choices)


def _lowered(graph: CanonicalGraph, lower: Lower) -> FileGraph:
    with tempfile.TemporaryDirectory() as folder, quietly():
        return read_graph(lower(graph, Path(folder)))


def _further(
    graph: CanonicalGraph,
    file: FileGraph,
    profiles: Sequence[Profile],
    reports: Sequence[ProfileReport],
    before: Mended,
) -> Mended:
    """Return what was asked for before, and what the rules name now."""
    asked, atrous = list(before.asked), before.atrous
    for profile, report in zip(profiles, reports, strict=True):
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
