"""The way to a Mac and back: a script that asks Core ML, and what its answer makes of predicted verdicts.

The idea to hold: an answer belongs to one package, by the hash of its content, and to one machine. Operators are
matched by the name of their first output, which the compiled program keeps.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from edge_deeplab.checker.judging import report_by
from edge_deeplab.checker.mac.result import (
    MacResult,
    ObservedPlan,
    PlannedOperation,
    read_result,
)
from edge_deeplab.checker.report import ArtifactReport, ProfileReport
from edge_deeplab.checker.rules import Rule, load_profile
from edge_deeplab.checker.verdicts import Confidence, Judgement, Verdict
from edge_deeplab.errors import ArtifactError, ConfigError
from edge_deeplab.files import write_atomically
from edge_deeplab.formats.coreml import read_coreml
from edge_deeplab.formats.graph import FileGraph, Operator
from edge_deeplab.formats.manifest import content_sha256
from edge_deeplab.targets import target_of

OBSERVED = Rule(
    id="observed",
    verdict=Verdict.OK,  # in words "as observed": the plan decides
    reason="a Mac's compute plan tells where Core ML runs the operator: ok on the profile's device, fallback on "
    "another, rejected where the package does not load",
    source="MLComputePlan of coremltools, in the result that check --merge was given",
    date="the day of that run",
    confidence=Confidence.MEASURED,
)
"""What `check --merge` puts in place of the rules of Core ML's profiles."""
_PLACEHOLDER = 'PACKAGE_SHA256 = ""'
_DEVICES = {"cpu": "CPU", "gpu": "GPU", "neural_engine": "Neural Engine"}


@dataclass(frozen=True)
class _Target:
    """Where a profile's operators should run, and the compute units under which that is asked."""

    device: str
    compute_units: str


_TARGETS: Mapping[str, _Target] = {
    "coreml-ane": _Target("neural_engine", "CPU_AND_NE"),
    "coreml-gpu": _Target("gpu", "CPU_AND_GPU"),
    "coreml-cpu": _Target("cpu", "CPU_ONLY"),
}
"""By the beginning of a profile's name."""


def write_mac_script(package: Path, output: Path) -> None:
    """Write the script that asks Core ML about one package.

    Args:
        package: an `.mlpackage` that can be read.
        output: the script.

    Raises:
        ArtifactError: when the package cannot be read.
        ConfigError: when it is of another format.
        MissingDependencyError: without coremltools.
        OutputError: when the script cannot be written.
    """
    if target_of(package) != "coreml":
        raise ConfigError(
            f"--mac-script came with {package}; an .mlpackage was expected, because the script asks Core ML; "
            "name the Core ML file"
        )
    if package.resolve() in (output.resolve(), *output.resolve().parents):
        raise ConfigError(
            f"the script would be written to {output}, into the package itself; another place was expected; "
            "name a file beside it"
        )
    read_coreml(package)
    source = (files(__package__) / "script.py").read_text("utf-8")
    if source.count(_PLACEHOLDER) != 1:
        raise AssertionError("the script has lost the place of the package's hash")
    filled = source.replace(_PLACEHOLDER, f'PACKAGE_SHA256 = "{content_sha256(package)}"')
    write_atomically(output, f"#!/usr/bin/env python3\n{filled}")


def merge_result(report: ArtifactReport, result_path: Path) -> ArtifactReport:
    """Return a package's report with what a Mac observed in place of what was predicted.

    Operators of which the Mac said nothing keep their predicted verdict, and a note counts them.

    Args:
        report: of an `.mlpackage`.
        result_path: what the script wrote.

    Raises:
        ArtifactError: when the result cannot be read, or is about another package.
    """
    result = read_result(result_path)
    sha256 = content_sha256(report.graph.path)
    if report.graph.format != "coreml" or result.sha256 != sha256:
        raise ArtifactError(
            f"{result_path} is about {result.package} with the hash {result.sha256[:12]}, and {report.graph.path} has "
            f"{sha256[:12]}; the result of this package was expected; run its own script on the Mac"
        )
    merged = [_observe(report.graph, profile, result) for profile in report.profiles]
    notes = [note for _, profile_notes in merged for note in profile_notes]
    notes += _prediction_notes(result)
    graph = replace(report.graph, notes=(*report.graph.notes, *notes))
    return replace(report, graph=graph, profiles=tuple(profile for profile, _ in merged))


def _observe(
    graph: FileGraph, profile: ProfileReport, result: MacResult
) -> tuple[ProfileReport, list[str]]:
    """Return a profile's report with observed verdicts, and what must be said beside it."""
    target = next((t for name, t in _TARGETS.items() if profile.profile.startswith(name)), None)
    plan = result.plans.get(target.compute_units) if target else None
    if target is None or plan is None:
        return profile, [f"{profile.profile}: the Mac's result says nothing of it"]
    verdicts = tuple(
        _verdict(operator, predicted, target, plan, result)
        for operator, predicted in zip(graph.operators, profile.verdicts, strict=True)
    )
    silent = sum(verdict.rule != OBSERVED.id for verdict in verdicts)
    notes = [f"{profile.profile}: observed on {result.machine}, {target.compute_units}"]
    if silent:
        notes[0] += f"; of {silent} operators its plan says nothing, and their verdict is predicted"
    chip = re.fullmatch(r"coreml-ane-([am]\d+)", profile.profile)
    if chip and chip[1].upper() not in result.chip.upper().split():
        notes[0] += f"; that is no {chip[1].upper()}"
    report = report_by(graph, load_profile(profile.profile), verdicts)
    return replace(report, observed=True), notes


def _verdict(
    operator: Operator, predicted: Judgement, target: _Target, plan: ObservedPlan, result: MacResult
) -> Judgement:
    """Return what was observed of an operator; the prediction where nothing was."""
    observed = replace(
        predicted,
        rule=OBSERVED.id,
        source=f"MLComputePlan of coremltools {result.coremltools}, {target.compute_units}",
        date=result.date,
        confidence=Confidence.MEASURED,
        rewrite=None,
    )
    where = f"observed on {result.machine}"
    if plan.error is not None:
        return replace(
            observed,
            verdict=Verdict.REJECTED,
            reason=f"{where}: Core ML does not load it ({plan.error})",
        )
    planned = plan.find(operator)
    if planned is None or planned.preferred is None:
        return predicted
    if planned.preferred == target.device:
        reason = f"{where}: Core ML prefers the {_DEVICES[target.device]}"
        return replace(observed, verdict=Verdict.OK, reason=reason)
    return replace(
        observed,
        verdict=Verdict.FALLBACK,
        reason=f"{where}: {_preference(planned)}",
        rewrite=predicted.rewrite,
    )


def _preference(planned: PlannedOperation) -> str:
    able = ", ".join(_DEVICES.get(name, name) for name in planned.supported) or "none"
    preferred = planned.preferred or "none"
    return f"Core ML prefers the {_DEVICES.get(preferred, preferred)} (able: {able})"


def _prediction_notes(result: MacResult) -> list[str]:
    """Return one sentence a picture and compute units: how far its outputs agree with those of the CPU alone."""
    return [
        f"{agreement.image}: {agreement.compute_units} agrees with CPU_ONLY in {agreement.share:.4%} of values"
        f" ({agreement.latency_ms:.1f} ms a prediction)"
        for agreement in result.agreements()
    ]
