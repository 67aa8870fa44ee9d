"""The numbers that stand in a TFLite file, as floats whatever they are stored as."""

from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_deeplab.formats.graph import TensorSpec
from edge_deeplab.formats.stored.flatbuffer import FlatModel

Floats = npt.NDArray[np.float32]
Range = tuple[float, float]

_LEVELS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}


class Constants:
    """The constants of a file's first graph, by the keys that its operators read them under.

    Args:
        model: the flatbuffer.
    """

    def __init__(self, model: FlatModel) -> None:
        self._model = model
        self._tensors: list[Any] = model.tensors(model.graphs()[0])
        self._stored_as: dict[str, str] = {}

    def holds(self, key: str) -> bool:
        """Whether a value stands in the file; what a DEQUANTIZE makes of a constant counts as one."""
        return bool(key) and self._model.is_constant(self._tensors[self._index(key)])

    def pass_on(self, key: str, result: str) -> None:
        """Note that an operator only gives a constant another type."""
        self._stored_as[result] = str(self._index(key))

    def floats(self, key: str) -> Floats:
        """Return the numbers that a constant stands for.

        Raises:
            ValueError: when they are stored in a way that is not read, or as integers without a scale.
        """
        tensor = self._tensors[self._index(key)]
        stored = self._model.values(tensor)
        if stored.dtype.kind == "f":
            return np.array(stored, np.float32)
        quantization = tensor.Quantization()
        if quantization is None or not quantization.ScaleLength():
            raise ValueError(f"the integers of {self._model.name(tensor)} have no scale")
        axis = int(quantization.QuantizedDimension())
        scale, zero_point = (
            _along(self._model.vector(quantization, field), axis, stored.ndim)
            for field in ("Scale", "ZeroPoint")
        )
        with np.errstate(all="ignore"):  # weights that are not finite are refused together
            values: Floats = ((stored.astype(np.float64) - zero_point) * scale).astype(np.float32)
        return values

    def _index(self, key: str) -> int:
        return int(self._stored_as.get(key, key))


def range_of(spec: TensorSpec) -> Range | None:
    """Return the smallest and largest value that a tensor's integers can stand for; None where no scale tells."""
    told = spec.quantization
    if told is None or told.channels != 1 or spec.dtype not in _LEVELS:
        return None
    low, high = ((level - told.zero_points[0]) * told.scales[0] for level in _LEVELS[spec.dtype])
    holds_zero = isfinite(low) and isfinite(high) and low <= 0 <= high and low < high
    return (low, high) if holds_zero else None


def _along(numbers: npt.NDArray[Any], axis: int, rank: int) -> npt.NDArray[Any]:
    """Return one number, or a vector turned so that it lies along an axis; zero where there is none."""
    if numbers.size <= 1:
        return numbers if numbers.size else np.zeros(1)
    if not 0 <= axis < rank:
        raise ValueError(f"its scales lie along axis {axis} of {rank}")
    return numbers.reshape([-1 if at == axis else 1 for at in range(rank)])
