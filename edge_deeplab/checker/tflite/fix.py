"""Mends opcode versions: a copy in which each operator has its own lowest version, kept only when it computes the same.

The idea to hold: nothing is trusted. The copy is compared with the original field by field (`opcodes`) and bit by bit
in the interpreter (`equal`), in a bounded child, before it takes its name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.checker.tflite.equal import compare_outputs
from edge_deeplab.checker.tflite.opcodes import give_lowest_versions
from edge_deeplab.checker.tflite.versions import lint_versions
from edge_deeplab.child.bounded import ask_once
from edge_deeplab.child.limits import Limits
from edge_deeplab.errors import ArtifactError, ChildError, ConfigError, OutputError
from edge_deeplab.files import real_path, replace_when_complete
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.targets import target_of

RUNS = 8
"""How often the proof runs a model: both files on four inputs."""


@dataclass(frozen=True)
class VersionFix:
    """What mending a file's versions did.

    Args:
        path: the mended copy; None where no operator needed it, and nothing was written.
        operators: operators that got another version.
        inputs: inputs on which the copy gave the same bits.
        error: why no copy was kept; None where one was, or none is needed.
    """

    path: Path | None
    operators: int = 0
    inputs: int = 0
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what was done, as plain JSON values."""
        path = None if self.path is None else str(self.path)
        return {"path": path, "operators": self.operators, "inputs": self.inputs}


def fixed_path(path: Path) -> Path:
    """Return the place of the mended copy where none is named: beside the file, as NAME.fixed.tflite."""
    return path.with_name(f"{path.stem}.fixed{path.suffix}")


def fix_files(
    paths: Sequence[Path], output: Path | None = None, *, progress: Progress = SILENT
) -> dict[Path, VersionFix]:
    """Write mended copies of the TFLite files among some, and return what was done with each.

    Args:
        paths: files that could be read; those of other formats are passed over.
        output: where the copy goes, for one file; None puts each beside its original.
        progress: told of each file.

    Raises:
        ConfigError: when there is no TFLite file, several for one output, or a copy would take a file's own place.
        MissingDependencyError: without ai-edge-litert.
    """
    files = [path for path in paths if target_of(path) == "tflite"]
    if not files:
        raise ConfigError(
            "fix came without a .tflite file that can be read; one was expected, because only TFLite has opcode "
            "versions; leave it out"
        )
    if output is not None and len(files) > 1:
        raise ConfigError(
            f"an output came with {len(files)} .tflite files; one was expected; leave it out, and each copy is "
            "written beside its original"
        )
    fixes: dict[Path, VersionFix] = {}
    progress.begin("mending", len(files), "files")
    for path in files:
        try:
            fixes[path] = fix_versions(path, output)
        except (ArtifactError, OutputError) as error:
            fixes[path] = VersionFix(None, error=str(error))
        progress.advance()
    return fixes


def fix_versions(path: Path, output: Path | None = None) -> VersionFix:
    """Write a copy of a TFLite file in which each operator has the lowest version that it needs.

    Args:
        path: a `.tflite` file; it is never changed.
        output: the copy; None for `fixed_path`.

    Raises:
        ArtifactError: when the file cannot be read or run, or the copy would not compute the same; nothing is written.
        ConfigError: when the copy would take the file's own place, or the file is of another format.
        MissingDependencyError: without ai-edge-litert.
        OutputError: when the place cannot be written.
    """
    if target_of(path) != "tflite":
        raise ConfigError(
            f"fix came with {path}; a .tflite file was expected, because only TFLite has opcode versions; "
            "leave it out"
        )
    target = output or fixed_path(path)
    if target_of(target) != "tflite":
        raise ConfigError(
            f"the mended copy of {path.name} would be written to {target}; a .tflite file was expected, because "
            "readers go by the ending; name another output"
        )
    if real_path(target) == real_path(path):
        raise ConfigError(
            f"the mended copy would overwrite {path}; another place was expected; name another output"
        )
    findings = lint_versions(path)
    if not findings:
        return VersionFix(None)
    with replace_when_complete(target) as temporary:
        inputs = _mend_in_child(path, temporary)
    return VersionFix(target, len(findings), inputs)


def _mend_in_child(path: Path, copy: Path) -> int:
    """Write the copy and return on how many inputs it was proven."""
    limits = Limits.for_file(path.stat().st_size, runs=RUNS)
    places = {"source": str(path.absolute()), "copy": str(copy.absolute())}
    try:
        answer = ask_once(__name__, "write_proven", subject=str(path), limits=limits, **places)
    except ArtifactError as error:
        reason = error.ending if isinstance(error, ChildError) else error
        raise ArtifactError(f"{path} was not mended, no copy was kept: {reason}") from error
    return int(answer["inputs"])


def service() -> Mapping[str, Callable[..., Mapping[str, Any]]]:
    """Return what the bounded child answers."""
    return {"write_proven": write_proven_copy}


def write_proven_copy(source: str, copy: str) -> dict[str, Any]:
    """Write the copy and prove it; runs in the child.

    Args:
        source: path of the file, which `lint_versions` could read.
        copy: path to write to.

    Raises:
        ArtifactError: when the copy would not compute the same, or the file does not run.
    """
    path, target = Path(source), Path(copy)
    target.write_bytes(give_lowest_versions(path.read_bytes()))
    return {"inputs": compare_outputs(path, target)}
