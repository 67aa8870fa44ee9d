"""What XNNPACK takes of a TFLite file on this machine: measured, from the interpreter that is installed.

The interpreter applies XNNPACK while it plans memory. Afterwards each partition is one more node, DELEGATE, with the
partition's inputs and outputs, while the operators it stands for stay listed. Which ones those are follows from the
graph: all that its outputs are computed from, back to its inputs.

The file is loaded in a bounded child.
"""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

from edge_deeplab.checker.observing import Observation
from edge_deeplab.checker.rules import Profile
from edge_deeplab.child.bounded import ask_once
from edge_deeplab.child.limits import Limits
from edge_deeplab.errors import ChildError, missing, require
from edge_deeplab.formats.graph import FileGraph
from edge_deeplab.formats.sizes import Size
from edge_deeplab.formats.tflite_sizes import size_alone
from edge_deeplab.text import printable

ALONE = (
    "XNNPACK was asked about each size alone, on the file's subgraph of that size, because LiteRT lists the operators "
    "of one subgraph"
)
_DELEGATE = "DELEGATE"
_REFUSAL, _WITHOUT_DELEGATE = "refusal", "loads_without_delegate"
"""Keys of the answer for a file that is not loaded."""


@dataclass(frozen=True)
class Node:
    """One entry of the interpreter's list.

    Args:
        type: operator type, or "DELEGATE" for a partition.
        inputs: indices of the tensors it reads; -1 for absent ones.
        outputs: indices of the tensors it computes.
    """

    type: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Xnnpack:
    """Asks LiteRT's interpreter what XNNPACK takes of a file."""

    name = "xnnpack"

    def available(self) -> str | None:
        """Return what is missing and how to get it; None where nothing is."""
        return missing("ai_edge_litert", package="ai-edge-litert", extra="tflite")

    def observe(self, graph: FileGraph, profile: Profile) -> Observation:
        """Return what it took; the profile says nothing that changes it."""
        return measure_xnnpack(graph.path, graph.size_hw)


def measure_xnnpack(
    path: Path, size_hw: Size | None = None, *, limits: Limits | None = None
) -> Observation:
    """Load a TFLite file in a process of its own and tell what XNNPACK took.

    A file that the interpreter refuses, or that crashes or stalls it, is a result (`refusal`), not an error.

    Args:
        path: the file.
        size_hw: of a file that lists several sizes, the one that is asked about.
        limits: what loading may take; None for what suits the file.

    Raises:
        MissingDependencyError: without ai-edge-litert.
    """
    require("ai_edge_litert", package="ai-edge-litert", extra="tflite")
    nothing = Observation(
        "XNNPACK",
        f"ai-edge-litert {version('ai-edge-litert')}",
        platform.machine(),
        taken={},
        left={},
        partitions=0,
        notes=() if size_hw is None else (ALONE,),
    )
    limits = limits or Limits.for_file(path.stat().st_size)
    try:
        answer = ask_once(
            __name__,
            "load",
            subject=str(path),
            limits=limits,
            path=str(path.absolute()),
            size_hw=size_hw,
        )
    except ChildError as error:
        return replace(nothing, refusal=error.ending)
    if _REFUSAL in answer:
        alone = bool(answer.get(_WITHOUT_DELEGATE, False))
        refusal = printable(str(answer[_REFUSAL]))
        return replace(nothing, refusal=refusal, loads_without_delegate=alone)
    nodes = [Node(kind, tuple(read), tuple(written)) for kind, read, written in answer["nodes"]]
    subgraphs = find_partitions(nodes)
    taken = sorted(set(chain.from_iterable(subgraphs)))
    operators = range(sum(node.type != _DELEGATE for node in nodes))
    return replace(
        nothing,
        taken=dict.fromkeys(taken, ""),
        left=dict.fromkeys(sorted(set(operators).difference(taken)), ""),
        subgraphs=subgraphs,
        partitions=len(subgraphs),
    )


def find_partitions(nodes: Sequence[Node]) -> tuple[tuple[int, ...], ...]:
    """Return, for each DELEGATE node, the indices of the nodes that it stands for.

    Args:
        nodes: the interpreter's list after memory was planned: the file's operators, then the delegate's partitions.
    """
    producers = {
        tensor: index
        for index, node in enumerate(nodes)
        if node.type != _DELEGATE
        for tensor in node.outputs
    }
    return tuple(
        tuple(sorted(_computed_within(partition, nodes, producers)))
        for partition in nodes
        if partition.type == _DELEGATE
    )


def _computed_within(partition: Node, nodes: Sequence[Node], producers: dict[int, int]) -> set[int]:
    """Return the indices of the nodes between a partition's inputs and its outputs."""
    given, found = set(partition.inputs), set[int]()
    wanted = list(partition.outputs)
    while wanted:
        tensor = wanted.pop()
        index = None if tensor in given else producers.get(tensor)
        if index is not None and index not in found:
            found.add(index)
            wanted += nodes[index].inputs
    return found


def service() -> Mapping[str, Callable[..., Mapping[str, Any]]]:
    """Return what the bounded child answers."""
    require("ai_edge_litert.interpreter", package="ai-edge-litert", extra="tflite")
    return {"load": _load}


def _load(path: str, size_hw: Sequence[int] | None) -> Mapping[str, Any]:
    """Return the nodes of a file as the interpreter lists them, or its refusal; runs in the child."""
    from ai_edge_litert.interpreter import OpResolverType

    source: dict[str, Any] = {"model_path": path}
    if size_hw is not None:  # operators are told of the first subgraph alone
        content = size_alone(Path(path).read_bytes(), (size_hw[0], size_hw[1]))
        source = {"model_content": content}
    try:
        details = _list_nodes(source, OpResolverType.AUTO)
    except (RuntimeError, ValueError) as error:
        try:
            _list_nodes(source, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
        except (RuntimeError, ValueError) as own:
            return {_REFUSAL: _what_was_said(own)}
        return {_REFUSAL: _what_was_said(error), _WITHOUT_DELEGATE: True}
    nodes = [(d["op_name"], _indices(d["inputs"]), _indices(d["outputs"])) for d in details]
    return {"nodes": nodes}


def _list_nodes(source: Mapping[str, Any], kernels: Any) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(**source, num_threads=1, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    return interpreter._get_ops_details()  # no public call lists them


def _what_was_said(error: Exception) -> str:
    return " ".join(str(error).split())[:400] or type(error).__name__


def _indices(tensors: Any) -> list[int]:
    return [int(index) for index in tensors]
