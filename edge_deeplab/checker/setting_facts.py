"""Facts that an operator's settings and tensors tell, under one name whatever its format calls them."""

from collections.abc import Collection, Mapping
from math import log2

from edge_deeplab.checker.fact import Compute, Fact, Value
from edge_deeplab.formats.graph import Attribute, Operator, TensorSpec, first_shape

_ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
_RESIZES: Mapping[str, tuple[str | None, tuple[int, int]]] = {
    "RESIZE_BILINEAR": ("linear", (1, 2)),
    "RESIZE_NEAREST_NEIGHBOR": ("nearest", (1, 2)),
    "Resize": (None, (2, 3)),
    "Upsample": (None, (2, 3)),
    "resize": (None, (2, 3)),
    "resize_bilinear": ("linear", (2, 3)),
    "resize_nearest_neighbor": ("nearest", (2, 3)),
    "upsample_bilinear": ("linear", (2, 3)),
    "upsample_nearest_neighbor": ("nearest", (2, 3)),
}
"""Interpolation, where the type says it, and the axes of height and width."""
_POOLS = (
    *("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"),
    *("AveragePool", "MaxPool", "LpPool", "QLinearAveragePool"),
    *("avg_pool", "max_pool", "l2_pool"),
)
_BORDERS = {"SAME": "same", "VALID": "valid", "SAME_UPPER": "same", "SAME_LOWER": "same"}


def _setting(name: str) -> Compute:
    """Return what reads one setting under its own name; one of several numbers is no fact."""
    return lambda operator: _single(operator.attributes.get(name))


def _single(value: Attribute | None) -> Value | None:
    return None if isinstance(value, tuple) else value


def _source(operator: Operator) -> TensorSpec | None:
    """Return the first input that is computed."""
    return next((spec for spec in operator.inputs if spec and not spec.constant), None)


def _computed_as(operator: Operator) -> str | None:
    source = _source(operator)
    return (source.dequantized_from or source.dtype) if source else None


def _cast_to(operator: Operator) -> str | None:
    return (operator.outputs[0].cast_to or "nothing") if operator.outputs else None


def _rank(specs: tuple[TensorSpec | None, ...]) -> int | None:
    shape = first_shape(specs)
    return None if shape is None else len(shape)


def _highest_rank(operator: Operator) -> int | None:
    specs = (*operator.inputs, *operator.outputs)
    return max((len(spec.shape) for spec in specs if spec and spec.shape is not None), default=None)


def _size(operator: Operator, axis: int) -> int | None:
    shape = first_shape(operator.inputs)
    return shape[axis] if shape else None


def _reduces_depth(operator: Operator) -> bool | None:
    first, result = first_shape(operator.inputs), first_shape(operator.outputs)
    return first[-1] != result[-1] if first and result else None


def _pad_mode(operator: Operator) -> str | None:
    return str(operator.attributes.get("mode", "constant")) if operator.type == "Pad" else None


def _mirrors_edge(operator: Operator) -> bool | None:
    return bool(operator.attributes.get("mode")) if operator.type == "MIRROR_PAD" else None


def _gathers_inside(operator: Operator) -> bool | None:
    if operator.type != "GATHER":
        return None
    return operator.attributes.get("axis", 0) != operator.attributes.get("batch_dims", 0)


def _pads_channels(operator: Operator) -> bool | None:
    first, result = first_shape(operator.inputs), first_shape(operator.outputs)
    if operator.type != "Pad" or not first or not result or min(len(first), len(result)) < 2:
        return None
    return first[1] != result[1]


