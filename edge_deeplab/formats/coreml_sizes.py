"""Core ML packages that take pictures of several sizes: which these are, and the shapes of values at one of them.

A program that takes several sizes leaves heights and widths of its values open: Core ML infers them when it is given a
picture. Here they are inferred for one size, so that what is said of a file of one size can be said of each of several.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edge_deeplab.formats.graph import Attribute, Convolution, Shape, height_and_width
from edge_deeplab.formats.sizes import Size, check_count

_WINDOWS = ("conv", "max_pool", "avg_pool")
_SCALINGS = ("upsample_bilinear", "upsample_nearest_neighbor")
_PLANES = 4
"""Axes of a map: pictures, channels, rows, columns."""
# fmt: off
_KEEPING = frozenset((
    "abs", "acos", "asin", "atan", "atanh", "cast", "ceil", "clip", "cos", "cosh", "erf", "exp", "exp2", "floor",
    "inverse", "log", "logical_not", "round", "rsqrt", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh",
    "threshold", "clamped_relu", "elu", "gelu", "leaky_relu", "linear_activation", "prelu", "relu", "relu6",
    "scaled_tanh", "sigmoid", "sigmoid_hard", "silu", "softmax", "softplus", "softplus_parametric", "softsign",
    "thresholded_relu", "batch_norm", "instance_norm", "l2_norm", "layer_norm", "local_response_norm",
    "dequantize", "identity", "quantize",
))
"""Operators whose result has the shape of what they read first."""
_BROADCASTING = frozenset((
    "add", "equal", "floor_div", "greater", "greater_equal", "less", "less_equal", "logical_and", "logical_or",
    "logical_xor", "maximum", "minimum", "mod", "mul", "not_equal", "pow", "real_div", "sub", "select",
))
"""Operators of several values that are stretched to one shape."""
_REDUCTIONS = frozenset(f"reduce_{kind}" for kind in (
    "argmax", "argmin", "l1_norm", "l2_norm", "log_sum", "log_sum_exp", "max", "mean", "min", "prod", "sum",
    "sum_square",
))
# fmt: on


def listed_sizes(model: Any) -> tuple[Size, ...]:
    """Return the sizes that a package's description enumerates for its picture, the default first.

    Args:
        model: a `Model` protobuf.

    Returns:
        Each size once; none at all where the package takes one size, or a range.

    Raises:
        ValueError: when more are listed than Core ML takes, or one is not above 0.
    """
    features = model.description.input
    if len(features) != 1:
        return ()
    kind = features[0].type
    if kind.WhichOneof("Type") == "imageType":
        image = kind.imageType
        listed = [(int(each.height), int(each.width)) for each in image.enumeratedSizes.sizes]
        default = (int(image.height), int(image.width))
    else:
        array = kind.multiArrayType
        listed = [_height_and_width(each.shape) for each in array.enumeratedShapes.shapes]
        default = _height_and_width(array.shape)
    check_count(len(listed))
    if any(side < 1 for size in listed for side in size):
        raise ValueError("it lists a size that is not above 0")
    first = [default] if default in listed else []
    return tuple(dict.fromkeys([*first, *listed]))


def _height_and_width(shape: Sequence[int]) -> Size:
    """Return height and width of an array that holds a picture, by where its three channels are."""
    sides = [int(side) for side in shape][-3:]
    if len(sides) < 3:
        return 0, 0
    return (sides[0], sides[1]) if sides[2] == 3 else (sides[1], sides[2])


def picture_shape(shape: Shape, size_hw: Size) -> Shape:
    """Return the shape of a picture with its open height and width set; another shape stays."""
    if shape.count(None) != len(size_hw):
        return shape
    sides = iter(size_hw)
    return tuple(next(sides) if side is None else side for side in shape)


def inferred_shape(
    kind: str,
    declared: Shape,
    inputs: Sequence[Shape],
    attributes: Mapping[str, Attribute],
    convolution: Convolution | None,
) -> Shape:
    """Return the shape of what an operator computes, its open sides inferred where that is known.

    Args:
        kind: MIL's name of the operator.
        declared: the shape that the file declares, open sides None.
        inputs: the shapes of what it reads, the data first.
        attributes: its settings.
        convolution: its geometry, of a convolution.
    """
    if None not in declared or not inputs:
        return declared
    known = _known_shape(kind, len(declared), inputs, attributes, convolution)
    if len(known) != len(declared):
        return declared
    return tuple(side if own is None else own for own, side in zip(declared, known, strict=True))


def _known_shape(
    kind: str,
    rank: int,
    inputs: Sequence[Shape],
    attributes: Mapping[str, Attribute],
    convolution: Convolution | None,
) -> Shape:
    """Return a shape, None for sides that are not known; () for an operator of which nothing is."""
    source = inputs[0]
    if kind in _WINDOWS or kind in _SCALINGS:
        if len(source) != _PLANES or (kind == "conv" and convolution is None):
            return ()
        side = _windowed if kind in _WINDOWS else _scaled
        planes = [side(source[a], a - 2, attributes, convolution) for a in range(2, _PLANES)]
        channels = convolution.groups * convolution.multiplier if convolution else source[1]
        return (source[0], channels, *planes)
    if kind in _KEEPING:
        return source
    if kind in _BROADCASTING:
        return _broadcast(inputs, rank)
    if kind == "concat":
        return _joined(inputs, attributes.get("axis"))
    if kind in _REDUCTIONS or kind == "squeeze":
        return _without(source, attributes)
    shaped = _SHAPED.get(kind)
    return shaped(source, attributes) if shaped else ()


def _windowed(
    side: int | None,
    axis: int,
    attributes: Mapping[str, Attribute],
    convolution: Convolution | None,
) -> int | None:
    if side is None:
        return None
    stride = height_and_width(attributes.get("strides"))[axis]
    if stride < 1 or attributes.get("ceil_mode"):
        return None
    if str(attributes.get("pad_type", "valid")).startswith("same"):
        return -(-side // stride)
    kernel = (
        convolution.kernel_hw if convolution else height_and_width(attributes.get("kernel_sizes"))
    )
    rate = convolution.rate_hw if convolution else (1, 1)
    pad = attributes.get("pad") if attributes.get("pad_type") == "custom" else None
    around = sum(int(p) for p in pad[2 * axis : 2 * axis + 2]) if isinstance(pad, tuple) else 0
    return (side + around - rate[axis] * (kernel[axis] - 1) - 1) // stride + 1


def _scaled(
    side: int | None,
    axis: int,
    attributes: Mapping[str, Attribute],
    _convolution: Convolution | None,
) -> int | None:
    factor = attributes.get(("scale_factor_height", "scale_factor_width")[axis])
    return None if side is None or not isinstance(factor, int | float) else int(side * factor)


def _transposed(shape: Shape, attributes: Mapping[str, Attribute]) -> Shape:
    order = _numbers(attributes.get("perm"))
    if sorted(order) != list(range(len(shape))):
        return ()
    return tuple(shape[place] for place in order)


def _padded(shape: Shape, attributes: Mapping[str, Attribute]) -> Shape:
    """Return a shape with what is added before and behind each of its last axes."""
    added = _numbers(attributes.get("pad"))
    if not added or len(added) % 2 or len(added) > 2 * len(shape):
        return ()
    ends = [0] * (len(shape) - len(added) // 2)
    ends += [before + behind for before, behind in zip(added[::2], added[1::2], strict=True)]
    return tuple(
        None if side is None else side + more for side, more in zip(shape, ends, strict=True)
    )


def _sliced(shape: Shape, attributes: Mapping[str, Attribute]) -> Shape:
    begin, end = (_numbers(attributes.get(name)) for name in ("begin", "end"))
    steps = _numbers(attributes.get("stride", (1,) * len(shape)))
    open_begin, open_end, gone = (
        _numbers(attributes.get(name, (0,) * len(shape)))
        for name in ("begin_mask", "end_mask", "squeeze_mask")
    )
    if any(len(told) != len(shape) for told in (begin, end, steps, open_begin, open_end, gone)):
        return ()
    sides: list[int | None] = []
    for axis, side in enumerate(shape):
        if gone[axis]:
            continue
        if side is None or not steps[axis]:
            sides.append(None)
            continue
        first = None if open_begin[axis] else begin[axis]
        last = None if open_end[axis] else end[axis]
        sides.append(len(range(*slice(first, last, steps[axis]).indices(side))))
    return tuple(sides)


def _expanded(shape: Shape, attributes: Mapping[str, Attribute]) -> Shape:
    given = _numbers(attributes.get("axes"))
    rank = len(shape) + len(given)
    added = {axis % rank for axis in given}
    sides = iter(shape)
    return tuple(1 if axis in added else next(sides, None) for axis in range(rank))


_SHAPED: Mapping[str, Callable[[Shape, Mapping[str, Attribute]], Shape]] = {
    "transpose": _transposed,
    "pad": _padded,
    "slice_by_index": _sliced,
    "expand_dims": _expanded,
}


def _without(shape: Shape, attributes: Mapping[str, Attribute]) -> Shape:
    """Return a shape without the axes that a reduction or a squeeze takes away, or with 1 in their place."""
    axes = attributes.get("axes", attributes.get("axis"))
    if axes is None or not shape:
        return ()
    gone = {axis % len(shape) for axis in _numbers(axes if isinstance(axes, tuple) else (axes,))}
    if attributes.get("keep_dims"):
        return tuple(1 if axis in gone else side for axis, side in enumerate(shape))
    return tuple(side for axis, side in enumerate(shape) if axis not in gone)


def _joined(shapes: Sequence[Shape], axis: Attribute | None) -> Shape:
    """Return the shape of values one after another: the sum along the axis, and what is known of the other sides."""
    rank = len(shapes[0])
    if not isinstance(axis, int) or not rank or any(len(shape) != rank for shape in shapes):
        return ()
    joined = []
    for place, sides in enumerate(zip(*shapes, strict=True)):
        known = [side for side in sides if side is not None]
        if place != axis % rank:
            joined.append(known[0] if known else None)
        else:
            joined.append(sum(known) if len(known) == len(sides) else None)
    return tuple(joined)


def _broadcast(shapes: Sequence[Shape], rank: int) -> Shape:
    """Return the shape that values have together: of each axis, counted from the last, the side that is not 1."""
    if any(len(shape) > rank for shape in shapes):
        return ()
    alike = [(*(1,) * (rank - len(shape)), *shape) for shape in shapes]
    return tuple(
        next((side for side in sides if side not in (None, 1)), None if None in sides else 1)
        for sides in zip(*alike, strict=True)
    )


def _numbers(setting: Attribute | None) -> list[int]:
    return [int(number) for number in setting] if isinstance(setting, tuple) else []
