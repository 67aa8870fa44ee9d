"""What differs between two statements of one tensor, in words, and what is equal only once it is rounded.

The idea to hold: formats store scales and biases in different precisions (Core ML in half), and a coarser file cannot
say more than the finer one's number rounded. So numbers are compared in the coarser precision of the two, bit for bit,
and those that needed the rounding are counted.
"""

from dataclasses import dataclass

import numpy as np

from edge_deeplab.formats.stored.tensor import Array, Parameters, StoredTensor


@dataclass(frozen=True)
class Difference:
    """Two values that should be equal.

    Args:
        what: what they are of: "scale", "zero point", "axis", "integer", "bias".
        one: the first's value.
        other: the second's.
        beside: where and how often, when there is more than one; "" otherwise.
    """

    what: str
    one: object
    other: object
    beside: str = ""

    def sentence(self, one: str, other: str) -> str:
        """Return it in words, with the names of the two sides."""
        return f"{self.what}{self.beside} is {_shown(self.one)} in {one}, {_shown(self.other)} in {other}"


def rounded_to(numbers: Array, kind: np.dtype[np.floating]) -> Array:
    """Return floats as float32 after rounding them to a precision; what is too large for it is infinite."""
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32).astype(kind).astype(np.float32)


def parameter_difference(one: Parameters, other: Parameters) -> Difference | None:
    """Return the first thing that two places do not state alike; None when they agree."""
    if one.scale.size != other.scale.size:
        return Difference("number of scales", one.scale.size, other.scale.size)
    if one.bits != other.bits:
        return Difference("number of bits", one.bits, other.bits)
    if one.axis != other.axis:
        return Difference("axis", one.axis, other.axis)
    coarser = min(one.scale.dtype, other.scale.dtype, key=lambda kind: kind.itemsize)
    scales = [rounded_to(parameters.scale, coarser) for parameters in (one, other)]
    found = first_unequal("scale", *scales)
    return found or first_unequal("zero point", one.zero_point, other.zero_point)


def rounded_scales(one: Parameters, other: Parameters) -> int:
    """Return how many scales of two places that agree are equal only in the coarser precision."""
    return int((one.scale.astype(np.float32) != other.scale.astype(np.float32)).sum())


def first_unequal(what: str, one: Array, other: Array) -> Difference | None:
    """Return the first place at which two arrays differ; two numbers that are none (NaN) are equal."""
    if one.shape != other.shape:
        return Difference(f"shape of the {what}s", one.shape, other.shape)
    differ = one != other
    if one.dtype.kind == "f":
        differ &= (one == one) | (other == other)
    if not differ.any():
        return None
    unequal = np.argwhere(differ)
    place = tuple(int(index) for index in unequal[0])
    shown = place[0] if len(place) == 1 else place
    beside = f" at {shown} ({len(unequal)} of {one.size} differ)" if one.size > 1 else ""
    return Difference(what, one[place].item(), other[place].item(), beside)


def value_difference(one: StoredTensor, other: StoredTensor) -> tuple[Difference | None, int]:
    """Return what differs between the values of two tensors of one kind, and how many are equal only once rounded.

    Args:
        one: the one whose values are stored the more precisely (`coarseness`).
        other: the other.
    """
    if one.kind != "bias":
        if one.values is None or other.values is None:
            return None, 0
        return first_unequal("integer", one.values, other.values), 0
    if one.values is None or other.values is None:
        return _absent(one, other), 0
    if other.stores_integers:
        return first_unequal("bias", one.values, other.values), 0
    exact = _bias_values(one)
    stored = other.values.astype(np.float32)
    found = first_unequal("bias", rounded_to(exact, other.values.dtype), stored)
    return found, 0 if found else int((exact != stored).sum())


def coarseness(tensor: StoredTensor) -> int:
    """Return how roughly a tensor's numbers are stored: integers 0, then more the fewer bits a float has."""
    if tensor.kind != "bias":
        return 8 - tensor.parameters.scale.dtype.itemsize
    if tensor.values is None:
        return 8
    return 0 if tensor.stores_integers else 8 - tensor.values.dtype.itemsize


def _bias_values(bias: StoredTensor) -> Array:
    """Return a bias as float32; that of integers is what they mean."""
    assert bias.values is not None
    if not bias.stores_integers:
        return bias.values.astype(np.float32)
    step = bias.parameters.scale.astype(np.float64)
    return ((bias.values - bias.parameters.zero_point) * step).astype(np.float32)


def _absent(one: StoredTensor, other: StoredTensor) -> Difference | None:
    """Return the difference between a bias and none, which means zeros."""
    values = one.values if other.values is None else other.values
    if values is None or not values.any():
        return None
    sides = ["absent" if side.values is None else "not zero" for side in (one, other)]
    return Difference("bias", *sides)


def _shown(value: object) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)
