"""The operator report: one file, held against profiles.

Reading (`read`), measuring (`xnnpack`) and judging (`rules`) meet here; nothing is printed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.converters.operators.facts import Fact, facts_of
from edge_deeplab.converters.operators.graph import FileGraph, Operator
from edge_deeplab.converters.operators.read import read_graph
from edge_deeplab.converters.operators.rules import (
    DEFAULT_PROFILES,
    VERDICTS,
    Profile,
    load_profile,
)
from edge_deeplab.converters.operators.tflite_versions import VersionFinding, lint_versions
from edge_deeplab.converters.operators.xnnpack import Measurement, measure_xnnpack


@dataclass(frozen=True)
class Verdict:
    """What a profile says of one operator.

    Args:
        operator: its type.
        name: its name in the file.
        module: dotted path of the layer it came from, or None.
        verdict: "ok", "slow", "fallback" or "rejected".
        reason: one sentence.
        rule: id of the rule that decided, or None for "ok".
        source: where the rule was read or measured, or None.
        date: when, or None.
        confidence: "source", "measured" or "reported", or None.
        rewrite: what mends it, or None.
    """

    operator: str
    name: str
    module: str | None
    verdict: str
    reason: str
    rule: str | None = None
    source: str | None = None
    date: str | None = None
    confidence: str | None = None
    rewrite: str | None = None


@dataclass(frozen=True)
class ProfileReport:
    """What one profile says of a file.

    Args:
        profile: its name.
        verdicts: one for every operator, in the file's order.
        partitions: number of delegate partitions where they were measured, else None.
    """

    profile: str
    verdicts: tuple[Verdict, ...]
    partitions: int | None = None

    def count(self) -> dict[str, int]:
        """Return the number of operators of each verdict, all four of them."""
        counts = Counter(verdict.verdict for verdict in self.verdicts)
        return {verdict: counts[verdict] for verdict in VERDICTS}


@dataclass(frozen=True)
class ArtifactReport:
    """What was read from one file, and what each profile says of it.

    Args:
        graph: the file's operators.
        profiles: one report a profile, in the order asked.
        xnnpack: what XNNPACK took, for TFLite files, else None.
        version_findings: operators of a TFLite file whose opcode version is too high or too low.
    """

    graph: FileGraph
    profiles: tuple[ProfileReport, ...]
    xnnpack: Measurement | None = None
    version_findings: tuple[VersionFinding, ...] = ()

    @property
    def rejected(self) -> bool:
        """Whether some profile does not load the file."""
        return any(profile.count()["rejected"] for profile in self.profiles)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        document: dict[str, Any] = {
            "path": str(self.graph.path),
            "format": self.graph.format,
            "versions": dict(self.graph.versions),
            "notes": list(self.graph.notes),
            "operators": [
                {"operator": kind, "version": version, "count": count}
                for kind, version, count in self.graph.count_types()
            ],
            "dilated_depthwise": [_dilated_to_json(o) for o in dilated_depthwise(self.graph)],
            "profiles": [asdict(profile) for profile in self.profiles],
            "version_findings": [finding.to_json() for finding in self.version_findings],
        }
        if self.xnnpack is not None:
            document["xnnpack"] = _measurement_to_json(self.xnnpack, self.graph)
        return document


def check_artifact(path: Path, profiles: Sequence[str] = ()) -> ArtifactReport:
    """Read a file and hold it against profiles.

    Args:
        path: a `.tflite`, `.onnx` or `.mlpackage`, of this project or anyone's.
        profiles: names; those of other formats are passed over. None takes the format's default.

    Raises:
        ArtifactError: when the file cannot be read.
        ConfigError: for an unknown profile.
        MissingDependencyError: when the package that knows the format is not installed.
    """
    loaded = [load_profile(name) for name in profiles]
    graph = read_graph(path)
    if not loaded:
        loaded = [load_profile(DEFAULT_PROFILES[graph.format])]
    measurement = measure_xnnpack(path) if graph.format == "tflite" else None
    fitting = [profile for profile in loaded if profile.format == graph.format]
    reports = tuple(judge(graph, profile, measurement) for profile in fitting)
    findings = lint_versions(path) if graph.format == "tflite" else ()
    return ArtifactReport(graph, reports, measurement, findings)


def count_verdicts(path: Path) -> dict[str, int]:
    """Return how many operators of a file are ok, slow, fallback and rejected, by its format's default profile.

    Raises:
        ArtifactError: when the file cannot be read.
        MissingDependencyError: when the package that knows the format is not installed.
    """
    (report,) = check_artifact(path).profiles
    return report.count()


def judge(
    graph: FileGraph, profile: Profile, measurement: Measurement | None = None
) -> ProfileReport:
    """Return what a profile says of every operator.

    Args:
        graph: the file's operators.
        profile: its rules.
        measurement: what a profile of measured facts judges by.
    """
    used = measurement if profile.measured else None
    verdicts = tuple(_judge_operator(operator, profile, used) for operator in graph.operators)
    loaded = used is not None and used.refusal is None
    return ProfileReport(profile.name, verdicts, len(used.partitions) if used and loaded else None)


def dilated_depthwise(graph: FileGraph) -> list[Operator]:
    """Return the dilated depthwise convolutions, in the file's order."""
    return [operator for operator in graph.operators if operator.dilated_depthwise]


def _judge_operator(
    operator: Operator, profile: Profile, measurement: Measurement | None
) -> Verdict:
    facts = {**facts_of(operator), **_measured_facts(operator, measurement)}
    rule = profile.worst_rule(facts)
    identity = operator.type, operator.name, operator.module
    if rule is None:
        return Verdict(*identity, "ok", profile.ok_reason)
    return Verdict(
        *identity,
        rule.verdict,
        rule.reason.format_map(facts),
        rule=rule.id,
        source=rule.source.format_map(facts),
        date=rule.date,
        confidence=rule.confidence,
        rewrite=rule.rewrite.format_map(facts) if rule.rewrite else None,
    )


def _measured_facts(operator: Operator, measurement: Measurement | None) -> dict[str, Fact]:
    if measurement is None:
        return {}
    if measurement.refusal is not None:
        return {
            "runtime": measurement.runtime,
            "loads": False,
            "refusal": measurement.refusal,
        }
    return {
        "runtime": measurement.runtime,
        "loads": True,
        "delegated": operator.index in measurement.delegated,
    }


def _dilated_to_json(operator: Operator) -> dict[str, Any]:
    convolution = operator.dilated_depthwise
    assert convolution is not None
    return {
        "name": operator.name,
        "module": operator.module,
        "rate": list(convolution.rate_hw),
        "kernel": list(convolution.kernel_hw),
        "channels": convolution.channels,
        "form": convolution.form,
    }


def _measurement_to_json(measurement: Measurement, graph: FileGraph) -> dict[str, Any]:
    left_out = [graph.operators[i] for i in measurement.left_out if i < len(graph.operators)]
    return {
        "runtime": measurement.runtime,
        "delegated": len(measurement.delegated),
        "total": measurement.total,
        "partitions": len(measurement.partitions),
        "left_out": [{"operator": o.type, "name": o.name, "module": o.module} for o in left_out],
        "refusal": measurement.refusal,
    }
