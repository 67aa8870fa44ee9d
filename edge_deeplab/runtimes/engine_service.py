"""The engines inside a bounded child: one child loads one file and executes tensors, and imports what that takes."""

import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.runtimes.engine import Engine, EngineFactory, execute
from edge_deeplab.runtimes.inputs import ImageTensor, Tensor
from edge_deeplab.targets import RuntimeName, target_run_by


def service(engine: RuntimeName) -> Mapping[str, Callable[..., Mapping[str, Any]]]:
    """Return the functions that answer requests, with everything that the engine imports imported.

    Args:
        engine: what is to run the file; `ENGINES` of its target's module has it.
    """
    module = import_module(f"{__package__}.{target_run_by(engine)}")
    served = _Served(module.ENGINES[engine]())
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
