"""Multiply-adds of operators: what a partition's share of the work is counted in.

The idea to hold: every element that a convolution or a matrix product gives costs as many multiply-adds as the sum
behind it is long, so no layout of the file matters but where that length stands.
"""

import math

from edge_deeplab.formats.graph import Operator, TensorSpec, first_shape

_FULLY_CONNECTED = ("FULLY_CONNECTED", "linear")
_PRODUCTS = ("MatMul", "Gemm", "QLinearMatMul", "MatMulInteger", "BATCH_MATMUL", "matmul")
_FILTER_OF_TRANSPOSED = {"TRANSPOSE_CONV": (1, (0, 1, 2)), "ConvTranspose": (1, (1, 2, 3))}
"""Where the filter of a transposed convolution stands, and which of its axes one input element is spread over."""


def count_multiply_adds(operator: Operator) -> int | None:
    """Return the multiply-adds of an operator: 0 for one that has none to speak of, None where a shape is open.

    Args:
        operator: of any format; a first axis that the file leaves open counts as one image.
    """
    convolution = operator.convolution
    if convolution is not None:
        per_group = convolution.channels // max(1, convolution.groups)
        return _times(_elements(operator.outputs[:1]), math.prod(convolution.kernel_hw) * per_group)
    if operator.type in _FILTER_OF_TRANSPOSED:
        return _count_transposed(operator)
    if operator.type in _FULLY_CONNECTED:
        weight = first_shape(operator.inputs[1:2])  # (K, C)
        return _times(_elements(operator.outputs[:1]), weight[-1] if weight else None)
    if operator.type in _PRODUCTS:
        return _times(_elements(operator.outputs[:1]), _length_of_product(operator))
    return 0


def _count_transposed(operator: Operator) -> int | None:
    """Return what a transposed convolution costs: each element that goes in is spread over a filter."""
    place, axes = _FILTER_OF_TRANSPOSED[operator.type]
    data = operator.inputs[2:3] if operator.type == "TRANSPOSE_CONV" else operator.inputs[:1]
    filters = first_shape(operator.inputs[place : place + 1])
    if filters is None or len(filters) != 4 or None in filters:
        return None
    return _times(_elements(data), math.prod(filters[axis] or 0 for axis in axes))


def _length_of_product(operator: Operator) -> int | None:
    """Return the length of the sums of a matrix product, as its first matrix has it."""
    first = first_shape(operator.inputs)
    turned = bool(operator.attributes.get("transA") or operator.attributes.get("adj_x"))
    if not first or len(first) < 2:
        return None
    return first[-2] if turned else first[-1]


def _elements(specs: tuple[TensorSpec | None, ...]) -> int | None:
    shape = first_shape(specs)
    if not shape or None in shape[1:]:
        return None
    return math.prod(size for size in (shape[0] or 1, *shape[1:]) if size is not None)


def _times(elements: int | None, length: int | None) -> int | None:
    return None if elements is None or length is None else elements * length
