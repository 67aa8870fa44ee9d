"""Core ML packages that take pictures of several sizes: which these are, and the shapes of values at one of them.

A program that takes several sizes leaves heights and widths of its values open: Core ML infers them when it is given a
picture. Here they are inferred for one size, so that what is said of a file of one size can be said of each of several.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from edge_deeplab.formats.graph import Attribute, Convolution, Shape, height_and_width
from edge_deeplab.formats.sizes import Size, check_count

_WINDOWS = ("conv", "max_pool", "avg_pool")
_SCALINGS = ("upsample_bilinear", "upsample_nearest_neighbor")


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
    source = inputs[0]
    if kind in _WINDOWS or kind in _SCALINGS:
        side = _windowed if kind in _WINDOWS else _scaled
        planes = [side(source[a], a - 2, attributes, convolution) for a in range(2, len(source))]
        known: Shape = (*source[:2], *planes)
    elif kind == "transpose":
        known = _transposed(source, attributes.get("perm"))
    else:
        known = _broadcast([_without_reduced(shape, attributes) for shape in inputs], len(declared))
    if len(known) != len(declared):
        return declared
    return tuple(side if own is None else own for own, side in zip(declared, known, strict=True))


def _windowed(
    side: int | None,
    axis: int,
    attributes: Mapping[str, Attribute],
    convolution: Convolution | None,
) -> int | None:
    if side is None:
        return None
    stride = height_and_width(attributes.get("strides"))[axis]
    if stride < 1:
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


def _transposed(shape: Shape, places: Attribute | None) -> Shape:
    order = [int(place) for place in places] if isinstance(places, tuple) else []
    if sorted(order) != list(range(len(shape))):
        return ()
    return tuple(shape[place] for place in order)


def _without_reduced(shape: Shape, attributes: Mapping[str, Attribute]) -> Shape:
    """Return a shape without the axes that a reduction or a squeeze takes away."""
    axes = attributes.get("axes", attributes.get("axis"))
    if axes is None or not shape or attributes.get("keep_dims", "axes" not in attributes):
        return shape
    gone = {int(axis) % len(shape) for axis in (axes if isinstance(axes, tuple) else (axes,))}
    return tuple(side for axis, side in enumerate(shape) if axis not in gone)


def _broadcast(shapes: Sequence[Shape], rank: int) -> Shape:
    """Return the shape that values of one rank have together: of each axis the side that is not 1."""
    alike = [shape for shape in shapes if len(shape) == rank]
    if not alike:
        return ()
    return tuple(
        max((side for side in sides if side is not None), default=None)
        for sides in zip(*alike, strict=True)
    )
