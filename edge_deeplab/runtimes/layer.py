"""Files of a single layer, run on noise: they have no picture and no classes, only a time.

They are all this project's own, written a moment ago, so the files of one measurement share one bounded child.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_deeplab.child.bounded import BoundedChild
from edge_deeplab.child.limits import Limits
from edge_deeplab.runtimes.interpreter import load_interpreter_module
from edge_deeplab.runtimes.onnx_session import open_session
from edge_deeplab.targets import target_of


class LayerRuntime:
    """A loaded one-layer file.

    Args:
        path: .tflite or .onnx, with one float32 input of fixed shape.
        threads: number of CPU threads.
        child: what executes it; serves this module.
    """

    size_hw = None

    def __init__(self, path: Path, threads: int, child: BoundedChild) -> None:
        self.path = path
        self._child = child
        self.name = str(child.ask("open", path=str(path), threads=threads)["name"])

    def time_once(self) -> float:
        """Execute the file once and return the seconds that took."""
        return float(self._child.ask("time", path=str(self.path))["seconds"])


@contextmanager
def open_layers(paths: Sequence[Path], threads: int) -> Iterator[list[LayerRuntime]]:
    """Give the files loaded, for as long as the block lasts.

    Args:
        paths: at least one.
        threads: number of CPU threads.
    """
    limits = Limits.for_file(sum(path.stat().st_size for path in paths), threads=threads)
    child = BoundedChild(__name__, subject=f"one of {paths[0]} and others", limits=limits)
    try:
        yield [LayerRuntime(path, threads, child) for path in paths]
    finally:
        child.close()


def service() -> Mapping[str, Callable[..., Mapping[str, Any]]]:
    """Return what the child answers."""
    opened: dict[str, Callable[[], Any]] = {}

    def open_layer(path: str, threads: int) -> Mapping[str, Any]:
        opener = _open_tflite if target_of(Path(path)) == "tflite" else _open_onnx
        name, opened[path] = opener(Path(path), threads)
        return {"name": name}

    def time_layer(path: str) -> Mapping[str, Any]:
        run = opened[path]
        start = time.perf_counter()
        run()
        return {"seconds": time.perf_counter() - start}

    return {"open": open_layer, "time": time_layer}


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
