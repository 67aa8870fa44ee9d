"""A file of a single layer, run on noise: it has no picture and no classes, only a time."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_deeplab.runtimes.onnx import open_session
from edge_deeplab.runtimes.tflite import load_interpreter_module


class LayerRuntime:
    """A loaded one-layer file.

    Args:
        path: .tflite or .onnx, with one float32 input of fixed shape.
        threads: number of CPU threads.
    """

    def __init__(self, path: Path, threads: int) -> None:
        self.path = path
        self.name, self._run = (_open_tflite if path.suffix == ".tflite" else _open_onnx)(
            path, threads
        )

    def time_once(self) -> float:
        """Execute the file once and return the seconds that took."""
        start = time.perf_counter()
        self._run()
        return time.perf_counter() - start


def _open_tflite(path: Path, threads: int) -> tuple[str, Callable[[], Any]]:
    distribution, module = load_interpreter_module()
    interpreter: Any = module.Interpreter(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    (details,) = interpreter.get_input_details()
    interpreter.set_tensor(details["index"], _noise(details["shape"]))
    return distribution, interpreter.invoke


def _open_onnx(path: Path, threads: int) -> tuple[str, Callable[[], Any]]:
    session = open_session(str(path), threads)
    (read,) = session.get_inputs()
    noise = {read.name: _noise(read.shape)}
    return "onnxruntime", lambda: session.run(None, noise)


def _noise(shape: Any) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(tuple(shape), np.float32)
