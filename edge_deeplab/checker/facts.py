"""What rules may ask about an operator: one flat table of named facts, the same names in every format.

A fact that the file does not tell is absent, and a condition on an absent fact never holds: what is not known raises
no alarm.
"""

from collections.abc import Callable, Mapping

from edge_deeplab.checker.fact import Compute, Fact, Value
from edge_deeplab.checker.operand_facts import OPERAND_FACTS
from edge_deeplab.checker.setting_facts import SETTING_FACTS, pool_rate, pool_stride
from edge_deeplab.formats.graph import Convolution, Operator, TensorSpec, first_shape

__all__ = ["DEVICE_FACTS", "FACTS", "Value", "facts_of"]

_BIAS_INPUT = {"QLinearConv": 8}
_TFLITE, _ONNX = ("tflite",), ("onnx",)


def facts_of(operator: Operator) -> dict[str, Value]:
    """Return the facts that a file tells about one of its operators."""
    told = ((name, compute(operator)) for name, compute in _COMPUTED)
    return {name: value for name, value in told if value is not None}


def _of_convolution(tell: Callable[[Convolution], Value | None]) -> Compute:
    """Return what tells something of a convolution, and nothing of other operators."""
    return lambda operator: None if operator.convolution is None else tell(operator.convolution)


def _weight(operator: Operator) -> TensorSpec | None:
    """Return a convolution's weight where it stands in the file."""
    stored = (
        spec for spec in operator.inputs if spec and spec.constant and len(spec.shape or ()) == 4
    )
    return next(stored, None) if operator.convolution else None


def _weight_dtype(operator: Operator) -> str | None:
    weight = _weight(operator)
    return None if weight is None else weight.dtype


def _weight_constant(operator: Operator) -> bool | None:
    return None if operator.convolution is None else _weight(operator) is not None


def _weight_initializer(operator: Operator) -> bool | None:
    weight = _weight(operator)
    return None if operator.convolution is None else weight is not None and weight.read_as is None


def _rate(operator: Operator) -> int | None:
    convolution = operator.convolution
    return pool_rate(operator) if convolution is None else max(convolution.rate_hw)


def _stride(operator: Operator) -> int | None:
    convolution = operator.convolution
    return pool_stride(operator) if convolution is None else max(convolution.stride_hw)


def _padding(convolution: Convolution) -> int | None:
    return None if convolution.padding is None else max(convolution.padding)


def _taps_outside(operator: Operator) -> bool | None:
    shape, convolution = first_shape(operator.inputs), operator.convolution
    if convolution is None or shape is None or len(shape) != 4 or None in shape[2:]:
        return None
    sides = zip(shape[2:], convolution.rate_hw, strict=True)
    return all(rate >= (side or 0) for side, rate in sides) and min(convolution.kernel_hw) > 1


def _has_bias(operator: Operator) -> bool | None:
    """Tell whether a convolution has a bias; None for Core ML, whose inputs are named, not placed."""
    if operator.convolution is None or operator.type == "conv":
        return None
    return _bias(operator) is not None


def _bias_initializer(operator: Operator) -> bool | None:
    """Tell whether a bias stands in the file as it is read; None where there is none, or it is not known."""
    bias = _bias(operator) if _has_bias(operator) else None
    return None if bias is None else bias.constant and bias.read_as is None


def _bias(operator: Operator) -> TensorSpec | None:
    place = _BIAS_INPUT.get(operator.type, 2)
    return operator.inputs[place] if place < len(operator.inputs) else None


def _computed_dtype(operator: Operator) -> str | None:
    computed = [spec for spec in operator.inputs if spec is not None and not spec.constant]
    return next((spec.dtype for spec in (*computed, *operator.outputs) if spec.dtype), None)


def _upscale(operator: Operator) -> float | None:
    before, after = first_shape(operator.inputs), first_shape(operator.outputs)
    if before is None or after is None or len(before) != len(after):
        return None
    ratios = [new / old for old, new in zip(before, after, strict=True) if old and new]
    return max(ratios, default=None)


