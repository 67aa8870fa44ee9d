"""The one table of targets: the file formats that an export is made for. Adding one begins with a row here.

Everything else of a target is found by its name: what writes its files (`write_NAME` in `converters/to_NAME.py`), what
reads them (`read_NAME` in `formats/NAME.py`; a file without a reader is not checked), and what runs them (`ENGINES` in
`runtimes/NAME.py`). What only some targets have stands in a table beside its use (stored integers, values inside a
file, files of several sizes, forms of heads and atrous convolutions, the browser); a target without a row there is
refused in one sentence or left as it is. This module imports nothing of the package.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

TargetName = Literal["coreml", "tflite", "onnx", "executorch", "coreai"]
Precision = Literal["fp32", "fp16", "int8", "w8", "w6", "w4"]
"""What numbers a file computes with; w8, w6 and w4 store weights alone in so many bits and compute in float."""
RuntimeName = Literal[
    "onnxruntime",
    "interpreter",
    "interpreter-builtin",
    "compiled-model",
    "core-ml",
    "mil-reference",
    "executorch-xnnpack",
    "core-ai",
]
"""What can run an exported file, as `--runtime` and `open_artifact` take it."""


@dataclass(frozen=True)
class Target:
    """A file format that an export is made for.

    Args:
        label: its name for people.
        ending: of its files, or of the folders that are its packages; `target_of` compares it.
        packages: what its converter needs beside torch; the extra that installs them has the target's name.
        precisions: those that it is exported in.
        default_profile: what its files are checked against where no profile is named; None where there are no rules.
        runtimes: what runs its files; the first that this system has is the default.
        marker: of its points in plots, by matplotlib's names.
        head: what comes out of its files where none is asked for, as `export --head` names it.
        patience: how many times as long as another's a file of this target may take on this machine.
        preview: written and run like the others, but made only where it is named: what makes it still changes.
    """

    label: str
    ending: str
    packages: tuple[str, ...]
    precisions: tuple[Precision, ...]
    default_profile: str | None
    runtimes: tuple[RuntimeName, ...]
    marker: str
    head: str = "exact"
    patience: int = 1
    preview: bool = False


BACKENDS: Mapping[str, str] = {
    "xnnpack": "executorch-xnnpack",
    "coreml": "executorch-coreml",
}
"""What computes ExecuTorch programs, as `export --backend` names it, and the profile that judges them."""
BACKEND_KEY = "backend"
"""Where the provenance of such a program says which."""

TARGETS: Mapping[TargetName, Target] = {
    "coreml": Target(
        label="Core ML",
        ending=".mlpackage",
        packages=("coremltools",),
        precisions=("fp32", "fp16", "int8", "w8", "w6", "w4"),
        default_profile="coreml-ane-a14",
        runtimes=("core-ml", "mil-reference"),
        marker="^",
    ),
    # of LiteRT: its interpreter with XNNPACK, the same with its own kernels alone, and its CompiledModel
    "tflite": Target(
        label="TFLite",
        ending=".tflite",
        packages=("litert-torch", "ai-edge-litert"),
        precisions=("fp32", "fp16", "int8"),
        default_profile="tflite-xnnpack",
        runtimes=("interpreter", "interpreter-builtin", "compiled-model"),
        marker="o",
    ),
    "onnx": Target(
        label="ONNX",
        ending=".onnx",
        packages=("onnx", "onnxscript", "onnxsim", "onnxruntime"),
        precisions=("fp32", "fp16", "int8", "w8"),
        default_profile="onnx-cpu",
        runtimes=("onnxruntime",),
        marker="s",
    ),
    "executorch": Target(
        label="ExecuTorch",
        ending=".pte",
        packages=("executorch",),
        precisions=("fp32", "int8"),
        default_profile="executorch-xnnpack",
        runtimes=("executorch-xnnpack",),
        marker="D",
        preview=True,
    ),
    # a class map that it computes is wrong on devices, so its files give the scores
    "coreai": Target(
        label="Core AI",
        ending=".aimodel",
        packages=("coreai-torch", "coreai-core"),
        precisions=("fp32", "fp16", "int8"),
        default_profile="coreai",
        runtimes=("core-ai",),
        marker="v",
        head="logits",
        patience=20,
        preview=True,
    ),
}
STABLE: tuple[TargetName, ...] = tuple(
    name for name, target in TARGETS.items() if not target.preview
)
"""Those that "all" stands for."""


def target_of(path: PurePath) -> TargetName | None:
    """Return the target whose ending a path has, in upper or lower case; None for another file."""
    ending = path.suffix.lower()
    return next((name for name, target in TARGETS.items() if target.ending == ending), None)


def target_run_by(runtime: RuntimeName) -> TargetName:
    """Return the target whose files a runtime runs."""
    return next(name for name, target in TARGETS.items() if runtime in target.runtimes)


def endings() -> str:
    """Return the endings of all targets, for a sentence."""
    return ", ".join(target.ending for target in TARGETS.values())


def runtime_names() -> tuple[RuntimeName, ...]:
    """Return what can run exported files, whatever their format."""
    return tuple(runtime for target in TARGETS.values() for runtime in target.runtimes)
