"""Facts about what an operator reads and computes: element types, what stands in the file, scales and zero points.

They are what a delegate asks before it takes an operator. Scales and zero points are known where the format keeps them
with each tensor (TFLite).
"""

import math
from collections.abc import Mapping, Sequence

from edge_deeplab.checker.setting_facts import Fact
from edge_deeplab.checker.tflite.litert_versions import is_registered
from edge_deeplab.formats.graph import Operator, TensorQuantization, TensorSpec

OPERAND_FACTS: Mapping[str, str] = {
    "types": 'element types of the data it reads and computes, each once ("int8", "float32/int8")',
    "operands": "number of its inputs, absent ones included",
    "results": "number of its outputs",
    "bias": '"constant", "computed" or "absent" (convolutions and fully connected layers)',
    "filter_type": "element type in which a filter is read: behind a dequantize that of its result",
    "filter_constant": "whether the filter stands in the file",
    "filter_axis_fits": "whether a filter's scales, if several, change along its output channels",
    "filter_zero_point": "zero point of a filter, the one furthest from 0",
    "input_zero_point": "zero point of the first input, the one furthest from 0",
    "crops": "whether a BATCH_TO_SPACE_ND cuts off borders of what it puts together",
    "settings_constant": "whether the sizes, axes or paddings that it reads stand in the file",
    "one_scale": "whether each of its 8-bit data tensors has exactly one scale",
    "same_quantization": "whether its 8-bit data tensors all have one scale and one zero point",
    "valid_quantization": "whether all scales are positive and all zero points within their type",
    "rescale_min": "smallest ratio of an input's scale, or of the inputs' product, to the output's",
    "rescale_max": "largest ratio of an input's scale, or of the inputs' product, to the output's",
    "requantization": "largest ratio of a convolution's input times filter scale to the output's",
    "slope": "slope of a leaky ReLU below 0",
    "unit_strides": "whether a slice takes every element between its ends",
    "negative_setting": "whether a size or padding that it reads is negative",
    "stride_above_window": "whether a pool steps further than its window reaches, or strides by single pixels",
    "unpacks_constant": "whether it only unpacks a tensor that stands in the file",
    "registered": "whether LiteRT's own kernels include its version (TFLite)",
}
"""Names and meanings, as `facts.FACTS` has them."""

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
_FILTER_AXIS = {"DEPTHWISE_CONV_2D": 3}
_UNPACKERS = ("DEQUANTIZE", "DENSIFY")
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


def operand_facts(operator: Operator) -> dict[str, Fact | None]:
    """Return the facts of `OPERAND_FACTS` that the file tells about an operator; None where it does not."""
    data = _data_inputs(operator)
    return {
        "types": "/".join(dict.fromkeys(_read_type(s) for s in (*data, *operator.outputs))),
        "operands": len(operator.inputs),
        "results": len(operator.outputs),
        "unpacks_constant": operator.type in _UNPACKERS and all(s.constant for s in data),
        "registered": _is_registered(operator),
        "stride_above_window": _stride_above_window(operator),
        "slope": _number(operator.attributes.get("alpha")),
        "input_zero_point": _input_zero_point(operator),
        "crops": _crops(operator),
        **_setting_facts(operator),
        **_filter_facts(operator),
        **_scale_facts(operator, data),
    }


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


def _setting_facts(operator: Operator) -> dict[str, Fact | None]:
    places = _SETTING_INPUTS.get(operator.type, ())
    settings = [operator.inputs[p] for p in places if p < len(operator.inputs)]
    numbers = [number for spec in settings if spec for number in spec.values or ()]
    bounded = operator.type in ("PAD", "RESIZE_BILINEAR", "SLICE")
    strides = operator.inputs[3] if operator.type == "STRIDED_SLICE" and len(settings) > 2 else None
    return {
        "settings_constant": all(s is not None and s.constant for s in settings)
        if settings
        else None,
        "negative_setting": any(number < 0 for number in numbers) if bounded else None,
        "unit_strides": all(v == 1 for v in strides.values or ()) if strides else None,
    }


def _filter_facts(operator: Operator) -> dict[str, Fact | None]:
    weight = operator.inputs[1] if len(operator.inputs) > 1 else None
    if operator.type not in _CONVOLUTIONS or weight is None:
        return {}
    quantization = None if weight.read_as else weight.quantization
    expected = 0 if weight.dtype == "uint8" else _FILTER_AXIS.get(operator.type, 0)
    several = quantization is not None and (quantization.channels > 1 or weight.dtype == "uint8")
    return {
        "bias": _bias(operator),
        "filter_type": _read_type(weight),
        "filter_constant": weight.constant,
        "filter_axis_fits": quantization.axis == expected if quantization and several else None,
        "filter_zero_point": max(quantization.zero_points, key=abs) if quantization else None,
        "requantization": _requantization(operator, quantization),
    }


def _bias(operator: Operator) -> str:
    place = 3 if operator.type == "TRANSPOSE_CONV" else 2
    bias = operator.inputs[place] if place < len(operator.inputs) else None
    if bias is None:
        return "absent"
    return "constant" if bias.constant else "computed"


def _requantization(operator: Operator, weight: TensorQuantization | None) -> float | None:
    data = _data_inputs(operator)
    if weight is None or not data or not operator.outputs:
        return None
    before, after = data[0].quantization, operator.outputs[0].quantization
    if before is None or after is None or not after.scales[0]:
        return None
    return before.scales[1] * weight.scales[1] / after.scales[0]


def _scale_facts(operator: Operator, data: Sequence[TensorSpec]) -> dict[str, Fact | None]:
    tensors = [*data, *operator.outputs]
    eight_bit = [spec for spec in tensors if _read_type(spec) in _EIGHT_BITS]
    if not eight_bit:
        return {}
    known = [spec.quantization for spec in eight_bit if spec.quantization is not None]
    complete = len(known) == len(eight_bit)
    every = [spec for spec in (*operator.inputs, *operator.outputs) if spec is not None]
    low, high = _rescales(operator, data) if complete else (None, None)
    return {
        "one_scale": complete and all(q.channels == 1 and q.axis == 0 for q in known),
        "same_quantization": len({(q.scales, q.zero_points) for q in known}) <= 1,
        "valid_quantization": all(_is_valid(spec) for spec in every),
        "rescale_min": low,
        "rescale_max": high,
    }


def _rescales(operator: Operator, data: Sequence[TensorSpec]) -> tuple[float | None, float | None]:
    """Return the smallest and largest ratio of input scales to the output's, of one 8-bit type throughout."""
    types = {_read_type(spec) for spec in (*data, *operator.outputs)}
    scales = [spec.quantization.scales[0] for spec in data if spec.quantization]
    result = operator.outputs[0].quantization if operator.outputs else None
    if len(types) != 1 or not scales or result is None or not result.scales[0]:
        return None, None
    if operator.type == "MUL":
        scales = [math.prod(scales)]
    return min(scales) / result.scales[0], max(scales) / result.scales[0]


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
    return max(first.quantization.zero_points, key=abs) if first and first.quantization else None


def _crops(operator: Operator) -> bool | None:
    """Tell whether any border is cut off; None for other operators, and where the crops are computed."""
    crops = operator.inputs[2] if len(operator.inputs) > 2 else None
    if operator.type != "BATCH_TO_SPACE_ND" or crops is None or crops.values is None:
        return None
    return any(crops.values)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
