"""What rules may ask about an operator: one flat table of named facts, the same names in every format.

A fact that the file does not tell is absent, and a condition on an absent fact never holds: what is not known raises
no alarm.
"""

from collections.abc import Mapping

from edge_deeplab.checker.operand_facts import OPERAND_FACTS, operand_facts
from edge_deeplab.checker.setting_facts import SETTING_FACTS, Fact, setting_facts
from edge_deeplab.formats.graph import Operator, TensorSpec, first_shape

__all__ = ["DEVICE_FACTS", "FACTS", "Fact", "facts_of"]

DEVICE_FACTS: Mapping[str, str] = {
    "api": "Android API level of the device",
    "chip": "chip of the device",
    "engine": "generation of the Neural Engine, by the iPhone chip that its compiler names it after",
    "int8_compute": "whether the Neural Engine multiplies integers by integers",
}
"""Facts that no file tells: a profile of a family of devices (`api` 27 to 35) brings them along."""

FACTS: Mapping[str, str] = {
    "type": "the format's own name of the operator",
    "domain": 'operator set, "" for the format\'s own',
    "known": "whether the format's own operator set, at the imported version, has it (ONNX)",
    "version": "opcode version (TFLite), opset that last changed it (ONNX), program opset (Core ML)",
    "dtype": "element type of the first input that is computed",
    "weight_dtype": "element type of a convolution's weight, as it is stored",
    "depthwise": "whether each input channel of a convolution is convolved alone",
    "rate": "atrous rate, the larger of the two directions",
    "kernel_h": "taps of a convolution by height",
    "kernel_w": "taps of a convolution by width",
    "stride": "stride of a convolution, the larger of the two directions",
    "channels": "input channels of a convolution",
    "multiplier": "output channels of each group of a convolution",
    "padding": "explicit padding of a convolution, the largest of the four sides",
    "form": 'how the rate is written: "native" or "space-to-batch"',
    "upscale": "largest ratio of an output size to the input size on the same axis",
    "reduced_size": "size of the input along the operator's axis attribute",
    "rates_equal": "whether a convolution's rate is the same in both directions",
    "grouped": "whether a convolution has several groups of several channels",
    "has_bias": "whether a convolution has a bias",
    "weight_constant": "whether a convolution's weight stands in the file",
    "weight_initializer": "whether a convolution's weight stands in the file as it is read, not behind a dequantize",
    "bias_initializer": "whether a convolution's bias stands in the file as it is read, not behind a dequantize",
    "readers": "number of operators that read the first output (ONNX)",
    **SETTING_FACTS,
    **DEVICE_FACTS,
    **OPERAND_FACTS,
    "feeds_left_out": "whether an operator that is left out reads what it computes (known once all others are judged)",
    "reads_left_out": "whether an operator that is left out computes what it reads (known once all others are judged)",
    "nested": "whether it stands in a branch or loop body of another operator (ONNX)",
    "stays_float": "whether ONNX Runtime computes it in float though what it reads is dequantized (ONNX)",
    "loads": "whether the runtime loads the file (measured)",
    "loads_without_delegate": "whether LiteRT's own kernels alone were seen to load a refused file (measured)",
    "refusal": "what the runtime said when it refused the file (measured)",
    "delegated": "whether the delegate took the operator (measured)",
    "runtime": "runtime, version and processor that were measured (measured)",
}
"""Names and meanings; a rule that asks for anything else is refused when it is loaded."""
_BIAS_INPUT = {"QLinearConv": 8}


def facts_of(operator: Operator) -> dict[str, Fact]:
    """Return the facts that a file tells about one of its operators."""
    facts: dict[str, Fact | None] = {
        "type": operator.type,
        "domain": operator.domain,
        "known": operator.version is not None,
        "version": operator.version,
        "dtype": _computed_dtype(operator),
        "nested": operator.nested,
        "upscale": _upscale(operator),
        "reduced_size": _reduced_size(operator),
        "readers": operator.outputs[0].readers if operator.outputs else None,
        **setting_facts(operator),
        **_convolution_facts(operator),
        **operand_facts(operator),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _convolution_facts(operator: Operator) -> dict[str, Fact | None]:
    convolution = operator.convolution
    if convolution is None:
        return {}
    weights = [spec for spec in operator.inputs if spec and spec.constant and _rank(spec) == 4]
    return {
        "weight_dtype": weights[0].dtype if weights else None,
        "depthwise": convolution.depthwise,
        "rate": max(convolution.rate_hw),
        "kernel_h": convolution.kernel_hw[0],
        "kernel_w": convolution.kernel_hw[1],
        "stride": max(convolution.stride_hw),
        "channels": convolution.channels,
        "multiplier": convolution.multiplier,
        "padding": None if convolution.padding is None else max(convolution.padding),
        "form": convolution.form,
        "rates_equal": convolution.rate_hw[0] == convolution.rate_hw[1],
        "grouped": 1 < convolution.groups < convolution.channels,
        "has_bias": _has(operator, _BIAS_INPUT.get(operator.type, 2)),
        "weight_constant": bool(weights),
        "weight_initializer": bool(weights) and weights[0].read_as is None,
        "bias_initializer": _is_initializer(operator, _BIAS_INPUT.get(operator.type, 2)),
    }


def _has(operator: Operator, place: int) -> bool | None:
    """Tell whether an input is there; None for Core ML, whose inputs are named, not placed."""
    if operator.type == "conv":
        return None
    return place < len(operator.inputs) and operator.inputs[place] is not None


def _is_initializer(operator: Operator, place: int) -> bool | None:
    """Tell whether an input stands in the file as it is read; None where there is none, or it is not known."""
    spec = operator.inputs[place] if _has(operator, place) else None
    return None if spec is None else spec.constant and spec.read_as is None


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


def _rank(spec: TensorSpec) -> int:
    return 0 if spec.shape is None else len(spec.shape)
