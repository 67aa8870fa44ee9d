"""The answer of a Mac as an observer: what Core ML said of a package, in the result that the user brought along.

The idea to hold: an answer belongs to one package, by the hash of its content, and to one machine. Operators are
matched by the name of their first output, which the compiled program keeps.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from edge_deeplab.checker.mac.result import MacResult, ObservedPlan, PlannedOperation, read_result
from edge_deeplab.checker.observing import Observation, RunCost
from edge_deeplab.checker.rules import Profile
from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.graph import FileGraph, Operator
from edge_deeplab.formats.manifest import content_sha256

_DEVICES = {"cpu": "CPU", "gpu": "GPU", "neural_engine": "Neural Engine"}


@dataclass(frozen=True)
class _Asked:
    """Where a profile's operators should run, and the compute units under which that is asked."""

    device: str
    compute_units: str


_ASKED: Mapping[str, _Asked] = {
    "coreml-ane": _Asked("neural_engine", "CPU_AND_NE"),
    "coreml-gpu": _Asked("gpu", "CPU_AND_GPU"),
    "coreml-cpu": _Asked("cpu", "CPU_ONLY"),
}
"""By the profile's family."""


@dataclass(frozen=True)
class MacAnswer:
    """Tells what a Mac said.

    Args:
        result: of the script; None where none was brought.
    """

    result: MacResult | None = None
    name: str = "mac"

    @classmethod
    def about(cls, package: Path, result_path: Path) -> "MacAnswer":
        """Return the answer about one package.

        Args:
            package: an `.mlpackage`; one that does not exist fails where it is read.
            result_path: what the script wrote.

        Raises:
            ArtifactError: when the result cannot be read, or is about another package.
        """
        result = read_result(result_path)
        sha256 = content_sha256(package) if package.exists() else result.sha256
        if result.sha256 != sha256:
            raise ArtifactError(
                f"{result_path} is about {result.package} with the hash {result.sha256[:12]}, and {package} has "
                f"{sha256[:12]}; the result of this package was expected; run its own script on the Mac"
            )
        return cls(result)

    def available(self) -> str | None:
        """Return what is missing and how to get it; None where nothing is."""
        if self.result is not None:
            return None
        return (
            "no Mac's answer came; the result of its script was expected; write the Mac's script, run it on a Mac and "
            "merge what it wrote"
        )

    def observe(self, graph: FileGraph, profile: Profile) -> Observation:
        """Return where Core ML runs each operator under the compute units of a profile.

        Args:
            graph: the package that the result is about.
            profile: one of Core ML's.
        """
        assert self.result is not None
        asked = _ASKED[profile.family]
        plan = self.result.plans.get(asked.compute_units)
        seen = Observation(
            "Core ML",
            f"MLComputePlan of coremltools {self.result.coremltools}, {asked.compute_units}",
            self.result.machine,
            date=self.result.date,
            decides=True,
        )
        if plan is None:
            silence = f"{profile.name}: the Mac's result says nothing of it"
            return replace(seen, notes=(silence, *_agreement_notes(self.result)))
        seen = _with_plan(seen, graph.operators, plan, asked)
        note = f"{profile.name}: observed on {self.result.machine}, {asked.compute_units}"
        if silent := _count_silent(graph.operators, seen):
            note += f"; of {silent} operators its plan says nothing, and their verdict is predicted"
        note += _other_chip(profile, self.result)
        cost = _cost(self.result, asked)
        return replace(seen, cost=cost, notes=(note, *_agreement_notes(self.result)))


def _with_plan(
    seen: Observation, operators: Sequence[Operator], plan: ObservedPlan, asked: _Asked
) -> Observation:
    """Return an observation with what the plan says of operators on the profile's device, and of those elsewhere."""
    if plan.error is not None:
        return replace(seen, refusal=plan.error)
    planned = {place: plan.find(operator) for place, operator in enumerate(operators)}
    known = {place: each for place, each in planned.items() if each and each.preferred}
    here = f"Core ML prefers the {_DEVICES[asked.device]}"
    return replace(
        seen,
        taken={place: here for place, each in known.items() if each.preferred == asked.device},
        left={
            place: _preference(each)
            for place, each in known.items()
            if each.preferred != asked.device
        },
    )


def _count_silent(operators: Sequence[Operator], seen: Observation) -> int:
    """Return of how many operators a plan that was made says nothing."""
    if seen.taken is None or seen.left is None:
        return 0
    return len(operators) - len(seen.taken) - len(seen.left)


def _preference(planned: PlannedOperation) -> str:
    able = ", ".join(_DEVICES.get(name, name) for name in planned.supported) or "none"
    preferred = planned.preferred or "none"
    return f"Core ML prefers the {_DEVICES.get(preferred, preferred)} (able: {able})"


def _other_chip(profile: Profile, result: MacResult) -> str:
    """Return the clause that says that the profile is about another chip than the one that answered."""
    chip = re.fullmatch(r"coreml-ane-([am]\d+)", profile.name)
    if chip is None or chip[1].upper() in result.chip.upper().split():
        return ""
    return f"; that is no {chip[1].upper()}"


def _cost(result: MacResult, asked: _Asked) -> RunCost | None:
    """Return what a prediction took; None where no picture was given."""
    times = [p.latency_ms for p in result.predictions if p.compute_units == asked.compute_units]
    if not times:
        return None
    return RunCost(milliseconds=median(times), note=f"median of {len(times)} predictions")


def _agreement_notes(result: MacResult) -> list[str]:
    """Return one sentence a picture and compute units: how far its outputs agree with those of the CPU alone."""
    return [
        f"{agreement.image}: {agreement.compute_units} agrees with CPU_ONLY in {agreement.share:.4%} of values"
        f" ({agreement.latency_ms:.1f} ms a prediction)"
        for agreement in result.agreements()
    ]
