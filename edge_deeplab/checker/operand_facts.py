"""Facts about what an operator reads and computes: element types, what stands in the file, scales and zero points.

They are what a delegate asks before it takes an operator. Scales and zero points are known where the format keeps them
with each tensor (TFLite).
"""

import math
from collections.abc import Mapping

from edge_deeplab.checker.fact import Fact
from edge_deeplab.checker.tflite.litert_versions import is_registered
from edge_deeplab.formats.graph import Operator, TensorQuantization, TensorSpec, first_shape

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
_FILTER_AXIS = {"DEPTHWISE_CONV_2D": 3}
_UNPACKERS = ("DEQUANTIZE", "DENSIFY", "DequantizeLinear")
_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
_RANGES = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
_EIGHT_BITS = ("int8", "uint8")

_DATA_INPUTS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(
        (*_CONVOLUTIONS, "MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "PAD", "PADV2"), (0,)
    ),
    **dict.fromkeys(("RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "TRANSPOSE"), (0,)),
    **dict.fromkeys(("SLICE", "STRIDED_SLICE", "EXPAND_DIMS", "TILE", "ARG_MAX", "ARG_MIN"), (0,)),
    "SPLIT": (1,),
    "TRANSPOSE_CONV": (2,),
}
"""Which inputs are data; of other operators all are."""
_SETTING_INPUTS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(
        ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "PAD", "RESHAPE", "TRANSPOSE"), (1,)
    ),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "TILE", "EXPAND_DIMS"), (1,)),
    "SLICE": (1, 2),
    "STRIDED_SLICE": (1, 2, 3),
    "SPLIT": (0,),
    "TRANSPOSE_CONV": (0,),
}
"""Which inputs set sizes, axes or paddings."""


def _types(operator: Operator) -> str:
    specs = (*_data_inputs(operator), *operator.outputs)
    return "/".join(dict.fromkeys(_read_type(spec) for spec in specs))


def _unpacks_constant(operator: Operator) -> bool:
    return operator.type in _UNPACKERS and all(spec.constant for spec in _data_inputs(operator))


def _is_registered(operator: Operator) -> bool | None:
    if operator.domain or not operator.type.isupper():
        return None
    return is_registered(operator.type, operator.version)


def _data_inputs(operator: Operator) -> list[TensorSpec]:
    places = _DATA_INPUTS.get(operator.type, range(len(operator.inputs)))
    found = (operator.inputs[place] for place in places if place < len(operator.inputs))
    return [spec for spec in found if spec is not None]


def _read_type(spec: TensorSpec) -> str:
    return spec.read_as or spec.dtype or "unknown"


def _settings(operator: Operator) -> list[TensorSpec | None]:
    places = _SETTING_INPUTS.get(operator.type, ())
    return [operator.inputs[place] for place in places if place < len(operator.inputs)]


def _settings_constant(operator: Operator) -> bool | None:
    settings = _settings(operator)
    return all(spec is not None and spec.constant for spec in settings) if settings else None


def _negative_setting(operator: Operator) -> bool | None:
    if operator.type not in ("PAD", "RESIZE_BILINEAR", "SLICE"):
        return None
    return any(number < 0 for spec in _settings(operator) if spec for number in spec.values or ())


def _unit_strides(operator: Operator) -> bool | None:
    place = {"STRIDED_SLICE": 3, "Slice": 4}.get(operator.type)
    strides = operator.inputs[place] if place and len(operator.inputs) > place else None
    return None if strides is None else all(step == 1 for step in strides.values or ())


def _filter(operator: Operator) -> TensorSpec | None:
    """Return the filter of a convolution or fully connected layer; None for other operators."""
    if operator.type not in _CONVOLUTIONS or len(operator.inputs) < 2:
        return None
    return operator.inputs[1]


def _filter_quantization(operator: Operator) -> TensorQuantization | None:
    weight = _filter(operator)
    return None if weight is None or weight.read_as else weight.quantization


def _filter_type(operator: Operator) -> str | None:
    weight = _filter(operator)
    return None if weight is None else _read_type(weight)


def _filter_constant(operator: Operator) -> bool | None:
    weight = _filter(operator)
    return None if weight is None else weight.constant


