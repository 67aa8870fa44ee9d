"""What XNNPACK computes of an ExecuTorch program on this machine, as the runtime's own event tracer notes it.

The file is run once, on a picture of one grey, in a bounded child.
"""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.checker.observing import Observation
from edge_deeplab.checker.rules import Profile
from edge_deeplab.child.bounded import ask_once
from edge_deeplab.child.limits import Limits
from edge_deeplab.errors import ArtifactError, ChildError, missing
from edge_deeplab.formats.executorch import element_of, operators_by_instruction
from edge_deeplab.formats.executorch_file import ExecuTorchFile
from edge_deeplab.formats.graph import FileGraph
from edge_deeplab.formats.source import read_bytes
from edge_deeplab.runtimes.executorch import (
    LoadedProgram,
    load_native,
    picture_of,
    reading_program,
)
from edge_deeplab.text import first_line, printable
from edge_deeplab.versions import installed_version

_GREY = 128
_EXECUTION = "Execute"


class ExecuTorchTracer:
    """Asks ExecuTorch's event tracer what ran where."""

    name = "executorch"

    def available(self) -> str | None:
        """Return what is missing and how to get it; None where nothing is."""
        return missing("executorch", package="executorch", extra="executorch")

    def observe(self, graph: FileGraph, profile: Profile) -> Observation:
        """Return which operators ran in XNNPACK; the profile says nothing that changes it."""
        return measure_executorch(graph.path)


def measure_executorch(path: Path, *, limits: Limits | None = None) -> Observation:
    """Run a `.pte` file in a process of its own and tell what XNNPACK computed.

    A file that the runtime refuses, or that crashes or stalls it, is a result (`refusal`), not an error.

    Args:
        path: the file.
        limits: what it may take; None for what suits the file.

    Raises:
        MissingDependencyError: without executorch.
    """
    version = f"executorch {installed_version('executorch')}"
    nothing = Observation("XNNPACK", version, platform.machine(), taken={}, left={}, partitions=0)
    limits = limits or Limits.for_file(path.stat().st_size)
    try:
        answer = ask_once(
            __name__, "run", subject=str(path), limits=limits, path=str(path.absolute())
        )
    except ChildError as error:
        return replace(nothing, refusal=error.ending)
    except ArtifactError as error:
        return replace(nothing, refusal=printable(str(error)))
    counts, ran = answer["operators"], answer["ran"]
    ends = pairwise((0, *accumulate(counts)))
    parts = tuple(
        tuple(range(start, end)) for (start, end), names in zip(ends, ran, strict=True) if names
    )
    taken = dict.fromkeys((place for part in parts for place in part), "")
    left = dict.fromkeys((place for place in range(sum(counts)) if place not in taken), "")
    kernels = sum(map(len, ran))
    return replace(
        nothing,
        taken=taken,
        left=left,
        subgraphs=parts,
        partitions=len(parts),
        notes=(f"{path.name}: XNNPACK ran {kernels} kernels for {len(taken)} operators",),
    )


def service() -> Mapping[str, Callable[..., Mapping[str, Any]]]:
    """Return what the bounded child answers."""
    load_native()
    return {"run": _run}


def _run(path: str) -> Mapping[str, Any]:
    """Return, of every instruction, how many operators it is and which of XNNPACK's kernels ran; runs in the child.

    Raises:
        ArtifactError: when the runtime refuses the file; the message is its reason.
    """
    place = Path(path)
    with reading_program(place):
        file = ExecuTorchFile(read_bytes(place))
        counts = [len(operators) for operators in operators_by_instruction(file)]
        told = picture_of(file)
        picture = np.full(told["sizes"].tolist(), _GREY, element_of(told))
        program = LoadedProgram(place, str(file.plan["name"]), traced=True)
        try:
            program.run(picture)
        except RuntimeError as error:
            raise ArtifactError(first_line(error)) from error
        return {"operators": counts, "ran": _kernels_that_ran(program, len(counts))}


def _kernels_that_ran(program: LoadedProgram, instructions: int) -> Sequence[Sequence[str]]:
    """Return the names of XNNPACK's kernels by instruction; none of one that a portable kernel is."""
    trace, _ = program.trace()
    names: list[list[str]] = [[] for _ in range(instructions)]
    for run in trace["run_data"]:
        for event in run["events"] if run["name"] == _EXECUTION else ():
            noted = event["profile_event"]
            if (
                noted is not None
                and noted["delegate_debug_id_str"]
                and 0 <= noted["instruction_id"] < instructions
            ):
                names[noted["instruction_id"]].append(noted["delegate_debug_id_str"])
    return names
