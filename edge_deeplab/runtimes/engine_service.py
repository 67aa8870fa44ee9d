"""The engines inside a bounded child: one child loads one file and executes tensors, and imports what that takes."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.errors import require
from edge_deeplab.runtime_names import RuntimeName
from edge_deeplab.runtimes.engine import Engine, execute
from edge_deeplab.runtimes.inputs import ImageTensor, Tensor

EngineFactory = Callable[..., Engine]
"""Makes an engine of a path and its settings."""


def service(engine: RuntimeName) -> Mapping[str, Callable[..., Mapping[str, Any]]]:
    """Return the functions that answer requests, with everything that the engine imports imported.

    Args:
        engine: a key of `ENGINES`.
    """
    served = _Served(ENGINES[engine]())
    return {
        "open": served.open,
        "run": served.run,
        "run_scores": served.run_scores,
        "hold": served.hold,
        "time": served.time,
    }


class _Served:
    """One file in one engine; each method answers one request."""

    def __init__(self, factory: EngineFactory) -> None:
        self._factory = factory
        self._engine: Engine
        self._path: Path
        self._held: Tensor

    def open(self, path: str, settings: dict[str, Any]) -> Mapping[str, Any]:
        """Load the file."""
        self._path = Path(path)
        self._engine = self._factory(self._path, **settings)
        return {
            "name": self._engine.name,
            "image": image_to_json(self._engine.image),
            "description_text": self._engine.description_text,
        }

    def run(self, tensor: Tensor) -> Mapping[str, Any]:
        """Execute it."""
        return {"output": self._execute(self._engine.run, tensor)}

    def run_scores(self, tensor: Tensor) -> Mapping[str, Any]:
        """Execute it up to the scores."""
        return {"output": self._execute(self._engine.run_scores, tensor)}

    def hold(self, tensor: Tensor) -> Mapping[str, Any]:
        """Keep the tensor that is timed, so that sending it is part of no round."""
        self._held = tensor
        return {}

    def time(self) -> Mapping[str, Any]:
        """Execute it once on the held tensor, by the clock."""
        start = time.perf_counter()
        self._execute(self._engine.run, self._held)
        return {"seconds": time.perf_counter() - start}

    def _execute(self, run: Callable[[Tensor], Tensor], tensor: Tensor) -> Tensor:
        return execute(run, tensor, self._path, self._engine.name)


def image_to_json(image: ImageTensor) -> dict[str, Any]:
    """Return an input as JSON values; `edge_deeplab.runtimes.child_engine` reads them back."""
    quantization = image.quantization
    return {
        "name": image.name,
        "shape": list(image.shape),
        "dtype": np.dtype(image.dtype).name,
        "quantization": None if quantization is None else vars(quantization),
    }


def _onnxruntime() -> EngineFactory:
    require("onnxruntime", package="onnxruntime", extra="onnx")
    from edge_deeplab.runtimes.onnx import OnnxEngine

    return OnnxEngine


def _interpreter() -> EngineFactory:
    from edge_deeplab.runtimes.tflite import TFLiteEngine, load_interpreter_module

    load_interpreter_module()
    return TFLiteEngine


def _interpreter_builtin() -> EngineFactory:
    return partial(_interpreter(), delegate=False)


def _compiled_model() -> EngineFactory:
    require("ai_edge_litert.compiled_model", package="ai-edge-litert", extra="tflite")
    from edge_deeplab.runtimes.compiled_model import CompiledModelEngine

    return CompiledModelEngine


def _core_ml() -> EngineFactory:
    require("coremltools", package="coremltools", extra="coreml")
    from edge_deeplab.runtimes.coreml import CoreMLEngine

    return CoreMLEngine


def _mil_reference() -> EngineFactory:
    from edge_deeplab.runtimes.mil.coremltools_alone import import_coremltools_alone

    import_coremltools_alone()
    from edge_deeplab.runtimes.mil.engine import MILEngine

    return MILEngine


ENGINES: Mapping[RuntimeName, Callable[[], EngineFactory]] = {
    "onnxruntime": _onnxruntime,
    "interpreter": _interpreter,
    "interpreter-builtin": _interpreter_builtin,
    "compiled-model": _compiled_model,
    "core-ml": _core_ml,
    "mil-reference": _mil_reference,
}
"""Engines by name; each function imports what the engine needs and returns what makes one."""