def _filter_axis_fits(operator: Operator) -> bool | None:
    weight, quantization = _filter(operator), _filter_quantization(operator)
    if weight is None or quantization is None:
        return None
    if quantization.channels == 1 and weight.dtype != "uint8":
        return None
    expected = 0 if weight.dtype == "uint8" else _FILTER_AXIS.get(operator.type, 0)
    return quantization.axis == expected


def _furthest(quantization: TensorQuantization | None) -> int | None:
    return max(quantization.zero_points, key=abs) if quantization else None


def _bias(operator: Operator) -> str | None:
    if _filter(operator) is None:
        return None
    place = 3 if operator.type == "TRANSPOSE_CONV" else 2
    bias = operator.inputs[place] if place < len(operator.inputs) else None
    if bias is None:
        return "absent"
    return "constant" if bias.constant else "computed"


def _requantization(operator: Operator) -> float | None:
    data, weight = _data_inputs(operator), _filter_quantization(operator)
    if weight is None or not data or not operator.outputs:
        return None
    before, after = data[0].quantization, operator.outputs[0].quantization
    if before is None or after is None or not after.scales[0]:
        return None
    return before.scales[1] * weight.scales[1] / after.scales[0]


def _eight_bit(operator: Operator) -> list[TensorQuantization | None]:
    """Return how each 8-bit data tensor is quantized."""
    tensors = (*_data_inputs(operator), *operator.outputs)
    return [spec.quantization for spec in tensors if _read_type(spec) in _EIGHT_BITS]


def _one_scale(operator: Operator) -> bool | None:
    found = _eight_bit(operator)
    return all(q is not None and q.channels == 1 and q.axis == 0 for q in found) if found else None


def _same_quantization(operator: Operator) -> bool | None:
    found = _eight_bit(operator)
    return len({(q.scales, q.zero_points) for q in found if q}) <= 1 if found else None


def _valid_quantization(operator: Operator) -> bool | None:
    every = (*operator.inputs, *operator.outputs)
    return all(_is_valid(spec) for spec in every if spec) if _eight_bit(operator) else None


def _rescales(operator: Operator) -> list[float]:
    """Return the ratios of input scales to the output's, of one 8-bit type throughout; none where one is not known."""
    found = _eight_bit(operator)
    if not found or None in found:
        return []
    data = _data_inputs(operator)
    types = {_read_type(spec) for spec in (*data, *operator.outputs)}
    scales = [spec.quantization.scales[0] for spec in data if spec.quantization]
    result = operator.outputs[0].quantization if operator.outputs else None
    if len(types) != 1 or not scales or result is None or not result.scales[0]:
        return []
    if operator.type == "MUL":
        scales = [math.prod(scales)]
    return [scale / result.scales[0] for scale in scales]


def _is_valid(spec: TensorSpec) -> bool:
    if spec.quantization is None or spec.dtype not in _RANGES:
        return True
    low, high = _RANGES[spec.dtype]
    smallest, largest = spec.quantization.zero_points
    scales = spec.quantization.scales
    return low <= smallest <= largest <= high and 0 < scales[0] <= scales[1] < math.inf


def _stride_above_window(operator: Operator) -> bool | None:
    if operator.type not in _POOLS:
        return None
    names = ("stride_h", "filter_height"), ("stride_w", "filter_width")
    pairs = [tuple(_number(operator.attributes.get(name)) or 0 for name in pair) for pair in names]
    return any(stride > window for stride, window in pairs)


def _input_zero_point(operator: Operator) -> int | None:
    first = operator.inputs[0] if operator.inputs else None
    return _furthest(first.quantization) if first else None


def _crops(operator: Operator) -> bool | None:
    """Tell whether any border is cut off; None for other operators, and where the crops are computed."""
    crops = operator.inputs[2] if len(operator.inputs) > 2 else None
    if operator.type != "BATCH_TO_SPACE_ND" or crops is None or crops.values is None:
        return None
    return any(crops.values)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


_TFLITE = ("tflite",)


def _transposed_extent(operator: Operator) -> int | None:
    shape = first_shape(operator.inputs)
    order = operator.inputs[1].values if len(operator.inputs) > 1 and operator.inputs[1] else None
    if operator.type != "TRANSPOSE" or shape is None or order is None or None in shape:
        return None
    sizes = [size or 0 for size in shape]
    while len(sizes) > 2 and sizes[0] == 1 and order[0] == len(shape) - len(sizes):
        sizes, order = sizes[1:], order[1:]
    return math.prod(sorted(sizes)[2:])


