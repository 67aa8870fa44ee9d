"""examples/class_map_on_host.c gives the class map that every command here takes from small logits."""

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_deeplab.runtimes.inputs import ImageTensor
from edge_deeplab.runtimes.outputs import class_map

SOURCE = Path(__file__).resolve().parents[1] / "examples" / "class_map_on_host.c"


@pytest.fixture(scope="module")
def on_host(tmp_path_factory: pytest.TempPathFactory) -> Callable[[np.ndarray, int], np.ndarray]:
    """Return the compiled function, from (h, w, K) int8 and a ratio to class ids."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("a C compiler is absent: examples/class_map_on_host.c cannot be compiled")
    library = tmp_path_factory.mktemp("host") / "class_map.so"
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, str(SOURCE), "-o", str(library)], check=True)
    function = ctypes.CDLL(str(library)).class_map_of_logits

    def call(logits: np.ndarray, ratio: int) -> np.ndarray:
        height, width, classes = logits.shape
        ids = np.full((ratio * height, ratio * width), 255, np.uint8)
        source = np.ascontiguousarray(logits)
        function(source.ctypes, height, width, classes, ratio, ids.ctypes)
        return ids

    return call


@pytest.mark.parametrize("shape", [(9, 12, 11), (2, 2, 3), (2, 5, 21)])
@pytest.mark.parametrize("ratio", [4, 2, 8])
def test_c_gives_the_class_map_of_the_runtimes(
    on_host: Callable[[np.ndarray, int], np.ndarray], shape: tuple[int, int, int], ratio: int
) -> None:
    height, width, classes = shape
    logits = np.random.default_rng(0).integers(-128, 128, shape, np.int8)
    image = ImageTensor("image", (1, ratio * height, ratio * width, 3), np.dtype(np.uint8))
    scores = (logits[None].astype(np.float32) - 8) * 0.125  # exact: a power of two
    expected = class_map(scores, image, path="logits", classes=classes)
    assert np.array_equal(on_host(logits, ratio), expected)
