"""What becomes of each TFLite operator: a table of functions that add to the graph."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from edge_deeplab.formats.graph import Operator
from edge_deeplab.models.padded_convolution import SAME, Edges
from edge_deeplab.models.tflite.building import GraphBuilder, NoPlaceError, Pixels, Three, size_of

_ACTIVATIONS = {0: None, 1: "relu", 3: "relu6"}
"""Fused activations by their number in TFLite's schema."""
_CHANNELS_LAST = (-1, 3)
_UNPADDED: Edges = (0, 0, 0, 0)


def _convolution(builder: GraphBuilder, operator: Operator) -> None:
    told, stored = operator.convolution, builder.constants.floats(operator.reads[1])
    if told is None or stored.ndim != 4:
        raise NoPlaceError(f"{operator.type} ({operator.name}) has no weights of four axes")
    layout = (3, 0, 1, 2) if operator.type == "DEPTHWISE_CONV_2D" else (0, 3, 1, 2)
    weight = torch.from_numpy(stored).permute(layout).contiguous()
    source, edges = _edges(builder, operator, (weight.shape[2], weight.shape[3]))
    name = builder.emit(
        operator,
        "conv",
        (source,),
        channels=len(weight),
        kernel_hw=told.kernel_hw,
        stride_hw=told.stride_hw,
        rate_hw=told.rate_hw,
        groups=told.groups,
        edges=edges,
    )
    has_bias = len(operator.reads) > 2 and operator.reads[2]
    bias = (
        builder.constants.floats(operator.reads[2])
        if has_bias
        else np.zeros(len(weight), np.float32)
    )
    builder.tensors[name] = {"weight": weight, "bias": torch.from_numpy(bias)}
    _activate(builder, operator, name, saturates=True)


