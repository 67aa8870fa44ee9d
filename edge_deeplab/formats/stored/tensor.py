"""What a file holds of one quantized tensor: its numbers, and the scale and zero point at every place that reads it.

The idea to hold: a file states one tensor's scale several times, once for each operator that quantizes or dequantizes
it, and a runtime obeys each of them. So each is kept, and a tensor is sound when all of them are equal.
"""

from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Kind = Literal["activation", "weight", "bias"]

_ELEMENTS = {
    "int8": (8, 0),
    "uint8": (8, 1 << 7),
    "int16": (16, 0),
    "uint16": (16, 1 << 15),
    "int32": (32, 0),
    "int64": (64, 0),
}
"""Bits of an element, and what is taken off an unsigned one, so that it and its signed twin are the same numbers."""


@dataclass(frozen=True)
class Parameters:
    """A scale and zero point for all of a tensor, or one of each for every index along an axis.

    Args:
        scale: (1,) or (K,), float32, or float16 where the file stores that.
        zero_point: int64, as long as the scale; that of an unsigned tensor is given less half its range.
        bits: of the integers.
        axis: along which there are K; None for one scale.
        states_zero_point: whether the file states it; where it does not, the format's default holds.
        idle_axis: an axis other than files usually write that stands beside one scale, where it has no effect.
    """

    scale: Array
    zero_point: npt.NDArray[np.int64]
    bits: int
    axis: int | None = None
    states_zero_point: bool = True
    idle_axis: int | None = None


@dataclass(frozen=True)
class Reading:
    """A place of a file that states how a tensor is stored.

    Args:
        where: the place, for people.
        parameters: what it states.
    """

    where: str
    parameters: Parameters


@dataclass(frozen=True)
class StoredTensor:
    """One quantized tensor of a file, or the bias of a convolution with quantized weights.

    Args:
        kind: what it is.
        readings: every place that states its scale; none for a bias that is stored as floats.
        values: integers of a weight, (K, C, h, w) for a convolution's; integers or floats of a bias; None of an
            activation and of an absent bias. Unsigned integers are given less half their range.
        expected: what must be stated of the integers of a bias, by the convolution's input and weight.
    """

    kind: Kind
    readings: tuple[Reading, ...]
    values: Array | None = None
    expected: Reading | None = None

    def __post_init__(self) -> None:
        """Refuse integers of which no scale tells what they mean, with a ValueError."""
        if self.stores_integers and not self.readings:
            raise ValueError(f"integers of a {self.kind} are stored without a scale")

    @property
    def parameters(self) -> Parameters:
        """The first place's, which all others of a sound tensor have as well."""
        return self.readings[0].parameters

    @property
    def stores_integers(self) -> bool:
        """Whether its values are integers rather than floats."""
        return self.values is not None and self.values.dtype.kind in "iu"


def parameters_of(
    scale: Array,
    zero_point: Array | None,
    element: str,
    axis: int | None,
    usual_axes: Container[int] = (),
) -> Parameters:
    """Return what a place states.

    Args:
        scale: one number, or a vector along `axis`; float16 and float32 are kept, others become float32.
        zero_point: one number, or as many as the scale; None where the place states none.
        element: name of the integers' type.
        axis: as the file states it, or the format's default; None where it states none.
        usual_axes: those that files write beside one scale, where an axis has no effect.

    Raises:
        ValueError: when the type is no integer's, or scales and zero points do not fit together.
    """
    bits, shift = element_of(element)
    zeros = np.zeros(1, np.int64) if zero_point is None else np.asarray(zero_point).reshape(-1)
    scales = np.asarray(scale).reshape(-1)
    if np.ndim(scale) > 1 or not scales.size or zeros.size not in (1, scales.size):
        raise ValueError(f"it has scales of shape {np.shape(scale)} and {zeros.size} zero points")
    many = scales.size > 1
    return Parameters(
        scale=scales if scales.dtype == np.float16 else scales.astype(np.float32),
        zero_point=np.broadcast_to(zeros.astype(np.int64) - shift, scales.shape),
        bits=bits,
        axis=axis if many else None,
        states_zero_point=zero_point is not None,
        idle_axis=None if many or axis is None or axis in usual_axes else axis,
    )


def element_of(name: str) -> tuple[int, int]:
    """Return the bits of an integer type and what is taken off its numbers.

    Raises:
        ValueError: for a type that is not read.
    """
    if name not in _ELEMENTS:
        raise ValueError(
            f"it stores {name} integers, of which this comparison reads {', '.join(_ELEMENTS)}"
        )
    return _ELEMENTS[name]


def signed(integers: Array) -> Array:
    """Return integers, unsigned ones less half their range; a view of those that are signed.

    Raises:
        ValueError: for a type that is not read.
    """
    bits, shift = element_of(integers.dtype.name)
    return (integers.astype(np.int32) - shift).astype(f"int{bits}") if shift else integers


def product_of(image: Parameters, weight: Parameters, stored: Parameters) -> Reading | None:
    """Return what a bias must be stored with: input scale times weight scale, zero point 0, along its only axis.

    None for an input with several scales, of which no such product can be made.

    Where the product is no float32 itself, converters round it at different steps: its neighbours count as equal.

    Args:
        image: of the convolution's input.
        weight: of its weight.
        stored: of the bias, as the file has it.
    """
    if image.scale.size != 1:
        return None
    exact = image.scale.astype(np.float64) * weight.scale.astype(np.float64)
    product = exact.astype(np.float32)
    if stored.scale.shape == product.shape:
        beside = np.abs(stored.scale - product) <= np.spacing(np.abs(product))
        product = np.where((product != exact) & beside, stored.scale, product)
    many = product.size > 1
    zeros = np.zeros(product.shape, np.int64)
    parameters = Parameters(product, zeros, stored.bits, axis=0 if many else None)
    return Reading("input scale x weight scale", parameters)
