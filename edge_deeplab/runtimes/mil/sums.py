"""Operators that sum or compare along axes: matrix products, normalisation, reductions."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x @ weight.T + bias."""
    return functional.linear(x, weight, bias)


def matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    """Return the (batched) matrix product; a vector is never transposed."""
    left = x.mT if transpose_x and x.ndim > 1 else x
    right = y.mT if transpose_y and y.ndim > 1 else y
    return left @ right


def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: float,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
) -> Tensor:
    """Return gamma * (x - mean) / sqrt(variance + epsilon) + beta, by channel (axis 1)."""
    return functional.batch_norm(x, mean, variance, gamma, beta, training=False, eps=epsilon)


def instance_norm(
    x: Tensor, epsilon: float, gamma: Tensor | None = None, beta: Tensor | None = None
) -> Tensor:
    """Return x less its mean over its standard deviation, each of one picture's channel, times gamma plus beta."""
    return _normed(x, list(range(2, x.ndim)), [1], epsilon, gamma, beta)


def layer_norm(
    x: Tensor,
    axes: Tensor,
    epsilon: float,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
) -> Tensor:
    """Return x less its mean over its standard deviation, both over axes, times gamma plus beta."""
    along = [axis % x.ndim for axis in axes.tolist()]
    return _normed(x, along, along, epsilon, gamma, beta)


def softmax(x: Tensor, axis: int) -> Tensor:
    """Return exp(x) over its sum along an axis."""
    return x.softmax(dim=axis)


def reduce_mean(x: Tensor, keep_dims: bool, axes: Tensor | None = None) -> Tensor:
    """Return the mean over axes (None: all); of integers as float64, whose fraction the evaluator drops."""
    return _reduce(Tensor.mean, x if x.is_floating_point() else x.double(), keep_dims, axes)


def reduce_sum(x: Tensor, keep_dims: bool, axes: Tensor | None = None) -> Tensor:
    """Return the sum over axes (None: all)."""
    return _reduce(Tensor.sum, x, keep_dims, axes)


def reduce_max(x: Tensor, keep_dims: bool, axes: Tensor | None = None) -> Tensor:
    """Return the maximum over axes (None: all)."""
    return _reduce(Tensor.amax, x, keep_dims, axes)


def reduce_min(x: Tensor, keep_dims: bool, axes: Tensor | None = None) -> Tensor:
    """Return the minimum over axes (None: all)."""
    return _reduce(Tensor.amin, x, keep_dims, axes)


def reduce_argmax(x: Tensor, axis: int, keep_dims: bool, output_dtype: str | None = None) -> Tensor:
    """Return the index of the maximum; of equal ones the first (MIL leaves that open). The evaluator sets the type."""
    return x.argmax(dim=axis, keepdim=keep_dims)


def _normed(
    x: Tensor,
    along: list[int],
    told_of: list[int],
    epsilon: float,
    gamma: Tensor | None,
    beta: Tensor | None,
) -> Tensor:
    """Normalise over axes; gamma and beta are told of the same or of others."""
    centred = x - x.mean(along, keepdim=True)
    normed = centred / (centred.square().mean(along, keepdim=True) + epsilon).sqrt()
    shape = [x.shape[axis] if axis in told_of else 1 for axis in range(x.ndim)]
    scaled = normed if gamma is None else normed * gamma.reshape(shape)
    return scaled if beta is None else scaled + beta.reshape(shape)


def _reduce(
    reduction: Callable[..., Tensor], x: Tensor, keep_dims: bool, axes: Tensor | None
) -> Tensor:
    """Reduce over axes; an empty list leaves x as it is, where torch would take it for all of them."""
    along = list(range(x.ndim)) if axes is None else axes.tolist()
    return reduction(x, dim=along, keepdim=keep_dims) if along else x