def _edges(
    builder: GraphBuilder, operator: Operator, kernel_hw: tuple[int, int]
) -> tuple[str, Edges | str]:
    """Return what a convolution reads and its zeros: numbers where they depend on no size."""
    told = operator.convolution
    assert told is not None
    if _setting(operator, "padding") == "VALID":
        return builder.padded(operator)
    reach = [(kernel - 1) * rate for kernel, rate in zip(kernel_hw, told.rate_hw, strict=True)]
    if told.stride_hw == (1, 1) or not any(reach):
        before = [total // 2 for total in reach]
        behind = [total - total // 2 for total in reach]
        return builder.value(operator), (before[0], before[1], behind[0], behind[1])
    return builder.value(operator), SAME


def _add(builder: GraphBuilder, operator: Operator) -> None:
    if _changes_pixels(builder, operator):
        return
    inputs = builder.value(operator), builder.value(operator, 1)
    _activate(builder, operator, builder.emit(operator, "add", inputs), saturates=True)


def _scale_or_shift(builder: GraphBuilder, operator: Operator) -> None:
    if not _changes_pixels(builder, operator):
        raise NoPlaceError(
            f"{operator.type} ({operator.name}) computes something else than the picture's normalisation"
        )


_ARITHMETIC: Mapping[str, Callable[[Pixels, Three], tuple[Three, Three]]] = {
    "ADD": lambda pixels, number: (pixels.gain, pixels.shift + number),
    "SUB": lambda pixels, number: (pixels.gain, pixels.shift - number),
    "MUL": lambda pixels, number: (pixels.gain * number, pixels.shift * number),
    "DIV": lambda pixels, number: (pixels.gain / number, pixels.shift / number),
}


def _changes_pixels(builder: GraphBuilder, operator: Operator) -> bool:
    """Note what arithmetic with a constant makes of the pixels; False where it is none."""
    if not builder.constants.holds(operator.reads[1]):
        return False
    pixels = builder.pixels(operator)
    number = builder.constants.floats(operator.reads[1]).astype(np.float64).reshape(-1)
    if pixels is None or number.size not in (1, 3) or _fused(operator) is not None:
        return False
    with np.errstate(all="ignore"):  # what is not finite is refused with the normalisation
        gain, shift = _ARITHMETIC[operator.type](pixels, number)
    builder.set_pixels(operator, Pixels(gain, shift))
    return True


def _concatenate(builder: GraphBuilder, operator: Operator) -> None:
    if operator.attributes.get("axis") not in _CHANNELS_LAST:
        raise NoPlaceError(
            f"{operator.type} ({operator.name}) joins another axis than the channels"
        )
    inputs = tuple(builder.value(operator, at) for at in range(len(operator.reads)))
    _activate(builder, operator, builder.emit(operator, "cat", inputs))


def _mean(builder: GraphBuilder, operator: Operator) -> None:
    axes = _numbers(operator, 1)
    if sorted(axis % 4 for axis in axes) != [1, 2]:
        raise NoPlaceError(
            f"{operator.type} ({operator.name}) is over other axes than height and width"
        )
    builder.emit(operator, "mean", (builder.value(operator),))


def _pool(builder: GraphBuilder, operator: Operator) -> None:
    kind = {"AVERAGE_POOL_2D": "average_pool", "MAX_POOL_2D": "max_pool"}[operator.type]
    source = builder.value(operator)
    kernel_hw = _setting(operator, "filter_height"), _setting(operator, "filter_width")
    if _setting(operator, "padding") != "VALID":
        raise NoPlaceError(f"{operator.type} ({operator.name}) pads its input")
    if kind == "average_pool" and kernel_hw == builder.size(source):
        name = builder.emit(operator, "mean", (source,))
    else:
        stride_hw = _setting(operator, "stride_h"), _setting(operator, "stride_w")
        name = builder.emit(operator, kind, (source,), kernel_hw=kernel_hw, stride_hw=stride_hw)
    _activate(builder, operator, name)


def _pad(builder: GraphBuilder, operator: Operator) -> None:
    numbers = _numbers(operator, 1)
    if len(numbers) != 8 or any((*numbers[:2], *numbers[6:])):
        raise NoPlaceError(
            f"{operator.type} ({operator.name}) pads other axes than height and width"
        )
    top, bottom, left, right = numbers[2:6]
    builder.pad(operator, (top, left, bottom, right))


def _resize(builder: GraphBuilder, operator: Operator) -> None:
    source, size_hw = builder.value(operator), size_of(operator.outputs[0])
    from_hw, told = builder.size(source), operator.attributes
    if from_hw == size_hw:
        builder.pass_on(operator)
        return
    corners = bool(told.get("align_corners"))
    if from_hw != (1, 1) and not (corners or told.get("half_pixel_centers")):
        raise NoPlaceError(
            f"{operator.type} ({operator.name}) samples neither half-pixel centres nor aligned corners"
        )
    _resize_to(builder, operator, source, align_corners=corners and from_hw != (1, 1))


def _tile(builder: GraphBuilder, operator: Operator) -> None:
    source, times = builder.value(operator), _numbers(operator, 1)
    if builder.size(source) != (1, 1) or len(times) != 4 or (times[0], times[3]) != (1, 1):
        raise NoPlaceError(
            f"{operator.type} ({operator.name}) repeats something else than one pixel"
        )
    _resize_to(builder, operator, source, align_corners=False)


def _resize_to(
    builder: GraphBuilder, operator: Operator, source: str, *, align_corners: bool
) -> None:
    size_hw = size_of(operator.outputs[0])
    like = builder.first_of_size(size_hw)
    if like is None:
        raise NoPlaceError(
            f"{operator.type} ({operator.name}) resizes to {size_hw[0]}x{size_hw[1]}, which no earlier value has, so "
            "how that follows from the picture's size is not known"
        )
    builder.emit(operator, "resize", (source, like), align_corners=align_corners)


def _reshape(builder: GraphBuilder, operator: Operator) -> None:
    shapes = [spec.shape or () for spec in (operator.inputs[0], operator.outputs[0]) if spec]
    sides = [[side for side in shape if side != 1] for shape in shapes]
    if shapes[0] != shapes[1] and (sides[0] != sides[1] or len(sides[0]) != 1):
        raise NoPlaceError(f"{operator.type} ({operator.name}) moves numbers between axes")
    builder.pass_on(operator)


def _relu(builder: GraphBuilder, operator: Operator) -> None:
    kind = operator.type.lower()
    builder.emit(operator, kind, (builder.value(operator),))


def _argmax(builder: GraphBuilder, operator: Operator) -> None:
    if _numbers(operator, 1) not in ((-1,), (3,)):
        raise NoPlaceError(
            f"{operator.type} ({operator.name}) is over another axis than the classes"
        )
    builder.scores = builder.value(operator)


def _same_numbers(builder: GraphBuilder, operator: Operator) -> None:
    if builder.constants.holds(operator.reads[0]):
        builder.constants.pass_on(operator.reads[0], operator.writes[0])
    else:
        builder.pass_on(operator)


TRANSLATED: Mapping[str, Callable[[GraphBuilder, Operator], None]] = {
    "ADD": _add,
    "ARG_MAX": _argmax,
    "AVERAGE_POOL_2D": _pool,
    "CAST": _same_numbers,
    "CONCATENATION": _concatenate,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "DEQUANTIZE": _same_numbers,
    "DIV": _scale_or_shift,
    "MAX_POOL_2D": _pool,
    "MEAN": _mean,
    "MUL": _scale_or_shift,
    "PAD": _pad,
    "QUANTIZE": _same_numbers,
    "RELU": _relu,
    "RELU6": _relu,
    "RESHAPE": _reshape,
    "RESIZE_BILINEAR": _resize,
    "SQUEEZE": _reshape,
    "SUB": _scale_or_shift,
    "TILE": _tile,
}
AFTER_CLASS_MAP = ("CAST", "DEQUANTIZE", "QUANTIZE", "RESHAPE", "SQUEEZE")
"""What may still be done to class ids: it changes none."""


def _activate(
    builder: GraphBuilder, operator: Operator, name: str, *, saturates: bool = False
) -> None:
    """Add the activation that is fused into an operator, or that its integers amount to.

    Integers whose lowest stands for zero cut off what is below, so files leave out a ReLU that would change nothing.

    Args:
        builder: the graph.
        operator: of the file.
        name: of its result here, before the activation.
        saturates: whether it computes numbers that may be below those of its result.
    """
    kind = _fused(operator)
    if kind is None and saturates and builder.ranges.get(name, (-1.0, 1.0))[0] == 0:
        kind = "relu"
    if kind is not None:
        builder.ranges.pop(name, None)
        builder.emit(operator, kind, (name,))


def _fused(operator: Operator) -> str | None:
    number: Any = operator.attributes.get("fused_activation_function", 0)
    if number not in _ACTIVATIONS:
        raise NoPlaceError(
            f"{operator.type} ({operator.name}) has an activation other than ReLU and ReLU6"
        )
    return _ACTIVATIONS[number]


def _setting(operator: Operator, key: str) -> Any:
    if key not in operator.attributes:
        raise NoPlaceError(f"{operator.type} ({operator.name}) does not say its {key}")
    return operator.attributes[key]


def _numbers(operator: Operator, position: int) -> tuple[int, ...]:
    """Return the whole numbers of a constant input: sizes, axes, paddings."""
    spec: Any = operator.inputs[position] if len(operator.inputs) > position else None
    values = None if spec is None else spec.values
    if values is None:
        raise NoPlaceError(f"{operator.type} ({operator.name}) computes what it should be told")
    return tuple(int(value) for value in values)