def _output_line(operator: Operator) -> int | None:
    shape = first_shape(operator.outputs)
    if operator.type != "Transpose" or shape is None or len(shape) != 4 or None in shape:
        return None
    _, channels, _, width = (size or 0 for size in shape)
    return -(-channels // 16) * 16 * width


def _static_shape(operator: Operator) -> bool | None:
    shape = first_shape(operator.inputs)
    return None not in shape[1:] if shape else None


def _activation(operator: Operator) -> str | None:
    number = operator.attributes.get("fused_activation_function")
    if not isinstance(number, int) or not 0 <= number < len(_ACTIVATIONS):
        return None
    return _ACTIVATIONS[number]


def _border(operator: Operator) -> str | None:
    settings = operator.attributes
    said = settings.get("padding", settings.get("auto_pad", settings.get("pad_type")))
    if isinstance(said, str) and said.upper() in _BORDERS:
        return _BORDERS[said.upper()]
    return "explicit" if "pads" in settings or said == "custom" else None


def _window(operator: Operator) -> tuple[int | None, int | None]:
    """Return rows and columns of a pooling window; None for other operators."""
    if operator.type not in _POOLS:
        return None, None
    names = ("kernel_shape", "kernel_sizes", "filter_height filter_width")
    return _pair(operator.attributes, *names)


def _window_entries(operator: Operator) -> int | None:
    height, width = _window(operator)
    return height * width if height and width else None


def pool_stride(operator: Operator) -> int | None:
    """Return a pool's stride, the larger of the two directions; None for other operators."""
    return _larger(operator, "strides", "stride_h stride_w")


def pool_rate(operator: Operator) -> int | None:
    """Return the rate of a pool or ONNX transposed convolution, the larger of the two directions; None for others."""
    return _larger(operator, "dilations", kinds=(*_POOLS, "ConvTranspose"))


def _larger(operator: Operator, *keys: str, kinds: Collection[str] = _POOLS) -> int | None:
    if operator.type not in kinds:
        return None
    height, width = _pair(operator.attributes, *keys)
    return max(height or 1, width or 1)


def _ceil_mode(operator: Operator) -> bool | None:
    return bool(operator.attributes.get("ceil_mode", False)) if operator.type in _POOLS else None


def _counts_padding(operator: Operator) -> bool | None:
    if operator.type != "AveragePool":
        return None
    pads = operator.attributes.get("pads")
    bordered = any(pads) if isinstance(pads, tuple) else _border(operator) == "same"
    return bool(operator.attributes.get("count_include_pad", False)) if bordered else None


def _interpolation(operator: Operator) -> str | None:
    if operator.type not in _RESIZES:
        return None
    usual = "nearest" if operator.type in ("Resize", "Upsample") else None
    mode = operator.attributes.get("mode", usual)
    return _RESIZES[operator.type][0] or (mode if isinstance(mode, str) else None)


def _coordinates(operator: Operator) -> str | None:
    if operator.type != "Resize":
        return None
    return str(operator.attributes.get("coordinate_transformation_mode", "half_pixel"))


def _align_corners(operator: Operator) -> Value | None:
    if operator.type == "Resize":
        return _coordinates(operator) == "align_corners"
    return _setting("align_corners")(operator) if operator.type in _RESIZES else None


def _half_pixel(operator: Operator) -> Value | None:
    if operator.type == "Resize":
        return _coordinates(operator) in ("half_pixel", "pytorch_half_pixel")
    return _setting("half_pixel_centers")(operator) if operator.type in _RESIZES else None


def _rounding(operator: Operator) -> str | None:
    if operator.type != "Resize":
        return None
    return str(operator.attributes.get("nearest_mode", "round_prefer_floor"))


def _antialias(operator: Operator) -> bool | None:
    return bool(operator.attributes.get("antialias", 0)) if operator.type == "Resize" else None


def _sized_by(operator: Operator) -> str | None:
    if operator.type != "Resize":
        return None
    given = [spec is not None for spec in operator.inputs]
    return "sizes" if given[3:4] == [True] else "scales" if True in given[1:3] else None


def _sizes(operator: Operator) -> tuple[list[int] | None, list[int] | None]:
    """Return rows and columns that a resize takes and gives; None where the file leaves one open."""
    if operator.type not in _RESIZES:
        return None, None
    axes = _RESIZES[operator.type][1]
    after = _sizes_along(operator.outputs, axes)
    return (None if after is None else _sizes_along(operator.inputs, axes)), after


def _sizes_along(specs: tuple[TensorSpec | None, ...], axes: tuple[int, int]) -> list[int] | None:
    """Return the sizes of the first of some maps of four axes along two of them."""
    shape = first_shape(specs)
    if shape is None or len(shape) != 4:
        return None
    known = [size for axis in axes if (size := shape[axis])]
    return known if len(known) == 2 else None


def _taken(operator: Operator, place: int) -> int | None:
    before, _ = _sizes(operator)
    return before[place] if before else None


def _given(operator: Operator, place: int) -> int | None:
    _, after = _sizes(operator)
    return after[place] if after else None


def _square(operator: Operator) -> bool | None:
    _, after = _sizes(operator)
    return after[0] == after[1] if after else None


def _whole_ratio(operator: Operator) -> bool | None:
    before, after = _sizes(operator)
    if before is None or after is None:
        return None
    return all(new % old == 0 for new, old in zip(after, before, strict=True))


def _resize_factors(operator: Operator) -> list[float]:
    """Return by what a resize enlarges each side, between corners where it aligns them; none of a single pixel."""
    before, after = _sizes(operator)
    if before is None or after is None or tuple(before) == (1, 1):
        return []
    corners = 1 if operator.attributes.get("align_corners") else 0
    sides = zip(after, before, strict=True)
    return [(new - corners) / (old - corners) for new, old in sides if old > corners]


def _resize_factor(operator: Operator) -> float | None:
    factors = _resize_factors(operator)
    return (factors[0] if len(set(factors)) == 1 else 0.0) if factors else None


def _factors_are_powers(operator: Operator) -> bool | None:
    factors = _resize_factors(operator)
    return all(factor >= 1 and log2(factor).is_integer() for factor in factors) if factors else None


def _whole_division(operator: Operator) -> bool | None:
    before, after = _sizes(operator)
    if before is None or after is None:
        return None
    return all(old % new == 0 for new, old in zip(after, before, strict=True))


def _pair(settings: Mapping[str, Attribute], *keys: str) -> tuple[int | None, int | None]:
    """Return (height, width) of the first key that is there; a key of two words names two settings."""
    for key in keys:
        names = key.split()
        found = settings.get(key) if len(names) < 2 else tuple(settings.get(n) for n in names)
        if isinstance(found, tuple) and len(found) == 2:
            height, width = (v if isinstance(v, int) else None for v in found)
            if height is not None and width is not None:
                return height, width
    return None, None


_TFLITE, _ONNX = ("tflite",), ("onnx",)

# fmt: off
SETTING_FACTS = (
    Fact("output_dtype", "element type of the first output", lambda o: o.outputs[0].dtype if o.outputs else None,
         words="output type"),
    Fact("computed_as", "element type behind the dequantization of the input, else that of the input", _computed_as,
         words="quantized element type"),
    Fact("cast_to", 'element type that a Cast makes of the output, where that is all that reads it, else "nothing"',
         _cast_to),
    Fact("rank", "number of axes of the first input", lambda o: _rank(o.inputs), words="number of axes"),
    Fact("output_rank", "number of axes of the first output", lambda o: _rank(o.outputs),
         words="number of output axes"),
    Fact("highest_rank", "largest number of axes of any input or output", _highest_rank, words="number of axes"),
    Fact("batch", "size of the first axis of the first input", lambda o: _size(o, 0)),
    Fact("depth", "size of the last axis of the first input", lambda o: _size(o, -1)),
    Fact("reduces_depth", "whether the last axis differs between input and output", _reduces_depth,
         yes_and_no=("its last axis reduced", "its last axis kept")),
    Fact("output_line", "entries of one row of a Transpose's result of four axes, its second axis filled up to 16s",
         _output_line, _ONNX),
    Fact("pads_channels", "whether a Pad changes the second axis, the channels of a map", _pads_channels, _ONNX,
         yes_and_no=("its second axis padded", "its second axis kept")),
    Fact("pad_mode", 'how a Pad fills its border: "constant", "edge", "reflect" or "wrap"', _pad_mode, _ONNX),
    Fact("computed_inputs", "number of inputs that are computed, not stored",
         lambda o: sum(spec is not None and not spec.constant for spec in o.inputs)),
    Fact("others_constant", "whether every input after the first stands in the file",
         lambda o: all(spec.constant for spec in o.inputs[1:] if spec),
         yes_and_no=("all further inputs stored", "a further input computed")),
    Fact("static_shape", "whether every size of the first input but the batch stands in the file", _static_shape,
         yes_and_no=("known sizes", "an open size")),
    Fact("activation", "fused activation", _activation, _TFLITE),
    Fact("border", 'how the border is padded: "same", "valid" or "explicit"', _border),
    Fact("window_h", "rows of a pooling window", lambda o: _window(o)[0], words="window rows"),
    Fact("window_w", "columns of a pooling window", lambda o: _window(o)[1], words="window columns"),
    Fact("window", "entries of a pooling window", _window_entries, words="window entries"),
    Fact("ceil_mode", "whether a pool rounds its output size up", _ceil_mode,
         yes_and_no=("sizes rounded up", "sizes rounded down")),
    Fact("counts_padding", "whether an average pool that has a border counts its zeros", _counts_padding, _ONNX),
    Fact("interpolation", 'of a resize: "linear", "nearest" or "cubic"', _interpolation),
    Fact("align_corners", "whether a resize samples from corner to corner", _align_corners,
         yes_and_no=("corners aligned", "corners not aligned")),
    Fact("half_pixel", "whether a resize samples at pixel centres", _half_pixel,
         yes_and_no=("samples at pixel centres", "samples off pixel centres")),
    Fact("coordinates", "coordinate transformation of a resize", _coordinates, _ONNX),
    Fact("rounding", "rounding of a resize to the nearest", _rounding, _ONNX),
    Fact("antialias", "whether a resize smooths", _antialias, _ONNX, yes_and_no=("smoothing", "no smoothing")),
    Fact("sized_by", 'what gives a resize its size: "sizes" or "scales"', _sized_by, _ONNX, words="size given by"),
    Fact("height_in", "rows that a resize takes", lambda o: _taken(o, 0)),
    Fact("width_in", "columns that a resize takes", lambda o: _taken(o, 1)),
    Fact("height_out", "rows that a resize gives", lambda o: _given(o, 0), words="rows"),
    Fact("width_out", "columns that a resize gives", lambda o: _given(o, 1), words="columns"),
    Fact("square", "whether a resize gives as many rows as columns", _square,
         yes_and_no=("as many rows as columns", "more rows than columns or fewer")),
    Fact("whole_ratio", "whether a resize gives a whole multiple of its input's rows and columns", _whole_ratio,
         yes_and_no=("a whole ratio", "a ratio that is not whole")),
    Fact("resize_factor",
         "factor by which a resize enlarges both sides, between corners where it aligns them; 0 where the sides "
         "differ, absent where a single pixel is spread", _resize_factor, words="factor"),
    Fact("factors_are_powers", "whether a resize enlarges each side by a power of two", _factors_are_powers,
         yes_and_no=("sides enlarged by powers of two", "a side enlarged by no power of two")),
    Fact("whole_division", "whether a resize gives a whole part of its input's rows and columns", _whole_division),
    Fact("beta", "factor inside a softmax", _setting("beta")),
    Fact("mirrors_edge", "whether a MIRROR_PAD repeats the edge itself", _mirrors_edge, _TFLITE,
         yes_and_no=("the edge repeated", "the edge not repeated")),
    Fact("gathers_inside", "whether a GATHER picks along another axis than the first behind its batch", _gathers_inside,
         _TFLITE, yes_and_no=("an axis further inside", "the first axis behind the batch")),
    Fact("keep_num_dims", "whether a fully connected layer keeps its input's rank", _setting("keep_num_dims")),
    Fact("keep_dims", "whether a reduction keeps the axes that it reduces", _setting("keep_dims"), _TFLITE),
    Fact("ellipsis_mask", "ellipsis mask of a strided slice", _setting("ellipsis_mask")),
    Fact("new_axis_mask", "new-axis mask of a strided slice", _setting("new_axis_mask")),
    Fact("shrink_axis_mask", "shrink-axis mask of a strided slice", _setting("shrink_axis_mask")),
    Fact("select_last_index", "whether an argmax takes the last of equals", _setting("select_last_index"), _ONNX),
)
# fmt: on
"""What settings and tensors tell."""
