"""Predictions beside what a tool was seen to do: a sentence for every disagreement."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edge_deeplab.checker.observing import Observation
from edge_deeplab.checker.onnx_fusion import Fusion, integer_operators, predict_fusion
from edge_deeplab.checker.partitions import Partitioning
from edge_deeplab.checker.verdicts import LeftOut
from edge_deeplab.formats.graph import FileGraph, Operator
from edge_deeplab.text import printable

_MOST_NAMES = 4
"""Operators that a sentence names before it only counts them."""


@dataclass(frozen=True)
class PredictedAndObserved:
    """A prediction beside what was observed.

    Args:
        observer: its name.
        observation: what it saw.
        predicted: where operators run by the profile; None for a file that is predicted not to load.
        fusion: the integer operators that are predicted, where the observation tells those that were formed.
        left: operators that were observed to be left out, by place.
        predicted_left: those that were predicted to be.
        differences: one sentence for each thing that came out otherwise than predicted.
    """

    observer: str
    observation: Observation
    predicted: Partitioning | None
    fusion: Fusion | None
    left: tuple[tuple[int, LeftOut], ...]
    predicted_left: tuple[LeftOut, ...]
    differences: tuple[str, ...]

    @property
    def equal(self) -> bool | None:
        """Whether what was observed is what was predicted, if only in number; None where the tool tells nothing."""
        told = self.observation.tells or self.observation.left_count is not None
        return not self.differences if told else None

    @property
    def formed(self) -> dict[str, int] | None:
        """How many integer operators of each kind were seen; None where the tool tells nothing of them."""
        seen = self.observation.formed
        return None if seen is None else integer_operators(seen)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        seen = self.observation
        reasons = seen.left or {}
        left = [{**asdict(operator), "reason": reasons[place]} for place, operator in self.left]
        return {
            "tool": seen.tool,
            "version": seen.version,
            "machine": seen.machine,
            "taken": None if seen.taken is None else len(seen.taken),
            "left": None if seen.left is None else left,
            "left_count": seen.left_count if seen.left is None else len(left),
            "partitions": seen.partitions,
            "equal": self.equal,
            "differences": list(self.differences),
            "refusal": seen.refusal,
            "cost": None if seen.cost is None else asdict(seen.cost),
        }


def compare(
    graph: FileGraph, observer: str, observation: Observation, predicted: Partitioning | None
) -> PredictedAndObserved:
    """Hold an observation against what was predicted.

    Args:
        graph: the file's operators.
        observer: whose observation it is.
        observation: what it saw.
        predicted: where operators run by the profile; None for a file that is predicted not to load.
    """
    operators = graph.operators
    fusion = None if observation.formed is None else predict_fusion(graph)
    if fusion is not None:
        differences = _fusion_differences(fusion, observation)
    else:
        differences = _placing_differences(operators, predicted, observation)
    seen_left = [place for place in sorted(observation.left or ()) if place < len(operators)]
    return PredictedAndObserved(
        observer,
        observation,
        predicted,
        fusion,
        tuple((place, identify(operators[place])) for place in seen_left),
        tuple(identify(operators[place]) for place in (predicted.left_out if predicted else ())),
        tuple(differences),
    )


def identify(operator: Operator) -> LeftOut:
    """Return what names an operator in a report."""
    return LeftOut(operator.type, operator.name, operator.module)


def xnnpack_to_json(seen: PredictedAndObserved) -> dict[str, Any]:
    """Return what XNNPACK took of a file, what it was predicted to take, and whether the two are one."""
    observation, predicted = seen.observation, seen.predicted
    refused = observation.refusal is not None
    taken, left = observation.taken or {}, observation.left or {}
    return {
        "runtime": observation.runtime,
        "delegated": len(taken),
        "total": len(taken) + len(left),
        "partitions": observation.partitions,
        "left_out": [asdict(operator) for _, operator in seen.left],
        "refusal": observation.refusal,
        "loads_without_delegate": observation.loads_without_delegate if refused else None,
        "predicted": {
            "loads": predicted is not None,
            "delegated": sum(len(taken) for taken in predicted.partitions) if predicted else 0,
            "partitions": len(predicted.partitions) if predicted else 0,
            "left_out": [asdict(operator) for operator in seen.predicted_left],
        },
        "agrees": seen.equal,
    }


def fusion_to_json(seen: PredictedAndObserved) -> dict[str, Any]:
    """Return the integer operators that ONNX Runtime formed, those predicted, and whether the two are one."""
    assert seen.fusion is not None
    observation = seen.observation
    formed = None if observation.refusal else integer_operators(observation.formed or {})
    return {
        "runtime": observation.runtime,
        "predicted": seen.fusion.count(),
        "observed": formed,
        "refusal": observation.refusal,
        "agrees": seen.equal,
    }


def _placing_differences(
    operators: Sequence[Operator], predicted: Partitioning | None, seen: Observation
) -> list[str]:
    """Return where predicted partitions and those of a tool differ; nothing where they agree."""
    if seen.refusal is not None:
        return [] if predicted is None else [f"no rule foresaw that {seen.told_refusal}"]
    if seen.left is None and seen.left_count is None:
        return []
    if predicted is None:
        return [f"the rules say that it does not load, and {seen.runtime} loaded it"]
    differences = []
    if missed := set(seen.left or ()) - set(predicted.left_out):
        differences.append(f"{seen.tool} left what no rule foresaw: {_some(operators, missed)}")
    if alarms := set(seen.taken or ()).intersection(predicted.left_out):
        told = _some(operators, alarms)
        differences.append(f"{seen.tool} took what the rules say it leaves: {told}")
    expected = len(predicted.left_out)
    if seen.left is None and seen.left_count != expected:
        differences.append(
            f"{expected} operators were predicted to be left, and {seen.tool} left {seen.left_count}"
        )
    foreseen = len(predicted.partitions)
    if seen.partitions is not None and foreseen != seen.partitions:
        made = f"{seen.tool} made {seen.partitions}"
        differences.append(f"{foreseen} partitions were predicted and {made}")
    return differences


def _fusion_differences(predicted: Fusion, seen: Observation) -> list[str]:
    """Return what ONNX Runtime formed otherwise than predicted; a file that it refuses bears nothing out."""
    if seen.refusal is not None:
        return [seen.told_refusal]
    foreseen, formed = predicted.count(), integer_operators(seen.formed or {})
    return [
        f"{foreseen.get(kind, 0)} {kind} were predicted and {seen.runtime} has {formed.get(kind, 0)}"
        for kind in sorted({*foreseen, *formed})
        if foreseen.get(kind, 0) != formed.get(kind, 0)
    ]


def _some(operators: Sequence[Operator], places: Collection[int]) -> str:
    found = [operators[place] for place in sorted(places) if place < len(operators)]
    names = [printable(f"{operator.type} {operator.name}") for operator in found[:_MOST_NAMES]]
    rest = len(found) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest else "")
