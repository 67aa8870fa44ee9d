"""What an observer is: it hands a file to the tool that runs or compiles it, and says what the tool did.

The idea to hold: rules predict from the file alone, an observer was there. Observers stand with the runtimes and tools
that they ask; whoever calls the checker hands them in, so that the checker knows none of them. What a tool does not
tell is None, never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from edge_deeplab.checker.fact import Value
from edge_deeplab.checker.rules import Profile
from edge_deeplab.formats.graph import FileGraph


@dataclass(frozen=True)
class RunCost:
    """What one run of the file costs by a tool's account.

    Args:
        milliseconds: time.
        cycles: of the accelerator.
        memory_bytes: of the accelerator's own memory.
        note: what the tool itself says that these numbers leave out; how they were come by.
    """

    milliseconds: float | None = None
    cycles: int | None = None
    memory_bytes: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Observation:
    """What a tool did with one file.

    Args:
        tool: its name, "XNNPACK".
        version: what was asked, "ai-edge-litert 2.1.0".
        machine: where it ran: a processor, a device; "compiler" or "simulator" for one that is the tool's own.
        taken: places of the operators that it took, in the file's order, each with what the tool says of it, or "".
        left: the same of those that it left.
        left_count: their number, for a tool that does not say which they are.
        subgraphs: of each part that it took in one piece, the places of its operators.
        partitions: number of those parts.
        formed: number of operators by type in what a tool made of the file that does not say from which they come.
        cost: what a run costs.
        refusal: why it did not load the file; None where it did.
        loads_without_delegate: whether a file that a delegate refuses was seen to load without it.
        date: day of the observation, for one that was brought along.
        failure: why the tool gave no answer that says anything of the file; None where it gave one.
        decides: whether it speaks for the device that the profile is about, so that its verdicts replace the predicted
            ones. What another machine's processor does is only told beside them.
        notes: what must be said beside it, one sentence each.
    """

    tool: str
    version: str
    machine: str
    taken: Mapping[int, str] | None = None
    left: Mapping[int, str] | None = None
    left_count: int | None = None
    subgraphs: tuple[tuple[int, ...], ...] = ()
    partitions: int | None = None
    formed: Mapping[str, int] | None = None
    cost: RunCost | None = None
    refusal: str | None = None
    loads_without_delegate: bool = False
    date: str | None = None
    failure: str | None = None
    decides: bool = False
    notes: tuple[str, ...] = ()

    @property
    def runtime(self) -> str:
        """What was asked, and where: "ai-edge-litert 2.1.0 on x86_64"."""
        return f"{self.version} {self.where}"

    @property
    def where(self) -> str:
        """Where it ran: "on x86_64", "in its own compiler"."""
        tools_own = self.machine in ("compiler", "simulator")
        return f"in its own {self.machine}" if tools_own else f"on {self.machine}"

    @property
    def tells(self) -> bool:
        """Whether it says anything of the file's operators."""
        return self.refusal is not None or self.taken is not None or self.formed is not None

    @property
    def told_refusal(self) -> str:
        """The clause that says which path refuses a file that was not loaded, and why."""
        if self.loads_without_delegate:
            return (
                f"{self.tool}, the default delegate of {self.runtime}, refuses it, and without the delegate it loads: "
                f"{self.refusal}"
            )
        return f"{self.runtime} does not load it: {self.refusal}"

    def facts_at(self, place: int) -> dict[str, Value]:
        """Return what rules may ask about it at an operator's place."""
        facts: dict[str, Value] = {"runtime": self.runtime, "loads": self.refusal is None}
        if self.refusal is not None:
            facts["refusal"] = self.refusal
            facts["loads_without_delegate"] = self.loads_without_delegate
        elif self.taken is not None:
            facts["delegated"] = place in self.taken
        return facts


class Observer(Protocol):
    """Asks one tool about files."""

    @property
    def name(self) -> str:
        """As profiles write it (`observed_by`)."""

    def available(self) -> str | None:
        """Return what is missing and how to get it; None where nothing is."""

    def observe(self, graph: FileGraph, profile: Profile) -> Observation:
        """Return what the tool did with a file; a file that it refuses, or that crashes it, is an observation too.

        Args:
            graph: a file of the profile's format, as the checker has read it.
            profile: what the file is held against; a tool that knows several devices is asked about its one.
        """


Observers = Mapping[str, Observer]
"""By name."""
