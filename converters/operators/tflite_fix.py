"""Mends opcode versions: a copy in which each operator has its own lowest version, kept only when it computes the same.

The idea to hold: nothing is trusted. The copy is compared with the original field by field (`tflite_opcodes`) and bit
by bit in the interpreter (`tflite_equal`), in a process of its own, before it takes its name.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.converters.operators.isolation import REFUSAL, answer_from, run_isolated
from edge_deeplab.converters.operators.tflite_equal import compare_outputs
from edge_deeplab.converters.operators.tflite_opcodes import give_lowest_versions
from edge_deeplab.converters.operators.tflite_versions import lint_versions
from edge_deeplab.errors import ArtifactError, ConfigError
from edge_deeplab.files import replace_when_complete

TIME_LIMIT_S = 300.0
CPU_LIMIT_S = 120
"""Limits of the proof: a large model runs eight times in it."""


@dataclass(frozen=True)
class VersionFix:
    """What mending a file's versions did.

    Args:
        path: the mended copy; None where no operator needed it, and nothing was written.
        operators: operators that got another version.
        inputs: inputs on which the copy gave the same bits.
    """

    path: Path | None
    operators: int = 0
    inputs: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        path = None if self.path is None else str(self.path)
        return {"path": path, "operators": self.operators, "inputs": self.inputs}


def fixed_path(path: Path) -> Path:
    """Return the place of the mended copy where none is named: beside the file, as NAME.fixed.tflite."""
    return path.with_name(f"{path.stem}.fixed{path.suffix}")


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
    if path.suffix.lower() != ".tflite":
        raise ConfigError(
            f"--fix came with {path}; a .tflite file was expected, because only TFLite has opcode versions; "
            "leave --fix out"
        )
    target = output or fixed_path(path)
    if target.suffix.lower() != ".tflite":
        raise ConfigError(
            f"the mended copy of {path.name} would be written to {target}; a .tflite file was expected, because "
            "readers go by the ending; name another --output"
        )
    if target.resolve() == path.resolve():
        raise ConfigError(
            f"the mended copy would overwrite {path}; another place was expected; name another --output"
        )
    findings = lint_versions(path)
    if not findings:
        return VersionFix(None)
    with replace_when_complete(target) as temporary:
        arguments = [str(path.absolute()), str(temporary.absolute())]
        answer = run_isolated(__name__, arguments, time_limit_s=TIME_LIMIT_S, cpu_s=CPU_LIMIT_S)
        if REFUSAL in answer:
            raise ArtifactError(f"{path} was not mended, no copy was kept: {answer[REFUSAL]}")
    return VersionFix(target, len(findings), int(answer["inputs"]))


def mend(source: str, copy: str) -> dict[str, Any]:
    """Write the copy and prove it; runs in the process of its own.

    Args:
        source: path of the file, which `lint_versions` could read.
        copy: path to write to.
    """
    path, target = Path(source), Path(copy)
    try:
        target.write_bytes(give_lowest_versions(path.read_bytes()))
        return {"inputs": compare_outputs(path, target)}
    except ArtifactError as error:
        return {REFUSAL: str(error)}


if __name__ == "__main__":
    answer_from(mend)
