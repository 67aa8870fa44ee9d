"""What a profile says of a file: a verdict for every operator, and where they run by it.

The idea to hold: verdicts are predicted from what the file tells, and placement is made of these alone. What was
observed comes after, for the profile it is about, so that both can be told side by side. Nothing predicted depends on
the machine that checks.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from edge_deeplab.checker.agreement import PredictedAndObserved, compare, identify
from edge_deeplab.checker.facts import Value, facts_of
from edge_deeplab.checker.observing import Observation
from edge_deeplab.checker.onnx_fusion import predict_fusion
from edge_deeplab.checker.partitions import Partitioning, place_operators, share_of
from edge_deeplab.checker.phases import find_phase_moves
from edge_deeplab.checker.rules import Profile, Rule, load_profile
from edge_deeplab.checker.verdicts import Confidence, Judgement, LeftOut, Stop, Verdict
from edge_deeplab.formats.graph import FileGraph, Operator

Facts = Mapping[str, Value]
OBSERVED = "observed"
"""What stands in place of a rule's id where an observation decided."""


@dataclass(frozen=True)
class ProfileReport:
    """What one profile says of a file.

    Args:
        profile: its name.
        verdicts: one for every operator, in the file's order.
        partitions: predicted number of subgraphs on the accelerator, 0 for a file that does not load; None for a
            profile without an accelerator.
        accelerator_share: predicted share of the multiply-adds on the accelerator; None where a shape is open, there
            are none, or the profile has no accelerator.
        left_out: operators that the accelerator is predicted to leave, in the file's order.
        stopped_at: where it stops, for one that takes nothing after the first operator it does not know.
        comparison: what was observed, beside what was predicted; None where nothing was observed.
    """

    profile: str
    verdicts: tuple[Judgement, ...]
    partitions: int | None = None
    accelerator_share: float | None = None
    left_out: tuple[LeftOut, ...] = ()
    stopped_at: Stop | None = None
    comparison: PredictedAndObserved | None = None

    @property
    def title(self) -> str:
        """What the profile is, for people."""
        return load_profile(self.profile).title

    def count(self) -> dict[Verdict, int]:
        """Return the number of operators of each verdict, all four of them."""
        counts = Counter(verdict.verdict for verdict in self.verdicts)
        return {verdict: counts[verdict] for verdict in Verdict}

    @property
    def decided(self) -> bool:
        """Whether all this is what the profile's device was seen to do, not a prediction."""
        if self.comparison is None:
            return False
        return self.comparison.observation.decides and self.comparison.observation.tells

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "profile": self.profile,
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
            "partitions": self.partitions,
            "accelerator_share": self.accelerator_share,
            "left_out": [asdict(operator) for operator in self.left_out],
            "stopped_at": self.stopped_at and asdict(self.stopped_at),
            "observed": self.comparison and self.comparison.to_json(),
        }


def judge(
    graph: FileGraph, profile: Profile, observation: Observation | None = None
) -> ProfileReport:
    """Return what a profile says of every operator, and where they run by it.

    Args:
        graph: the file's operators.
        profile: its rules.
        observation: what the profile's observer saw; it changes verdicts, and the placement where it decides.
    """
    known = gather_facts(graph)
    verdicts = predict_verdicts(graph, profile, known)
    stop = _find_stop(graph, verdicts) if profile.stops_at_first_unsupported else None
    if stop is not None:
        verdicts = _end_at(stop, verdicts)
    if observation is None:
        return _report_by(graph, profile, verdicts, stop)
    predicted = place_by(graph, profile, verdicts)
    comparison = compare(graph, str(profile.observed_by), observation, predicted)
    if observation.decides:
        seen = tuple(_decide(verdict, observation, place) for place, verdict in enumerate(verdicts))
        return replace(_report_by(graph, profile, seen), comparison=comparison)
    seen = tuple(
        _add_observed(operator, verdict, profile, {**facts, **observation.facts_at(operator.index)})
        for operator, verdict, facts in zip(graph.operators, verdicts, known, strict=True)
    )
    report = _report_by(graph, profile, verdicts, stop)
    return replace(report, verdicts=seen, comparison=comparison)