def _reduced_size(operator: Operator) -> int | None:
    shape, axis = first_shape(operator.inputs), operator.attributes.get("axis")
    if shape is None or not isinstance(axis, int) or not -len(shape) <= axis < len(shape):
        return None
    return shape[axis]


def _shared_input(operator: Operator) -> bool | None:
    first = operator.inputs[0] if operator.inputs else None
    return None if first is None or first.readers is None else first.readers > 1


def _readers(operator: Operator) -> int | None:
    return operator.outputs[0].readers if operator.outputs else None


# fmt: off
FILE_FACTS = (
    Fact("type", "the format's own name of the operator", lambda o: o.type),
    Fact("domain", 'operator set, "" for the format\'s own', lambda o: o.domain),
    Fact("known", "whether the format's own operator set, at the imported version, has it",
         lambda o: o.version is not None, yes_and_no=("a known type", "an unknown type")),
    Fact("version", "opcode version (TFLite), opset that last changed it (ONNX), program opset (Core ML)",
         lambda o: o.version),
    Fact("dtype", "element type of the first input that is computed", _computed_dtype, words="element type"),
    Fact("nested", "whether it stands in a branch or loop body of another operator", lambda o: o.nested, _ONNX,
         yes_and_no=("standing in a branch or loop body", "standing in the main graph")),
    Fact("upscale", "largest ratio of an output size to the input size on the same axis", _upscale),
    Fact("reduced_size", "size of the input along the operator's axis attribute", _reduced_size),
    Fact("readers", "number of operators that read the first output", _readers, _ONNX),
    Fact("shared_input", "whether other operators read its first input as well", _shared_input, _ONNX,
         yes_and_no=("its first input read by others too", "its first input read by none else")),
    Fact("weight_dtype", "element type of a convolution's weight, as it is stored", _weight_dtype, words="weight type"),
    Fact("depthwise", "whether each input channel of a convolution is convolved alone",
         _of_convolution(lambda c: c.depthwise),
         yes_and_no=("each channel convolved alone", "channels convolved together")),
    Fact("rate", "atrous rate of a convolution or pool, the larger of the two directions", _rate),
    Fact("kernel_h", "taps of a convolution by height", _of_convolution(lambda c: c.kernel_hw[0]), words="kernel rows"),
    Fact("kernel_w", "taps of a convolution by width", _of_convolution(lambda c: c.kernel_hw[1]),
         words="kernel columns"),
    Fact("stride", "stride of a convolution or pool, the larger of the two directions", _stride),
    Fact("channels", "input channels of a convolution", _of_convolution(lambda c: c.channels)),
    Fact("multiplier", "output channels of each group of a convolution", _of_convolution(lambda c: c.multiplier)),
    Fact("padding", "explicit padding of a convolution, the largest of the four sides", _of_convolution(_padding)),
    Fact("taps_outside", "whether at a convolution's rate all taps but the middle one fall outside its map",
         _taps_outside, _ONNX, yes_and_no=("all taps but one outside the map", "several taps inside the map")),
    Fact("form", 'how the rate is written: "native" or "space-to-batch"', _of_convolution(lambda c: c.form)),
    Fact("rates_equal", "whether a convolution's rate is the same in both directions",
         _of_convolution(lambda c: c.rate_hw[0] == c.rate_hw[1]), yes_and_no=("equal rates", "unequal rates")),
    Fact("grouped", "whether a convolution has several groups of several channels",
         _of_convolution(lambda c: 1 < c.groups < c.channels),
         yes_and_no=("several groups of several channels", "one group or one channel each")),
    Fact("has_bias", "whether a convolution has a bias", _has_bias, yes_and_no=("a bias", "no bias")),
    Fact("weight_constant", "whether a convolution's weight stands in the file", _weight_constant,
         yes_and_no=("a stored weight", "a computed weight")),
    Fact("weight_initializer",
         "whether a convolution's weight stands in the file as it is read, not behind a dequantize",
         _weight_initializer),
    Fact("bias_initializer", "whether a convolution's bias stands in the file as it is read, not behind a dequantize",
         _bias_initializer),
)
"""What the file tells of an operator and of convolutions."""

