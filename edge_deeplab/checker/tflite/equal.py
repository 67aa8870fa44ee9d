"""Whether two TFLite files compute the same, bit by bit: both run in the interpreter on the same inputs.

The inputs are seeded random ones, and one rendered street scene where the file takes a picture. It is run inside the
process that `fix.py` starts.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_deeplab.data.rendered.scene import LARGEST_PX, SMALLEST_PX, render_scene
from edge_deeplab.errors import ArtifactError, require
from edge_deeplab.formats.sizes import Size
from edge_deeplab.formats.tflite_sizes import listed_sizes, size_alone

RANDOM_INPUTS = 3
_SEED = 20261121
_LARGEST_INDEX = 4
"""Integers wider than a byte are often indices or sizes, so only small ones are drawn."""

Values = npt.NDArray[Any]


def compare_outputs(first: Path, second: Path) -> int:
    """Run two files on the same inputs and return how many inputs they were given, files of several sizes at each.

    Args:
        first: a `.tflite` file.
        second: another with the same inputs and outputs.

    Raises:
        ArtifactError: when an output differs in a bit, or a file cannot be run.
        MissingDependencyError: without ai-edge-litert.
    """
    sizes = tuple(listed_sizes(first.read_bytes())) or (None,)
    return sum(_compare_at(size_hw, first, second) for size_hw in sizes)


def _compare_at(size_hw: Size | None, first: Path, second: Path) -> int:
    one, other = _open(first, size_hw), _open(second, size_hw)
    count = 0
    for values in _inputs(one.get_input_details()):
        for place, (left, right) in enumerate(
            zip(_run(one, values), _run(other, values), strict=True)
        ):
            if left.dtype != right.dtype or left.tobytes() != right.tobytes():
                raise ArtifactError(
                    f"output {place} of the two differs on input {count}; equal bits were expected; "
                    "use the file as it was"
                )
        count += 1
    return count


def _open(path: Path, size_hw: Size | None) -> Any:
    module = require("ai_edge_litert.interpreter", package="ai-edge-litert", extra="tflite")
    source: dict[str, Any] = {"model_path": str(path)}
    if size_hw is not None:
        source = {"model_content": size_alone(path.read_bytes(), size_hw)}
    try:
        interpreter = module.Interpreter(**source, num_threads=1)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise _not_run(path, error) from error
    return interpreter


def _run(interpreter: Any, values: list[Values]) -> list[Values]:
    try:
        for details, value in zip(interpreter.get_input_details(), values, strict=True):
            interpreter.set_tensor(details["index"], value)
        interpreter.invoke()
        return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
    except (RuntimeError, ValueError) as error:
        raise _not_run("it", error) from error


def _not_run(what: Path | str, error: Exception) -> ArtifactError:
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    return ArtifactError(
        f"{what} cannot be run ({reason}); a file that LiteRT runs was expected, because equal outputs must be shown; "
        "use the file as it was"
    )


def _inputs(details: list[Mapping[str, Any]]) -> Iterator[list[Values]]:
    random = np.random.default_rng(_SEED)
    for _ in range(RANDOM_INPUTS):
        yield [_draw(random, each) for each in details]
    if len(details) == 1 and _takes_picture(details[0]):
        yield [_scene(details[0])]


def _draw(random: np.random.Generator, details: Mapping[str, Any]) -> Values:
    dtype, shape = np.dtype(details["dtype"]), tuple(int(size) for size in details["shape"])
    if dtype.kind == "f":
        return np.asarray(random.normal(size=shape), dtype)
    if dtype.kind == "b":
        return random.integers(2, size=shape).astype(dtype)
    if dtype.kind not in "iu":
        raise ArtifactError(
            f"its input {details['name']!r} is {dtype.name}; numbers were expected, because equal outputs must be "
            "shown on some; use the file as it was"
        )
    limits = np.iinfo(dtype)
    if dtype.itemsize > 1:
        return random.integers(_LARGEST_INDEX, size=shape).astype(dtype)
    return random.integers(limits.min, limits.max + 1, size=shape).astype(dtype)


def _takes_picture(details: Mapping[str, Any]) -> bool:
    shape = tuple(int(size) for size in details["shape"])
    is_picture = len(shape) == 4 and shape[0] == 1 and shape[3] == 3
    return is_picture and all(SMALLEST_PX <= side <= LARGEST_PX for side in shape[1:3])


def _scene(details: Mapping[str, Any]) -> Values:
    """Return a rendered street as the input: pixels as they are, moved by 128 for int8, in [0, 1] for floats."""
    _, height, width, _ = (int(size) for size in details["shape"])
    image, _ = render_scene(_SEED, (height, width))
    pixels = image[None]
    dtype = np.dtype(details["dtype"])
    if dtype == np.int8:
        return (pixels.astype(np.int16) - 128).astype(np.int8)
    return pixels if dtype == np.uint8 else np.asarray(pixels / 255.0, dtype)