def count_worst(said: Sequence[Sequence[Verdict]]) -> dict[Verdict, int]:
    """Return how many operators have each verdict, by the worst of what several profiles say of the same operators."""
    worst = Counter(max(verdicts) for verdicts in zip(*said, strict=True))
    return {verdict: worst[verdict] for verdict in Verdict}


def _report_by(
    graph: FileGraph, profile: Profile, verdicts: tuple[Judgement, ...], stop: Stop | None = None
) -> ProfileReport:
    """Return a profile's verdicts with where operators run by them.

    Args:
        graph: the file's operators.
        profile: whose verdicts they are.
        verdicts: one for every operator, in the file's order.
        stop: where its accelerator stops.
    """
    if not profile.accelerator:
        return ProfileReport(profile.name, verdicts)
    placement = place_by(graph, profile, verdicts)
    if placement is None:
        return ProfileReport(profile.name, verdicts, 0, None)
    return ProfileReport(
        profile.name,
        verdicts,
        len(placement.partitions),
        placement.share,
        tuple(identify(graph.operators[place]) for place in placement.left_out),
        stop,
    )


@lru_cache(maxsize=1)
def gather_facts(graph: FileGraph) -> tuple[Facts, ...]:
    """Return the facts of every operator: its own, and those that only the whole file tells.

    Many profiles judge one file after the other: the last file's facts are kept.
    """
    written = {key: operator.type for operator in graph.operators for key in operator.writes}
    read = {key for operator in graph.operators for key in operator.reads}
    known: tuple[Facts, ...] = tuple(
        {
            **facts_of(operator),
            "reads_file_input": not (operator.nested or written.keys() >= {*_computed(operator)}),
            "follows": written.get(next(iter(_computed(operator)), ""), "nothing"),
            "result_read": not read.isdisjoint(operator.writes),
        }
        for operator in graph.operators
    )
    if graph.format != "onnx":
        return known
    stays_float = predict_fusion(graph, signed=True).stays_float  # as on ARM, wherever this runs
    opset = {key: version for key, version in graph.versions.items() if key == "opset"}
    moves, other = find_phase_moves(graph.operators), {"phase_move": "none"}
    return tuple(
        {**facts, **opset, "stays_float": place in stays_float, **moves.get(place, other)}
        for place, facts in enumerate(known)
    )


def _computed(operator: Operator) -> list[str]:
    """Return the keys of what an operator reads, in its order, constants left out."""
    pairs = zip(operator.reads, operator.inputs, strict=False)
    return [key for key, spec in pairs if spec is not None and not spec.constant]


def predict_verdicts(
    graph: FileGraph, profile: Profile, known: Sequence[Facts]
) -> tuple[Judgement, ...]:
    """Return the verdicts that follow from the file alone.

    Some operators are left out because one that they read is, or one that reads them: those are judged once more,
    first with the file's order, so that what is left out leaves out what follows, then against it. Last come those that
    an accelerator leaves that takes one part alone.

    Args:
        graph: the file's operators.
        profile: its rules.
        known: facts of every operator (`gather_facts`).
    """
    verdicts = [
        _judge_operator(operator, profile, facts)
        for operator, facts in zip(graph.operators, known, strict=True)
    ]
    facts = [dict(told) for told in known]
    written_outside: set[str] = set()
    for place, operator in enumerate(graph.operators):
        if written_outside.intersection(operator.reads):
            facts[place]["reads_left_out"] = True
            verdicts[place] = _judge_operator(operator, profile, facts[place])
        if verdicts[place].verdict is Verdict.FALLBACK:
            written_outside.update(key for key in operator.writes if key)
    read_outside = {key for place in _left_out(verdicts) for key in graph.operators[place].reads}
    for place, operator in enumerate(graph.operators):
        if read_outside.intersection(operator.writes):
            facts[place]["feeds_left_out"] = True
            verdicts[place] = _judge_operator(operator, profile, facts[place])
    if "outside_largest_part" in profile.asked_facts:
        for place in _outside_largest(place_by(graph, profile, verdicts)):
            facts[place]["outside_largest_part"] = True
            verdicts[place] = _judge_operator(graph.operators[place], profile, facts[place])
    return tuple(verdicts)


def _outside_largest(placement: Partitioning | None) -> list[int]:
    """Return the places of what an accelerator could take, but for its largest part."""
    parts = placement.partitions if placement else ()
    largest = max(parts, key=len, default=())
    return [place for part in parts if part is not largest for place in part]


