"""Operators with little in them, for the examples of rules."""

from dataclasses import replace

from edge_deeplab.formats.graph import Convolution, Operator, TensorSpec


def operator(
    kind, *, dtype="float32", before=(1, 64, 32, 32), after=(1, 64, 32, 32), version=1, **rest
):
    """Return an operator from one value to another."""
    given, result = TensorSpec("x", dtype, before), TensorSpec("y", dtype, after)
    rest.setdefault("attributes", {})
    return Operator(0, kind, "y", version, (given,), (result,), **rest)


def depthwise(kind, *, rate=1, kernel=(3, 3), stride=1, padding=1, multiplier=1, **options):
    """Return a depthwise convolution over 64 channels."""
    convolution = Convolution(
        kernel_hw=kernel,
        rate_hw=(rate, rate),
        stride_hw=(stride, stride),
        channels=64,
        groups=64,
        multiplier=multiplier,
        padding=(padding,) * 4,
    )
    return operator(kind, convolution=convolution, **options)


def dense(kind, **options):
    """Return a convolution of one group."""
    return geometry(depthwise(kind, **options), groups=1)


def geometry(convolution, **changes):
    """Return a convolution with other numbers."""
    return replace(convolution, convolution=replace(convolution.convolution, **changes))


def settings(like, **attributes):
    """Return an operator with more settings."""
    return replace(like, attributes={**like.attributes, **attributes})


def reading(like, *specs):
    """Return an operator with further inputs; None stands for an absent one."""
    return replace(like, inputs=(*like.inputs, *specs))


def giving(like, *, dtype=None, shape=None):
    """Return an operator whose output has another element type or shape."""
    (result,) = like.outputs
    shape = result.shape if shape is None else shape
    changed = replace(result, dtype=dtype or result.dtype, shape=shape)
    return replace(like, outputs=(changed,))


def dequantized(like, dtype):
    """Return an operator whose first input comes out of a dequantize of this element type."""
    first = replace(like.inputs[0], dequantized_from=dtype)
    return replace(like, inputs=(first, *like.inputs[1:]))


def stored(dtype="float32", shape=(64, 1, 3, 3)):
    """Return a value that stands in the file."""
    return TensorSpec("w", dtype, shape, constant=True)


def computed(dtype="float32", shape=(64, 1, 3, 3)):
    """Return a value that is computed."""
    return TensorSpec("v", dtype, shape)
