"""The operator report: one file, held against profiles.

Reading, judging, linting and what observers saw meet here; nothing is printed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge_deeplab.checker.agreement import PredictedAndObserved, fusion_to_json, xnnpack_to_json
from edge_deeplab.checker.judging import ProfileReport, judge
from edge_deeplab.checker.observing import Observers
from edge_deeplab.checker.rules import Profile, default_profiles, load_profile
from edge_deeplab.checker.tflite.fix import VersionFix
from edge_deeplab.checker.tflite.signature_defs import SignatureFinding, lint_signatures
from edge_deeplab.checker.tflite.versions import VersionFinding, lint_versions
from edge_deeplab.checker.verdicts import Verdict
from edge_deeplab.errors import ConfigError, EdgeDeepLabError
from edge_deeplab.formats.graph import FileGraph, Operator
from edge_deeplab.formats.read import read_graph, sizes_of
from edge_deeplab.formats.sizes import Size
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.text import at_size

NOBODY: Observers = MappingProxyType({})


@dataclass(frozen=True)
class ArtifactReport:
    """What was read from one file, and what each profile says of it.

    Args:
        graph: the file's operators.
        profiles: one report a profile, in the order asked.
        unasked: what the format's default profile says, where only its observer was asked.
        version_findings: operators of a TFLite file whose opcode version is too high or too low.
        signature_findings: what of a TFLite file's signatures is not so in its graph.
        fix: what mending its versions did; None where that was not asked for.
    """

    graph: FileGraph
    profiles: tuple[ProfileReport, ...]
    unasked: ProfileReport | None = None
    version_findings: tuple[VersionFinding, ...] = ()
    signature_findings: tuple[SignatureFinding, ...] = ()
    fix: VersionFix | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self.graph.path

    @property
    def title(self) -> str:
        """What the report is headed with: the file, and the size of the picture, of a file that takes several."""
        return at_size(self.path, self.graph.size_hw)

    def differs_in_size_alone(self, other: "ArtifactReport") -> bool:
        """Whether the other is about the same file at another size, and says the same."""

        def said(report: "ArtifactReport") -> list[Any]:
            verdicts = [profile.verdicts for profile in report.profiles]
            return [report.path, report.graph.count_types(), report.notes, verdicts]

        return self.graph.size_hw != other.graph.size_hw and said(self) == said(other)

    @property
    def rejected(self) -> bool:
        """Whether some profile does not load the file."""
        return any(profile.count()[Verdict.REJECTED] for profile in self.profiles)

    @property
    def comparisons(self) -> tuple[PredictedAndObserved, ...]:
        """Predictions beside observations, of every profile that was observed."""
        reports = (*self.profiles, *((self.unasked,) if self.unasked else ()))
        return tuple(report.comparison for report in reports if report.comparison)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each prediction that what was observed does not bear out."""
        return tuple(text for seen in self.comparisons for text in seen.differences)

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the file the report does not show, and what observers say beside it."""
        told = (note for seen in self.comparisons for note in seen.observation.notes)
        return tuple(dict.fromkeys((*self.graph.notes, *told)))

    def seen_by(self, observer: str) -> PredictedAndObserved | None:
        """Return what an observer saw, beside the prediction; None where it was not asked."""
        return next((seen for seen in self.comparisons if seen.observer == observer), None)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        document: dict[str, Any] = {
            "path": str(self.path),
            "format": self.graph.format,
            "size_hw": list(self.graph.size_hw) if self.graph.size_hw else None,
            "versions": dict(self.graph.versions),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "operators": [
                {"operator": kind, "version": version, "count": count}
                for kind, version, count in self.graph.count_types()
            ],
            "dilated_depthwise": [_dilated_to_json(o) for o in self.graph.dilated_depthwise],
            "profiles": [profile.to_json() for profile in self.profiles],
            "version_findings": [finding.to_json() for finding in self.version_findings],
            "signature_findings": [finding.to_json() for finding in self.signature_findings],
        }
        if seen := self.seen_by("xnnpack"):
            document["xnnpack"] = xnnpack_to_json(seen)
        if seen := self.seen_by("onnxruntime"):
            document["onnxruntime"] = fusion_to_json(seen)
        if self.fix:
            document |= {"error": self.fix.error} if self.fix.error else {"fix": self.fix.to_json()}
        return document


@dataclass(frozen=True)
class UnreadArtifact:
    """A file that cannot be read.

    Args:
        path: the file.
        error: why, one sentence.
    """

    path: Path
    error: str

    def to_json(self) -> dict[str, Any]:
        """Return it as the report of a file is returned, empty but for the error."""
        return {"path": str(self.path), "format": None, "profiles": [], "error": self.error}


CheckResult = ArtifactReport | UnreadArtifact


def check_artifact(
    path: Path,
    profiles: Sequence[str] = (),
    observers: Observers = NOBODY,
    size_hw: Size | None = None,
) -> ArtifactReport:
    """Read a file, hold it against profiles, and those against what their observers see.

    Args:
        path: a `.tflite`, `.onnx` or `.mlpackage`, of this project or anyone's.
        profiles: names; those of other formats are passed over. None takes the format's default.
        observers: by name; a profile whose observer is not among them is only predicted. The observer of the format's
            default profile sees every file.
        size_hw: one of the sizes that the file lists; None: its default.

    Raises:
        ArtifactError: when the file cannot be read.
        ConfigError: for an unknown profile.
        MissingDependencyError: when the package that knows the format is not installed.
    """
    loaded = [load_profile(name) for name in profiles]
    graph = read_graph(path, size_hw)
    is_tflite = graph.format == "tflite"
    asked = profiles_for(graph, loaded)
    seeing = {profile.observed_by for profile in asked}
    unasked = [p for p in default_profiles(graph.format) if p.observed_by in {*observers} - seeing]
    return ArtifactReport(
        graph,
        tuple(_judge_and_observe(graph, profile, observers) for profile in asked),
        unasked=_judge_and_observe(graph, unasked[0], observers) if unasked else None,
        version_findings=lint_versions(path, size_hw) if is_tflite else (),
        signature_findings=lint_signatures(path, size_hw) if is_tflite else (),
    )


def check_artifacts(
    paths: Sequence[Path],
    profiles: Sequence[str] = (),
    observers: Observers = NOBODY,
    *,
    progress: Progress = SILENT,
) -> tuple[CheckResult, ...]:
    """Return the report of each file, at each size that it lists, or why it cannot be read.

    Arguments as for `check_artifact`.

    Raises:
        ConfigError: for an unknown profile, or one that reads none of the files.
    """
    wanted = [load_profile(name) for name in profiles]
    results: list[CheckResult] = []
    progress.begin("checking", len(paths), "files")
    for path in paths:
        try:
            results += [check_artifact(path, profiles, observers, size) for size in sizes_of(path)]
        except ConfigError:
            raise
        except EdgeDeepLabError as error:
            results.append(UnreadArtifact(path, str(error)))
        progress.advance()
    formats = {result.graph.format for result in results if isinstance(result, ArtifactReport)}
    all_read = all(isinstance(result, ArtifactReport) for result in results)
    for profile in wanted:
        if results and all_read and profile.format not in formats:
            raise ConfigError(
                f"profile {profile.name} is about {profile.format} files and none of that format came; "
                "name another profile, or leave it out for each format's default"
            )
    return tuple(results)


def _judge_and_observe(graph: FileGraph, profile: Profile, observers: Observers) -> ProfileReport:
    observer = observers.get(profile.observed_by or "")
    observation = None if observer is None else observer.observe(graph, profile)
    return judge(graph, profile, observation)


def profiles_for(graph: FileGraph, asked: Sequence[Profile]) -> list[Profile]:
    """Return the profiles among those asked that read a file; with none asked, the format's default."""
    if not asked:
        return default_profiles(graph.format)
    return [profile for profile in asked if profile.format == graph.format]


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
