"""What runs a .tflite file: LiteRT's interpreter with XNNPACK, the same with its own kernels, and CompiledModel."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from edge_deeplab.errors import require
from edge_deeplab.runtimes.engine import Engine, EngineFactory


def _interpreter() -> EngineFactory:
    from edge_deeplab.runtimes.interpreter import TFLiteEngine, load_interpreter_module
    from edge_deeplab.runtimes.tflite_signature import SignatureEngine

    load_interpreter_module()

    def opened(
        path: Path,
        threads: int | None = None,
        *,
        delegate: bool = True,
        size_hw: Sequence[int] | None = None,
    ) -> Engine:
        if size_hw is None:
            return TFLiteEngine(path, threads, delegate=delegate)
        return SignatureEngine(path, size_hw, threads, delegate=delegate)

    return opened


def _interpreter_builtin() -> EngineFactory:
    return partial(_interpreter(), delegate=False)


def _compiled_model() -> EngineFactory:
    require("ai_edge_litert.compiled_model", package="ai-edge-litert", extra="tflite")
    from edge_deeplab.runtimes.compiled_model import CompiledModelEngine

    return CompiledModelEngine


ENGINES: Mapping[str, Callable[[], EngineFactory]] = {
    "interpreter": _interpreter,
    "interpreter-builtin": _interpreter_builtin,
    "compiled-model": _compiled_model,
}
"""By the runtime's name; each function imports what the engine needs and returns what makes one."""
