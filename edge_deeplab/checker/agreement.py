"""Predictions beside what the runtimes of this machine did: plain JSON values, a sentence for every disagreement."""

from collections.abc import Collection, Sequence
from typing import Any

from edge_deeplab.checker.onnx_fusion import Fusion
from edge_deeplab.checker.partitions import Partitioning
from edge_deeplab.formats.graph import FileGraph, Operator
from edge_deeplab.runtimes.observers.optimized_onnx import Optimized
from edge_deeplab.runtimes.observers.xnnpack import Measurement
from edge_deeplab.text import printable

_MOST_NAMES = 4
"""Operators that a sentence names before it only counts them."""


def name_operators(operators: Sequence[Operator], places: Collection[int]) -> list[dict[str, Any]]:
    """Return type, name and layer of some operators, in the file's order."""
    found = (operators[place] for place in sorted(places) if place < len(operators))
    return [{"operator": o.type, "name": o.name, "module": o.module} for o in found]


def xnnpack_to_json(
    graph: FileGraph, predicted: Partitioning | None, measured: Measurement
) -> dict[str, Any]:
    """Return what XNNPACK took, what it was predicted to take, and whether the two are one.

    Args:
        graph: of a TFLite file.
        predicted: where its operators run; None for a file that was predicted not to load.
        measured: what the interpreter did.
    """
    operators = graph.operators
    return {
        "runtime": measured.runtime,
        "delegated": len(measured.delegated),
        "total": measured.total,
        "partitions": len(measured.partitions),
        "left_out": name_operators(operators, measured.left_out),
        "refusal": measured.refusal,
        "loads_without_delegate": None
        if measured.refusal is None
        else measured.loads_without_delegate,
        "predicted": {
            "loads": predicted is not None,
            "delegated": sum(len(taken) for taken in predicted.partitions) if predicted else 0,
            "partitions": len(predicted.partitions) if predicted else 0,
            "left_out": name_operators(operators, predicted.left_out if predicted else ()),
        },
        "agrees": not xnnpack_warnings(graph, predicted, measured),
    }


def xnnpack_warnings(
    graph: FileGraph, predicted: Partitioning | None, measured: Measurement
) -> list[str]:
    """Return where the prediction of XNNPACK's partitions and the interpreter differ; nothing where they agree."""
    if measured.refusal is not None or predicted is None:
        return _loading_warnings(predicted, measured)
    missed = set(measured.left_out) - set(predicted.left_out)
    alarms = set(predicted.left_out) - set(measured.left_out)
    warnings = []
    if missed:
        warnings.append(f"XNNPACK left what no rule foresaw: {_some(graph, missed)}")
    if alarms:
        warnings.append(f"XNNPACK took what the rules say it leaves: {_some(graph, alarms)}")
    foreseen, seen = len(predicted.partitions), len(measured.partitions)
    if foreseen != seen:
        warnings.append(f"{foreseen} partitions were predicted and XNNPACK made {seen}")
    return warnings


def fusion_to_json(predicted: Fusion, measured: Optimized) -> dict[str, Any]:
    """Return the integer operators that ONNX Runtime formed, those predicted, and whether the two are one."""
    return {
        "runtime": measured.runtime,
        "predicted": predicted.count(),
        "observed": None if measured.refusal else measured.count(),
        "refusal": measured.refusal,
        "agrees": not fusion_warnings(predicted, measured),
    }


def fusion_warnings(predicted: Fusion, measured: Optimized) -> list[str]:
    """Return what ONNX Runtime formed otherwise than predicted; a file that it refuses bears nothing out."""
    if measured.refusal is not None:
        return [f"{measured.runtime} does not load it: {measured.refusal}"]
    foreseen, seen = predicted.count(), measured.count()
    return [
        f"{foreseen.get(kind, 0)} {kind} were predicted and {measured.runtime} has {seen.get(kind, 0)}"
        for kind in sorted({*foreseen, *seen})
        if foreseen.get(kind, 0) != seen.get(kind, 0)
    ]


def _loading_warnings(predicted: Partitioning | None, measured: Measurement) -> list[str]:
    if measured.refusal is not None and predicted is not None:
        return [f"no rule foresaw that {measured.told_refusal}"]
    if measured.refusal is None and predicted is None:
        return [f"the rules say that it does not load, and {measured.runtime} loaded it"]
    return []


def _some(graph: FileGraph, places: Collection[int]) -> str:
    found = name_operators(graph.operators, places)
    names = [printable(f"{e['operator']} {e['name']}") for e in found[:_MOST_NAMES]]
    rest = len(found) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest else "")
