"""What XNNPACK takes of a TFLite file on this machine: measured, from the interpreter that is installed.

The interpreter applies XNNPACK while it plans memory. Afterwards each partition is one more node, DELEGATE, with the
partition's inputs and outputs, while the operators it stands for stay listed. Which ones those are follows from the
graph: all that its outputs are computed from, back to its inputs.

The file is loaded in a process of its own, because native code reading a stranger's file may crash or hang.
"""

import json
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edge_deeplab.errors import require

TIME_LIMIT_S = 120.0
"""Wall-clock limit of the measuring process: generous, because a busy machine is no fault of the file."""
CPU_LIMIT_S = 10
MEMORY_LIMIT_BYTES = 8 << 30
"""Processor time and address space of the measuring process; a mutated file may ask for any amount."""

_DELEGATE = "DELEGATE"


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
    """

    runtime: str
    total: int = 0
    partitions: tuple[tuple[int, ...], ...] = ()
    refusal: str | None = None

    @property
    def delegated(self) -> frozenset[int]:
        """Indices of the operators that XNNPACK took."""
        return frozenset(index for partition in self.partitions for index in partition)

    @property
    def left_out(self) -> tuple[int, ...]:
        """Indices of the operators that it left to the interpreter."""
        return tuple(sorted(set(range(self.total)) - self.delegated))


def measure_xnnpack(path: Path, *, time_limit_s: float = TIME_LIMIT_S) -> Measurement:
    """Load a TFLite file in a process of its own and tell what XNNPACK took.

    A file that the interpreter refuses, or that crashes or stalls it, is a result (`refusal`), not an error.

    Args:
        path: the file.
        time_limit_s: seconds that loading may take.

    Raises:
        MissingDependencyError: without ai-edge-litert.
    """
    require("ai_edge_litert", package="ai-edge-litert", extra="tflite")
    runtime = f"ai-edge-litert {version('ai-edge-litert')} on {platform.machine()}"
    command = [sys.executable, "-m", __name__, str(path.absolute())]
    try:
        finished = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=time_limit_s
        )
    except subprocess.TimeoutExpired:
        return Measurement(runtime, refusal=f"loading it took more than {time_limit_s:g} s")
    if finished.returncode:
        return Measurement(runtime, refusal=_death(finished))
    answer = json.loads(finished.stdout.splitlines()[-1])
    if "refusal" in answer:
        return Measurement(runtime, refusal=answer["refusal"])
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


def _death(finished: subprocess.CompletedProcess[str]) -> str:
    if finished.returncode < 0:
        return f"it crashed or was stopped ({signal.strsignal(-finished.returncode)})"
    lines = finished.stderr.strip().splitlines() or ["no message"]
    return f"it ended with code {finished.returncode} ({lines[-1][:200]})"


def _load(path: str) -> dict[str, Any]:
    """Return the nodes of a file as the interpreter lists them, or its refusal; runs in the measuring process."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_path=path, num_threads=1)
        interpreter.allocate_tensors()
        details = interpreter._get_ops_details()  # no public call lists them
    except (RuntimeError, ValueError) as error:
        return {"refusal": " ".join(str(error).split())[:400] or type(error).__name__}
    nodes = [(d["op_name"], _indices(d["inputs"]), _indices(d["outputs"])) for d in details]
    return {"nodes": nodes}


def _indices(tensors: Any) -> list[int]:
    return [int(index) for index in tensors]


def _limit_resources() -> None:
    """Bound this process's processor time and address space, where the system can."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))


if __name__ == "__main__":
    _limit_resources()
    sys.stdout.write(f"\n{json.dumps(_load(sys.argv[1]))}\n")
