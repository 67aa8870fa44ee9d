"""The operator report: one file, held against profiles.

Reading (`read`), judging (`judging`) and measuring (`xnnpack`, `optimized_onnx`) meet here; nothing is printed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.checker.agreement import (
    fusion_to_json,
    fusion_warnings,
    xnnpack_to_json,
    xnnpack_warnings,
)
from edge_deeplab.checker.judging import (
    ProfileReport,
    gather_facts,
    judge,
    place_by,
    predict_verdicts,
)
from edge_deeplab.checker.onnx_fusion import Fusion, predict_fusion
from edge_deeplab.checker.partitions import Partitioning
from edge_deeplab.checker.rules import default_profiles, load_profile
from edge_deeplab.checker.tflite.signature_defs import (
    SignatureFinding,
    lint_signatures,
)
from edge_deeplab.checker.tflite.versions import VersionFinding, lint_versions
from edge_deeplab.checker.verdicts import Verdict
from edge_deeplab.formats.graph import FileGraph, Operator
from edge_deeplab.formats.read import read_graph
from edge_deeplab.runtimes.observers.optimized_onnx import Optimized, measure_optimized
from edge_deeplab.runtimes.observers.xnnpack import Measurement, measure_xnnpack

__all__ = [
    "ArtifactReport",
    "FileGraph",
    "ProfileReport",
    "check_artifact",
    "count_verdicts",
    "dilated_depthwise",
    "judge",
]


@dataclass(frozen=True)
class ArtifactReport:
    """What was read from one file, and what each profile says of it.

    Args:
        graph: the file's operators.
        profiles: one report a profile, in the order asked.
        xnnpack: what XNNPACK took, for TFLite files, else None.
        version_findings: operators of a TFLite file whose opcode version is too high or too low.
        signature_findings: what of a TFLite file's signatures is not so in its graph.
        placement: what XNNPACK was predicted to take; None for a file that is predicted not to load, or of another
            format.
        optimized: what ONNX Runtime made of it, for ONNX files, else None.
        fusion: what it was predicted to make of it.
    """

    graph: FileGraph
    profiles: tuple[ProfileReport, ...]
    xnnpack: Measurement | None = None
    version_findings: tuple[VersionFinding, ...] = ()
    signature_findings: tuple[SignatureFinding, ...] = ()
    placement: Partitioning | None = None
    optimized: Optimized | None = None
    fusion: Fusion | None = None

    @property
    def rejected(self) -> bool:
        """Whether some profile does not load the file."""
        return any(profile.count()[Verdict.REJECTED] for profile in self.profiles)

    def warnings(self) -> list[str]:
        """Return one sentence for each prediction that the runtimes of this machine do not bear out."""
        if self.xnnpack is not None:
            return xnnpack_warnings(self.graph, self.placement, self.xnnpack)
        if self.optimized is not None and self.fusion is not None:
            return fusion_warnings(self.fusion, self.optimized)
        return []

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        document: dict[str, Any] = {
            "path": str(self.graph.path),
            "format": self.graph.format,
            "versions": dict(self.graph.versions),
            "notes": list(self.graph.notes),
            "warnings": self.warnings(),
            "operators": [
                {"operator": kind, "version": version, "count": count}
                for kind, version, count in self.graph.count_types()
            ],
            "dilated_depthwise": [_dilated_to_json(o) for o in dilated_depthwise(self.graph)],
            "profiles": [asdict(profile) for profile in self.profiles],
            "version_findings": [finding.to_json() for finding in self.version_findings],
            "signature_findings": [finding.to_json() for finding in self.signature_findings],
        }
        if self.xnnpack is not None:
            document["xnnpack"] = xnnpack_to_json(self.graph, self.placement, self.xnnpack)
        if self.optimized is not None and self.fusion is not None:
            document["onnxruntime"] = fusion_to_json(self.fusion, self.optimized)
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
        loaded = default_profiles(graph.format)
    measured = measure_xnnpack(path) if graph.format == "tflite" else None
    optimized = measure_optimized(path) if graph.format == "onnx" else None
    asked = [profile for profile in loaded if profile.format == graph.format]
    return ArtifactReport(
        graph,
        tuple(judge(graph, profile, measured or optimized) for profile in asked),
        xnnpack=measured,
        version_findings=lint_versions(path) if graph.format == "tflite" else (),
        signature_findings=lint_signatures(path) if graph.format == "tflite" else (),
        placement=_foresee_xnnpack(graph) if graph.format == "tflite" else None,
        optimized=optimized,
        fusion=predict_fusion(graph) if graph.format == "onnx" else None,
    )


def count_verdicts(path: Path, profiles: Sequence[str] = ()) -> dict[str, int]:
    """Return how many operators of a file are ok, slow, fallback and rejected, each by the worst that a profile says.

    Arguments and errors as for `check_artifact`.
    """
    reports = check_artifact(path, profiles).profiles
    return count_worst([[verdict.verdict for verdict in report.verdicts] for report in reports])


def count_worst(said: Sequence[Sequence[Verdict]]) -> dict[str, int]:
    """Return how many operators have each verdict, by the worst of what several profiles say of the same operators."""
    worst = Counter(max(verdicts) for verdicts in zip(*said, strict=True))
    return {verdict: worst[verdict] for verdict in Verdict}


def dilated_depthwise(graph: FileGraph) -> list[Operator]:
    """Return the dilated depthwise convolutions, in the file's order."""
    return [operator for operator in graph.operators if operator.dilated_depthwise]


def _foresee_xnnpack(graph: FileGraph) -> Partitioning | None:
    """Return what XNNPACK is predicted to take of a TFLite file; None where it is predicted not to load."""
    profile = load_profile("tflite-xnnpack")
    return place_by(graph, profile, predict_verdicts(graph, profile, gather_facts(graph)))


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
