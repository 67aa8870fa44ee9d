"""Operators that treat every element alike: arithmetic, activations, casts."""

import torch
from torch import Tensor

Operand = Tensor | float
"""A tensor, or a scalar constant."""


def add(x: Operand, y: Operand) -> Operand:
    """Return x + y."""
    return x + y


def sub(x: Operand, y: Operand) -> Operand:
    """Return x - y."""
    return x - y


def mul(x: Operand, y: Operand) -> Operand:
    """Return x * y."""
    return x * y


def real_div(x: Operand, y: Operand) -> Tensor:
    """Return x / y."""
    return torch.as_tensor(x) / torch.as_tensor(y)


def maximum(x: Operand, y: Operand) -> Tensor:
    """Return the larger of x and y, elementwise."""
    return torch.maximum(*torch.broadcast_tensors(torch.as_tensor(x), torch.as_tensor(y)))


def minimum(x: Operand, y: Operand) -> Tensor:
    """Return the smaller of x and y, elementwise."""
    return torch.minimum(*torch.broadcast_tensors(torch.as_tensor(x), torch.as_tensor(y)))


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0)."""
    return x.clamp(min=0)


def relu6(x: Tensor) -> Tensor:
    """Return min(max(x, 0), 6)."""
    return x.clamp(0, 6)


def clip(x: Tensor, alpha: float, beta: float) -> Tensor:
    """Return x limited to [alpha, beta]."""
    return x.clamp(alpha, beta)


def leaky_relu(x: Tensor, alpha: Operand) -> Tensor:
    """Return x where it is positive, alpha * x elsewhere."""
    return torch.where(x > 0, x, alpha * x)


def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    """Return x where it is positive, alpha * x elsewhere, alpha by channel (axis 1)."""
    return leaky_relu(x, alpha.reshape(1, -1, *[1] * (x.ndim - 2)))


def thresholded_relu(x: Tensor, alpha: float) -> Tensor:
    """Return x where it is at least alpha, 0 elsewhere."""
    return torch.where(x >= alpha, x, torch.zeros_like(x))


def sigmoid(x: Tensor) -> Tensor:
    """Return 1 / (1 + exp(-x))."""
    return torch.sigmoid(x)


def sigmoid_hard(x: Tensor, alpha: float, beta: float) -> Tensor:
    """Return alpha * x + beta limited to [0, 1]."""
    return (alpha * x + beta).clamp(0, 1)


def silu(x: Tensor) -> Tensor:
    """Return x * sigmoid(x)."""
    return x * torch.sigmoid(x)


def tanh(x: Tensor) -> Tensor:
    """Return the hyperbolic tangent."""
    return torch.tanh(x)


def elu(x: Tensor, alpha: float) -> Tensor:
    """Return x where it is positive, alpha * (exp(x) - 1) elsewhere."""
    return torch.where(x > 0, x, alpha * torch.expm1(x.clamp(max=0)))


def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    """Return x times the normal distribution function of x, or one of its two approximations."""
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    approximate = "tanh" if mode == "TANH_APPROXIMATION" else "none"
    return torch.nn.functional.gelu(x, approximate=approximate)


def softplus(x: Tensor) -> Tensor:
    """Return log(1 + exp(x))."""
    return torch.logaddexp(x, torch.zeros_like(x))


def absolute(x: Tensor) -> Tensor:
    """Return |x|."""
    return x.abs()


def exp(x: Tensor) -> Tensor:
    """Return e to the x."""
    return torch.exp(x)


def rsqrt(x: Tensor, epsilon: float = 1e-12) -> Tensor:
    """Return 1 / sqrt(x + epsilon)."""
    return torch.rsqrt(x + epsilon)


def sqrt(x: Tensor) -> Tensor:
    """Return the square root."""
    return torch.sqrt(x)


def square(x: Tensor) -> Tensor:
    """Return x * x."""
    return x * x


def cast(x: Operand, dtype: str) -> Tensor:
    """Return x in another type; floats become integers by dropping the fraction. The evaluator sets the final type."""
    tensor = torch.as_tensor(x)
    if dtype == "bool":
        return tensor != 0
    return tensor.trunc() if "int" in dtype and tensor.is_floating_point() else tensor


def identity(x: Tensor) -> Tensor:
    """Return x."""
    return x
