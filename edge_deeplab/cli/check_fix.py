"""`edge-deeplab check --fix`: mended copies of TFLite files, and how findings about opcode versions are shown."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from edge_deeplab.errors import ArtifactError, ConfigError
from edge_deeplab.targets import target_of

if TYPE_CHECKING:
    from edge_deeplab.checker.tflite.versions import VersionFinding

_TFLITE = ".tflite"


def fix_files(paths: Sequence[Path], output: Path | None) -> dict[Path, dict[str, Any]]:
    """Write mended copies of the TFLite files among `paths`.

    Args:
        paths: files that could be read; those of other formats are passed over.
        output: where the copy goes, for one file; None puts each beside its original.

    Returns:
        For each file what its JSON entry gets: {"fix": {"path", "operators", "inputs"}}, or {"error": sentence} where
        no copy was kept.

    Raises:
        ConfigError: when there is no TFLite file, or several for one output.
        MissingDependencyError: without ai-edge-litert.
        OutputError: when a copy cannot be written.
    """
    from edge_deeplab.checker.tflite.fix import fix_versions

    files = [path for path in paths if target_of(path) == "tflite"]
    if not files:
        raise ConfigError(
            "--fix came without a .tflite file that can be read; one was expected, because only TFLite has opcode "
            "versions; leave --fix out"
        )
    if output is not None and len(files) > 1:
        raise ConfigError(
            f"--output came with {len(files)} .tflite files; one was expected; leave --output out, and each copy is "
            "written beside its original"
        )
    fixes: dict[Path, dict[str, Any]] = {}
    for path in files:
        try:
            fixes[path] = {"fix": fix_versions(path, output).to_json()}
        except ArtifactError as error:
            fixes[path] = {"error": str(error)}
    return fixes


def fix_line(path: str | None, operators: int, inputs: int) -> str:
    """Return what mending a file did, for people."""
    if path is None:
        return "every operator has the opcode version that it needs; nothing was written"
    return f"{path}: {operators} operators have another version, outputs equal in every bit on {inputs} inputs"


def version_table(findings: "Sequence[VersionFinding]") -> Table | None:
    """Return one row for the operators of one builtin with one and the same finding; None where there are none."""
    if not findings:
        return None
    counts = Counter((f.operator, f.version, f.lowest, f.problem, f.consequence) for f in findings)
    table = Table(title="opcode versions; check --fix mends them in a copy", title_justify="left")
    for header in ("operators", "version", "needs", "", "what follows"):
        table.add_column(header, overflow="fold")
    for (operator, version, lowest, problem, consequence), count in counts.items():
        row = (f"{operator} x{count}", str(version), str(lowest), problem, consequence)
        table.add_row(*row)
    return table