def place_by(
    graph: FileGraph, profile: Profile, verdicts: Sequence[Judgement]
) -> Partitioning | None:
    """Return where operators run by a profile's verdicts; None for a file that does not load."""
    if any(verdict.verdict is Verdict.REJECTED for verdict in verdicts):
        return None
    pruned = (
        [place for place, facts in enumerate(gather_facts(graph)) if facts["unpacks_constant"]]
        if profile.prunes_unpacking
        else ()
    )
    return place_operators(
        graph.operators,
        _left_out(verdicts),
        pruned,
        depth_first=profile.splits_depth_first,
    )


def _left_out(verdicts: Sequence[Judgement]) -> list[int]:
    return [place for place, verdict in enumerate(verdicts) if verdict.verdict is Verdict.FALLBACK]


def _judge_operator(operator: Operator, profile: Profile, facts: Facts) -> Judgement:
    rule = profile.worst_rule(facts)
    if rule is None:
        identity = operator.type, operator.name, operator.module
        return Judgement(*identity, Verdict.OK, profile.ok_reason)
    return _verdict_by(rule, operator, facts)


def _verdict_by(rule: Rule, operator: Operator, facts: Facts) -> Judgement:
    return Judgement(
        operator.type,
        operator.name,
        operator.module,
        rule.verdict,
        rule.reason.format_map(facts),
        rule=rule.id,
        source=rule.source.format_map(facts),
        date=rule.date,
        confidence=rule.confidence,
        rewrite=rule.rewrite.format_map(facts) if rule.rewrite else None,
    )


def _add_observed(
    operator: Operator, predicted: Judgement, profile: Profile, facts: Facts
) -> Judgement:
    """Return the verdict of what was observed where it is worse than the predicted one."""
    seen = _judge_operator(operator, profile, facts)
    return seen if seen.verdict > predicted.verdict else predicted


def _decide(predicted: Judgement, observation: Observation, place: int) -> Judgement:
    """Return what was observed of an operator; the prediction where nothing was."""
    where = f"observed {observation.where}"
    observed = replace(
        predicted,
        rule=OBSERVED,
        source=observation.version,
        date=observation.date or "at every check",
        confidence=Confidence.MEASURED,
        rewrite=None,
    )
    taken, left = observation.taken or {}, observation.left or {}
    if observation.refusal is not None:
        reason = f"{where}: {observation.tool} does not load it ({observation.refusal})"
        return replace(observed, verdict=Verdict.REJECTED, reason=reason)
    if place in taken and predicted.verdict is Verdict.SLOW:
        return predicted  # where it runs says nothing of how fast
    if place in taken:
        reason = f"{where}: {taken[place]}"
        return replace(observed, verdict=Verdict.OK, reason=reason)
    if place in left:
        reason, rewrite = f"{where}: {left[place]}", predicted.rewrite
        return replace(observed, verdict=Verdict.FALLBACK, reason=reason, rewrite=rewrite)
    return predicted


def _find_stop(graph: FileGraph, verdicts: Sequence[Judgement]) -> Stop | None:
    """Return the first operator that is left out, with what comes after it; None where none is."""
    first = next(iter(_left_out(verdicts)), None)
    if first is None:
        return None
    after = graph.operators[first + 1 :]
    return Stop(identify(graph.operators[first]), len(after), share_of(after, graph.operators))


def _end_at(stop: Stop, verdicts: Sequence[Judgement]) -> tuple[Judgement, ...]:
    """Return the verdicts with all after the stop left out as well, for the stop's own reason."""
    first = len(verdicts) - stop.operators_after - 1
    cause = verdicts[first]
    return tuple(
        verdict
        if place <= first or verdict.verdict >= Verdict.FALLBACK
        else Judgement(
            verdict.operator,
            verdict.name,
            verdict.module,
            Verdict.FALLBACK,
            f"it comes after {cause.operator} {cause.name}, where the accelerator stops: all from there on runs on "
            "the processor",
            rule=cause.rule,
            source=cause.source,
            date=cause.date,
            confidence=cause.confidence,
            rewrite=cause.rewrite,
        )
        for place, verdict in enumerate(verdicts)
    )