_DEVICE_FACTS = (
    Fact("api", "Android API level of the device", words="API level"),
    Fact("chip", "chip of the device"),
    Fact("npu", "generation of the NPU", words="generation"),
    Fact("engine", "generation of the Neural Engine, by the iPhone chip that its compiler names it after",
         words="engine generation"),
    Fact("int8_compute", "whether the Neural Engine multiplies integers by integers",
         yes_and_no=("integer arithmetic in hardware", "no integer arithmetic in hardware")),
)

_GRAPH_FACTS = (
    Fact("feeds_left_out",
         "whether an operator that is left out reads what it computes (known once all others are judged)",
         yes_and_no=("a reader of its result left out", "all readers of its result taken")),
    Fact("reads_left_out",
         "whether an operator that is left out computes what it reads (known once all others are judged)",
         yes_and_no=("what it reads computed outside", "what it reads computed inside")),
    Fact("outside_largest_part",
         "whether it is taken, but stands in another part than the one with the most operators (known last)",
         yes_and_no=("another part than the largest", "the largest part")),
    Fact("opset", "version of ONNX's own operator set that the file imports", None, _ONNX),
    Fact("reads_file_input", "whether it reads an input of the file",
         yes_and_no=("an input of the file read", "no input of the file read")),
    Fact("follows", 'type of the operator that computes the first input that is not stored, "nothing" where none does'),
    Fact("result_read", "whether an operator reads what it computes",
         yes_and_no=("a result that is read", "a result that nothing reads")),
    Fact("phase_move", "which of the seven moves that cut a map into the phases of an atrous convolution, or interlace "
         'them, it is: "cut-1" to "cut-7", "interlace-1" to "interlace-7"; "none" for other operators', None, _ONNX),
    Fact("phases_shared", "whether one map is cut several times, as ASPP's is", None, _ONNX),
    Fact("phases_resized", "whether a map is padded before it is cut, or cropped after it is interlaced", None, _ONNX,
         yes_and_no=("a map padded or cropped", "a map that the rate divides")),
    Fact("phases_of_tiles", "whether rows or columns of the map that is cut or interlaced are a multiple of 16", None,
         _ONNX, yes_and_no=("a map of whole tiles", "a map of no whole tiles")),
    Fact("stays_float", "whether ONNX Runtime computes it in float though what it reads is dequantized", None, _ONNX),
)
"""What only the whole graph tells."""

_OBSERVED_FACTS = (
    Fact("loads", "whether the runtime loads the file", yes_and_no=("the file loading", "the file not loading")),
    Fact("loads_without_delegate", "whether LiteRT's own kernels alone were seen to load a refused file", None,
         _TFLITE, yes_and_no=("its own kernels alone loading it", "its own kernels refusing it as well")),
    Fact("refusal", "what the runtime said when it refused the file"),
    Fact("delegated", "whether the delegate took the operator",
         yes_and_no=("the delegate taking it", "the delegate leaving it")),
    Fact("runtime", "runtime, version and processor that were observed"),
)
# fmt: on
"""What an observer tells."""

DEVICE_FACTS: Mapping[str, Fact] = {fact.name: fact for fact in _DEVICE_FACTS}
"""Facts that no file tells: a profile of a family of devices (`api` 27 to 35) brings them along."""

FACTS: Mapping[str, Fact] = {
    fact.name: fact
    for fact in (
        *FILE_FACTS,
        *SETTING_FACTS,
        *OPERAND_FACTS,
        *_DEVICE_FACTS,
        *_GRAPH_FACTS,
        *_OBSERVED_FACTS,
    )
}
"""Facts by name; a rule that asks for anything else is refused when it is loaded."""

_COMPUTED = tuple((fact.name, fact.compute) for fact in FACTS.values() if fact.compute is not None)
