"""A tool as an observer: what its worker says of a file, matched with the file's operators.

The idea to hold: the tool names what it leaves; every operator that it does not name runs on the accelerator. What it
runs beside them is its own and no operator of the file.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edge_deeplab.checker.observing import Observation, RunCost
from edge_deeplab.checker.rules import Profile
from edge_deeplab.documents import Fields
from edge_deeplab.errors import ToolError
from edge_deeplab.formats.graph import FileGraph, Operator
from edge_deeplab.formats.sizes import Size
from edge_deeplab.lab.asking import ask_tool, bounds
from edge_deeplab.lab.devices import Device, find_device
from edge_deeplab.lab.environments import ToolStatus, inspect_tool
from edge_deeplab.lab.kept import keep_answer
from edge_deeplab.lab.one_size import of_one_size
from edge_deeplab.lab.tools import Tool
from edge_deeplab.text import printable, size_text

_MOST = 1 << 53


class ToolObserver:
    """Asks a vendor's tool about files, once for each device.

    Args:
        tool: which.
    """

    def __init__(self, tool: Tool) -> None:
        self.name = tool.name
        self._tool = tool

    def available(self) -> str | None:
        """Return what is missing and how to get it; None where nothing is."""
        return inspect_tool(self._tool).lack

    def observe(self, graph: FileGraph, profile: Profile) -> Observation:
        """Return what the tool does with a file for a profile's device; a tool that fails is told as that."""
        device, status = find_device(profile.name), inspect_tool(self._tool)
        seen = Observation(self._tool.label, status.named, "compiler", decides=device.decides)
        try:
            if status.lack is not None:
                raise ToolError(self._tool.name, status.lack)
            with TemporaryDirectory() as folder:
                asked = of_one_size(graph.path, graph.size_hw, Path(folder))
                told = self._told(seen, replace(graph, path=asked), device, status)
            if asked == graph.path or graph.size_hw is None:
                return told
            return replace(told, notes=(*told.notes, _about(graph.size_hw)))
        except ToolError as error:
            return replace(seen, failure=str(error), notes=(f"{profile.name}: {error}",))

    def _told(
        self, seen: Observation, graph: FileGraph, device: Device, status: ToolStatus
    ) -> Observation:
        """Return an observation with what the worker says.

        Raises:
            ToolError: when it fails, or says what cannot be.
        """

        def read(answer: Mapping[str, Any]) -> Observation:
            try:
                return _read_answer(seen, Fields(answer), graph.operators)
            except ValueError as error:
                reason = f"its answer cannot be read ({error}); report it with the file"
                raise ToolError(self._tool.name, reason) from error

        def ask() -> Mapping[str, Any]:
            asked = {"path": str(graph.path.absolute()), "device": device.argument}
            answer = ask_tool(status, "compile", bounds(), **asked)
            read(answer)  # what cannot be read is not kept
            return answer

        request = {"verb": "compile", "device": device.argument}
        return read(keep_answer(status, graph.path, request, ask))


def _about(size_hw: Size) -> str:
    return f"the tool was given {size_text(size_hw)} alone: it tells of no other size"


def _read_answer(seen: Observation, answer: Fields, operators: tuple[Operator, ...]) -> Observation:
    """Return an observation with what a worker said of a file's operators.

    Raises:
        ValueError: when it says what cannot be.
    """
    notes = answer.texts("notes") if answer.has("notes") else ()
    machine = answer.text("machine") if answer.has("machine") else seen.machine
    seen = replace(seen, notes=notes, machine=machine)
    if answer.has("refused"):
        return replace(seen, refusal=printable(answer.prose("refused")))
    cost = _read_cost(answer.fields("cost")) if answer.has("cost") else None
    partitions = answer.integer("partitions", 0, _MOST) if answer.has("partitions") else None
    if answer.get("left") is None:
        count = answer.integer("left_count", 0, _MOST) if answer.has("left_count") else None
        return replace(seen, left_count=count, partitions=partitions, cost=cost)
    named = {name: printable(str(reason)) for name, reason in answer.table("left").items()}
    names: dict[str, int] = {}
    for place, operator in enumerate(operators):
        for name in _names_of(operator):
            names.setdefault(name, place)  # of several of one name a tool does not tell which
    left = {names[name]: reason for name, reason in sorted(named.items()) if name in names}
    if own := len(named) - len([name for name in named if name in names]):
        note = f"{seen.tool} runs {own} operators beside the accelerator that are not in the file"
        seen = replace(seen, notes=(*seen.notes, note))
    return replace(
        seen,
        taken={
            place: f"{seen.tool} takes it" for place in range(len(operators)) if place not in left
        },
        left=left,
        partitions=partitions,
        cost=cost,
    )


def _names_of(operator: Operator) -> tuple[str, ...]:
    """Return by what names a tool may mean an operator: its own, and those of what it computes."""
    return (operator.name, *(spec.name for spec in operator.outputs))


def _read_cost(cost: Fields) -> RunCost:
    return RunCost(
        milliseconds=cost.number("milliseconds") if cost.has("milliseconds") else None,
        cycles=cost.integer("cycles", 0, _MOST) if cost.has("cycles") else None,
        memory_bytes=cost.integer("memory_bytes", 0, _MOST) if cost.has("memory_bytes") else None,
        note=cost.prose("note") if cost.has("note") else "",
    )
