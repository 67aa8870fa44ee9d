"""What running in a bounded child costs: latency in one interleaved run, and the time to open a file.

    python benchmarks/bounded_child.py exports/*.tflite exports/*.onnx

Each file is opened several times in this process and as often in children, because where a copy lies in memory alone
makes it some percent faster or slower than another; `spread_here` tells how much. Times are taken as `bench` takes
them. Opening in this process is timed after its imports, which a child has to repeat: the difference is the most that a
child can cost.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.evaluation.bench import measure_latency
from edge_deeplab.runtimes.artifact import ArtifactRuntime
from edge_deeplab.runtimes.engine import Engine, TimedEngine
from edge_deeplab.runtimes.inputs import Tensor
from edge_deeplab.runtimes.interpreter import TFLiteEngine
from edge_deeplab.runtimes.onnx import OnnxEngine
from edge_deeplab.runtimes.open import open_artifact

ENGINES: Mapping[str, Callable[[Path, int], Engine]] = {
    ".onnx": OnnxEngine,
    ".tflite": TFLiteEngine,
}
COPIES, OPENINGS = 3, 7


class HereEngine:
    """An engine in this process that times itself as one in a child does."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name, self.image = engine.name, engine.image
        self.description_text = engine.description_text
        self.run, self.run_scores = engine.run, engine.run_scores

    def time_run(self, tensor: Tensor) -> float:
        """Execute the file once and return the seconds that took."""
        start = time.perf_counter()
        self._engine.run(tensor)
        return time.perf_counter() - start

    def close(self) -> None:
        """Nothing is to be ended."""


def open_here(path: Path, threads: int) -> ArtifactRuntime:
    """Open a file in this process, as no command does."""
    engine: TimedEngine = HereEngine(ENGINES[path.suffix](path, threads))
    return ArtifactRuntime(path, engine, None)


def measure(path: Path, threads: int, rounds: int) -> dict[str, Any]:
    """Return the ratio of the latency in children to that in this process, and what opening takes in each."""
    runtimes = []
    for _ in range(COPIES):
        runtimes += [open_here(path, threads), open_artifact(path, threads=threads)]
    measured = measure_latency(runtimes, rounds=rounds, threads=threads)
    here = np.array([latency.rounds_ms for latency in measured[::2]])  # (COPIES, rounds)
    child = np.array([latency.rounds_ms for latency in measured[1::2]])
    by_copy = np.median(here / here.mean(0), axis=1)
    opening_here_s = median_seconds(lambda: open_here(path, threads))
    opening_child_s = median_seconds(lambda: open_artifact(path, threads=threads))
    return {
        "path": path.name,
        "runtime": measured[0].runtime,
        "threads": threads,
        "rounds": rounds,
        "here_ms": float(np.median(here)),
        "child_ms": float(np.median(child)),
        "ratio": float(np.median(child.mean(0) / here.mean(0))),
        "spread_here": float(by_copy.max() / by_copy.min()),
        "opening_here_s": opening_here_s,
        "opening_child_s": opening_child_s,
        "opening_difference_s": opening_child_s - opening_here_s,
    }


def median_seconds(opens: Callable[[], object]) -> float:
    """Return the median time of an opening."""
    times = []
    for _ in range(OPENINGS):
        start = time.perf_counter()
        opens()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Measure every file that is named and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", help=".tflite and .onnx files")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    results = [measure(path, options.threads, options.rounds) for path in options.files]
    print(json.dumps(results, indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