def _summed_extent(operator: Operator) -> int | None:
    shape = first_shape(operator.inputs)
    axes = operator.inputs[1].values if len(operator.inputs) > 1 and operator.inputs[1] else None
    if operator.type not in ("SUM", "ReduceSum") or not shape or not axes or None in shape:
        return None
    sizes, axis = [size or 0 for size in shape], int(axes[0]) % len(shape)
    behind = sizes[axis + 1 :]
    return max(math.prod(sizes[:axis]), math.prod(behind)) if behind else None


# fmt: off
OPERAND_FACTS = (
    Fact("types", 'element types of the data it reads and computes, each once ("int8", "float32/int8")', _types),
    Fact("operands", "number of its inputs, absent ones included", lambda o: len(o.inputs)),
    Fact("results", "number of its outputs", lambda o: len(o.outputs)),
    Fact("bias", '"constant", "computed" or "absent" (convolutions and fully connected layers)', _bias, _TFLITE),
    Fact("filter_type", "element type in which a filter is read: behind a dequantize that of its result", _filter_type,
         _TFLITE),
    Fact("filter_constant", "whether the filter stands in the file", _filter_constant, _TFLITE),
    Fact("filter_axis_fits", "whether a filter's scales, if several, change along its output channels",
         _filter_axis_fits, _TFLITE),
    Fact("filter_zero_point", "zero point of a filter, the one furthest from 0",
         lambda o: _furthest(_filter_quantization(o)), _TFLITE),
    Fact("input_zero_point", "zero point of the first input, the one furthest from 0", _input_zero_point, _TFLITE),
    Fact("crops", "whether a BATCH_TO_SPACE_ND cuts off borders of what it puts together", _crops, _TFLITE),
    Fact("settings_constant", "whether the sizes, axes or paddings that it reads stand in the file", _settings_constant,
         _TFLITE),
    Fact("one_scale", "whether each of its 8-bit data tensors has exactly one scale", _one_scale),
    Fact("same_quantization", "whether its 8-bit data tensors all have one scale and one zero point",
         _same_quantization),
    Fact("valid_quantization", "whether all scales are positive and all zero points within their type",
         _valid_quantization),
    Fact("rescale_min", "smallest ratio of an input's scale, or of the inputs' product, to the output's",
         lambda o: min(_rescales(o), default=None)),
    Fact("rescale_max", "largest ratio of an input's scale, or of the inputs' product, to the output's",
         lambda o: max(_rescales(o), default=None)),
    Fact("requantization", "largest ratio of a convolution's input times filter scale to the output's", _requantization,
         _TFLITE),
    Fact("slope", "slope of a leaky ReLU below 0", lambda o: _number(o.attributes.get("alpha"))),
    Fact("unit_strides", "whether a slice takes every element between its ends, in their order", _unit_strides,
         ("tflite", "onnx")),
    Fact("negative_setting", "whether a size or padding that it reads is negative", _negative_setting, _TFLITE),
    Fact("stride_above_window", "whether a pool steps further than its window reaches, or strides by single pixels",
         _stride_above_window, _TFLITE),
    Fact("transposed_extent",
         "largest product of the sizes of all axes but two of a transpose, leading ones that stay and are 1 left out",
         _transposed_extent, _TFLITE, words="extent"),
    Fact("summed_extent",
         "product of the sizes before or behind the axis that a sum names first, the larger; none where it is the last",
         _summed_extent, ("tflite", "onnx"), words="extent"),
    Fact("stored_apart", "whether bytes of a constant that it reads stand behind the flatbuffer",
         lambda o: any(spec is not None and spec.apart for spec in o.inputs), _TFLITE,
         yes_and_no=("a constant behind the flatbuffer", "no constant behind the flatbuffer")),
    Fact("unpacks_constant", "whether it only unpacks a tensor that stands in the file", _unpacks_constant),
    Fact("registered", "whether LiteRT's own kernels include its version", _is_registered, _TFLITE),
)
# fmt: on
"""What an operator's tensors tell."""
