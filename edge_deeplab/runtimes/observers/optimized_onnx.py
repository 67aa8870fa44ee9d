"""What ONNX Runtime made of a file on this machine: measured, from the graph that it writes after optimizing.

The file is optimized in a bounded child, at the level at which integer operators are formed and
no layout of one processor is chosen yet (extended).
"""

import platform
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edge_deeplab.checker.observing import Observation
from edge_deeplab.checker.rules import Profile
from edge_deeplab.child.bounded import ask_once
from edge_deeplab.child.limits import Limits
from edge_deeplab.errors import ArtifactError, ChildError, missing, require
from edge_deeplab.formats.graph import FileGraph
from edge_deeplab.formats.onnx import nodes_within
from edge_deeplab.text import printable

_LONGEST_REASON = 400
_PLACE_IN_CODE = re.compile(r"^\S*/onnxruntime/core/\S+:\d+ .*?\) (?=[A-Z])")


class OnnxRuntime:
    """Asks ONNX Runtime what it makes of a file."""

    name = "onnxruntime"

    def available(self) -> str | None:
        """Return what is missing and how to get it; None where nothing is."""
        return missing("onnxruntime", package="onnxruntime", extra="onnx")

    def observe(self, graph: FileGraph, profile: Profile) -> Observation:
        """Return what operators it formed; the profile says nothing that changes it."""
        return measure_optimized(graph.path)


def measure_optimized(path: Path, *, limits: Limits | None = None) -> Observation:
    """Optimize an ONNX file in a process of its own and tell what operators came out.

    A file that the runtime refuses, or that crashes or stalls it, is a result (`refusal`), not an error.

    Args:
        path: the file.
        limits: what it may take; None for what suits the file.

    Raises:
        MissingDependencyError: without onnxruntime.
    """
    require("onnxruntime", package="onnxruntime", extra="onnx")
    asked = "ONNX Runtime", f"onnxruntime {version('onnxruntime')}", platform.machine()
    limits = limits or Limits.for_file(path.stat().st_size)
    try:
        answer = ask_once(
            __name__, "optimize", subject=str(path), limits=limits, path=str(path.absolute())
        )
    except ChildError as error:
        return Observation(*asked, formed={}, refusal=error.ending)
    except ArtifactError as error:
        return Observation(*asked, formed={}, refusal=printable(str(error)))
    return Observation(*asked, formed=answer["operators"])


def service() -> Mapping[str, Callable[..., Mapping[str, Any]]]:
    """Return what the bounded child answers."""
    require("onnxruntime", package="onnxruntime", extra="onnx")
    return {"optimize": _optimize}


def _optimize(path: str) -> Mapping[str, Any]:
    """Return the operator counts of the optimized graph; runs in the child.

    Raises:
        ArtifactError: when the runtime refuses the file; the message is its reason.
    """
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 4
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "optimized.onnx"
        settings.optimized_model_filepath = str(written)
        try:
            onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's own classes share no base but this
            raise ArtifactError(_reason(str(error))) from error
        return {"operators": _count_operators(written)}


def _reason(message: str) -> str:
    """Return what the runtime's message says is wrong, without the path and the place in its code."""
    words = " ".join(message.split()).split(" failed:", 1)[-1]
    return _PLACE_IN_CODE.sub("", words)[:_LONGEST_REASON]


def _count_operators(path: Path) -> dict[str, int]:
    import onnx

    model = onnx.load(path, load_external_data=False)  # the copy names weights that lie elsewhere
    return dict(Counter(node.op_type for node in nodes_within(model.graph)))
