"""What XNNPACK takes of a TFLite file on this machine: measured, from the interpreter that is installed.

The interpreter applies XNNPACK while it plans memory. Afterwards each partition is one more node, DELEGATE, with the
partition's inputs and outputs, while the operators it stands for stay listed. Which ones those are follows from the
graph: all that its outputs are computed from, back to its inputs.

The file is loaded in a bounded child.
"""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edge_deeplab.child.bounded import ask_once
from edge_deeplab.child.limits import Limits
from edge_deeplab.errors import ChildError, require
from edge_deeplab.text import printable

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


@dataclass(frozen=True)
class Measurement:
    """What the interpreter did with a file.

    Args:
        runtime: runtime, version and processor.
        total: operators in the file's main graph, by the interpreter's count.
        partitions: of each partition, the indices of the operators that XNNPACK took, in order.
        refusal: why the file was not loaded; None when it was.
        loads_without_delegate: whether LiteRT's own kernels were seen to load a file that XNNPACK refuses.
    """

    runtime: str
    total: int = 0
    partitions: tuple[tuple[int, ...], ...] = ()
    refusal: str | None = None
    loads_without_delegate: bool = False

    @property
    def told_refusal(self) -> str:
        """The clause that says which path refuses a file that was not loaded, and why."""
        if self.loads_without_delegate:
            return (
                f"XNNPACK, the default delegate of {self.runtime}, refuses it, and without the delegate it loads: "
                f"{self.refusal}"
            )
        return f"{self.runtime} does not load it: {self.refusal}"

    @property
    def delegated(self) -> frozenset[int]:
        """Indices of the operators that XNNPACK took."""
        return frozenset(index for partition in self.partitions for index in partition)

    @property
    def left_out(self) -> tuple[int, ...]:
        """Indices of the operators that it left to the interpreter."""
        return tuple(sorted(set(range(self.total)) - self.delegated))


def measure_xnnpack(path: Path, *, limits: Limits | None = None) -> Measurement:
    """Load a TFLite file in a process of its own and tell what XNNPACK took.

    A file that the interpreter refuses, or that crashes or stalls it, is a result (`refusal`), not an error.

    Args:
        path: the file.
        limits: what loading may take; None for what suits the file.

    Raises:
        MissingDependencyError: without ai-edge-litert.
    """
    require("ai_edge_litert", package="ai-edge-litert", extra="tflite")
    runtime = f"ai-edge-litert {version('ai-edge-litert')} on {platform.machine()}"
    limits = limits or Limits.for_file(path.stat().st_size)
    try:
        answer = ask_once(
            __name__, "load", subject=str(path), limits=limits, path=str(path.absolute())
        )
    except ChildError as error:
        return Measurement(runtime, refusal=error.ending)
    if _REFUSAL in answer:
        return Measurement(
            runtime,
            refusal=printable(str(answer[_REFUSAL])),
            loads_without_delegate=bool(answer.get(_WITHOUT_DELEGATE, False)),
        )
    nodes = [Node(kind, tuple(read), tuple(written)) for kind, read, written in answer["nodes"]]
    operators = sum(node.type != _DELEGATE for node in nodes)
    return Measurement(runtime, operators, find_partitions(nodes))


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


def _load(path: str) -> Mapping[str, Any]:
    """Return the nodes of a file as the interpreter lists them, or its refusal; runs in the child."""
    from ai_edge_litert.interpreter import OpResolverType

    try:
        details = _list_nodes(path, OpResolverType.AUTO)
    except (RuntimeError, ValueError) as error:
        try:
            _list_nodes(path, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
        except (RuntimeError, ValueError) as own:
            return {_REFUSAL: _what_was_said(own)}
        return {_REFUSAL: _what_was_said(error), _WITHOUT_DELEGATE: True}
    nodes = [(d["op_name"], _indices(d["inputs"]), _indices(d["outputs"])) for d in details]
    return {"nodes": nodes}


def _list_nodes(path: str, kernels: Any) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    return interpreter._get_ops_details()  # no public call lists them


def _what_was_said(error: Exception) -> str:
    return " ".join(str(error).split())[:400] or type(error).__name__


def _indices(tensors: Any) -> list[int]:
    return [int(index) for index in tensors]
