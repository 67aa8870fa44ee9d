"""What ONNX Runtime's CPU provider computes in integers: predicted from a file's quantize and dequantize operators.

The idea to hold: in such a file every operator is float, between DequantizeLinear and QuantizeLinear. The runtime
replaces each group it knows (dequantize, operator, perhaps an activation that the quantize makes needless, quantize)
by one integer operator; what does not fit its pattern stays float, conversions around it.

Source: onnxruntime `core/optimizer/qdq_transformer/`: selectors_actions/qdq_selector_action_transformer.cc and
qdq_selectors.cc (the groups), qdq_util.cc (IsClipMadeRedundantByQ), qdq_propagation.cc, qdq_s8_to_u8.cc; before any of
these `core/optimizer/pad_fusion.cc`, which makes the zeros of a Pad the padding of what reads them.
"""

import math
import platform
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edge_deeplab.formats.graph import Attribute, FileGraph, Operator, TensorSpec

INTEGER_OPERATORS: Mapping[str, str] = {
    "Conv": "QLinearConv",
    "Add": "QLinearAdd",
    "Mul": "QLinearMul",
    "Concat": "QLinearConcat",
    "AveragePool": "QLinearAveragePool",
    "GlobalAveragePool": "QLinearGlobalAveragePool",
    "LeakyRelu": "QLinearLeakyRelu",
    "Sigmoid": "QLinearSigmoid",
    "Softmax": "QLinearSoftmax",
    "MatMul": "QLinearMatMul",
    "Gemm": "QGemm",
}
"""Float operators and the integer one that takes the place of each group."""
FLOAT_CONVOLUTIONS = ("Conv", "FusedConv")

_UNCHANGED = (
    *(
        "Resize",
        "MaxPool",
        "ReduceMax",
        "ReduceMin",
        "Expand",
        "Flatten",
        "Gather",
        "GatherElements",
    ),
    *("Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze", "ArgMax", "Where"),
)
"""Operators that run on integers as they are, once the conversions around them are dropped."""
_PASSED_ON = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "MaxPool")
"""Operators past which conversions are moved."""
_PAD_READERS = ("Conv", "AveragePool", "MaxPool")
"""Operators whose own padding a Pad of zeros before them becomes."""
_PADS_ARE_INPUTS = 11
"""Opset from which a Pad has its sizes among its inputs."""
_CONVERSIONS = ("QuantizeLinear", "DequantizeLinear", "Cast", "Shape")
_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}
_MULTIPLIES = ("Conv", "MatMul")


@dataclass(frozen=True)
class Fusion:
    """What becomes of a file's operators.

    Args:
        fused: of each operator that becomes an integer one, its place in the file and the integer one's type.
        stays_float: places of operators that read dequantized values and are computed in float all the same.
        float_convolutions: number of convolutions that stay float, quantized or not.
    """

    fused: Mapping[int, str]
    stays_float: frozenset[int]
    float_convolutions: int

    def count(self) -> dict[str, int]:
        """Return the number of integer operators by type, and of float convolutions under "Conv"."""
        counts = dict(sorted(Counter(self.fused.values()).items()))
        return {**counts, "Conv": self.float_convolutions}


def integer_operators(operators: Mapping[str, int]) -> dict[str, int]:
    """Return the number of integer operators by type, and of float convolutions under "Conv", in an optimized graph."""
    formed = set(INTEGER_OPERATORS.values())
    counts = {kind: n for kind, n in sorted(operators.items()) if kind in formed}
    return {**counts, "Conv": sum(operators.get(kind, 0) for kind in FLOAT_CONVOLUTIONS)}


def predict_fusion(graph: FileGraph, *, signed: bool | None = None) -> Fusion:
    """Return which operators ONNX Runtime's CPU provider computes in integers.

    Args:
        graph: of an ONNX file.
        signed: whether its kernels take int8 activations, as those of ARM do; None asks this machine.
    """
    if signed is None:
        signed = platform.machine().lower() in ("arm64", "aarch64", "armv7l")
    wiring = _Wiring(graph, signed=signed)
    fused: dict[int, str] = {}
    stays: set[int] = set()
    for place, operator in enumerate(graph.operators):
        if operator.domain or operator.type in _CONVERSIONS:
            continue
        if wiring.is_group(operator):
            fused[place] = INTEGER_OPERATORS[operator.type]
        elif operator.type in _UNCHANGED or wiring.is_padding(operator):
            continue
        elif wiring.reads_dequantized(operator):
            stays.add(place)
    left = [
        o for p, o in enumerate(graph.operators) if o.type in FLOAT_CONVOLUTIONS and p not in fused
    ]
    return Fusion(fused, frozenset(stays), len(left))


class _Wiring:
    """One file's operators, with who computes and who reads each value."""

    def __init__(self, graph: FileGraph, *, signed: bool) -> None:
        self._signed = signed
        whole = [o for o in graph.operators if o.reads and o.writes]  # a damaged file has others
        self._producers = {key: o for o in whole for key in o.writes if key}
        self._readers: dict[str, list[Operator]] = defaultdict(list)
        for operator in whole:
            for key in operator.reads:
                self._readers[key].append(operator)
        self._padding = {key for o in whole for key in self._padding_of(o)}
        self._sources: dict[str, Operator | None] = {}

    def is_padding(self, operator: Operator) -> bool:
        """Tell whether an operator is a Pad that becomes the padding of what reads it."""
        return not self._padding.isdisjoint(operator.writes)

    def _padding_of(self, reader: Operator) -> Iterator[str]:
        """Yield what the Pads compute that become an operator's own padding."""
        automatic = reader.attributes.get("auto_pad", "NOTSET") != "NOTSET"
        if reader.type not in _PAD_READERS or reader.domain or automatic or len(reader.writes) > 1:
            return
        pad = self._producers.get(reader.reads[0])
        while pad is not None and _pads_with_zeros(pad) and self._only_reader(pad) is not None:
            yield pad.writes[0]
            pad = self._producers.get(pad.reads[0])

    def is_group(self, operator: Operator) -> bool:
        """Tell whether an operator has a dequantize before each input and fits the quantize after it."""
        if operator.type not in INTEGER_OPERATORS or len(operator.writes) != 1:
            return False
        given = [self._dequantize_before(key) for key in operator.reads if key]
        if operator.type == "Conv":
            given = given[:2] if self._has_bias_that_fits(operator) else []
        quantize = self._quantize_after(operator)
        if quantize is None or not given or None in given:
            return False
        types = [self._type_before(dequantize) for dequantize in given if dequantize is not None]
        result = self._type_after(quantize)
        same = types[:1] if operator.type in (*_MULTIPLIES, "Gemm") else types
        if any(kind != result for kind in same) or result not in _RANGES:
            return False
        return (
            result == "uint8"
            or operator.type not in _MULTIPLIES
            or (self._signed and types[1] == "int8")
        )

    def reads_dequantized(self, operator: Operator) -> bool:
        """Tell whether an operator reads a computed value that was dequantized."""
        before = (self._dequantize_before(key) for key in operator.reads if key)
        return any(d is not None and not _is_constant(d.inputs[:1]) for d in before)

    def _dequantize_before(self, key: str) -> Operator | None:
        """Return the dequantize that a value comes from, through what conversions are moved past."""
        passed = []
        while key not in self._sources:
            passed.append(key)
            source = self._producers.get(key)
            if source is None or not (source.type in _PASSED_ON or self.is_padding(source)):
                found = source is not None and source.type == "DequantizeLinear"
                self._sources[key] = source if found else None
                break
            key = source.reads[0]
        self._sources.update(dict.fromkeys(passed, self._sources[key]))
        return self._sources[key]

    def _has_bias_that_fits(self, convolution: Operator) -> bool:
        """Tell whether there is no bias, a stored one, which the runtime quantizes, or a dequantized int32 one."""
        bias = convolution.inputs[2] if len(convolution.inputs) > 2 else None
        return bias is None or (bias.constant and bias.dtype in ("float32", "int32"))

    def _quantize_after(self, operator: Operator) -> Operator | None:
        """Return the only reader of what an operator computes, where that is a quantize or a needless activation's."""
        reader = self._only_reader(operator)
        while reader is not None and reader.type in _PASSED_ON:
            reader = self._only_reader(reader)
        if reader is not None and reader.type in ("Relu", "Clip"):
            activation, reader = reader, self._only_reader(reader)
            if reader is None or not _makes_needless(reader, activation):
                return None
        return reader if reader is not None and reader.type == "QuantizeLinear" else None

    def _only_reader(self, operator: Operator) -> Operator | None:
        readers = self._readers[operator.writes[0]] if operator.writes else []
        return readers[0] if len(readers) == 1 else None

    def _type_before(self, dequantize: Operator) -> str | None:
        quantize = self._producers.get(dequantize.reads[0])
        if quantize is not None and quantize.type == "QuantizeLinear":
            return self._type_after(quantize)
        return _stored_type(dequantize)

    def _type_after(self, quantize: Operator) -> str | None:
        """Return a quantize's element type; where kernels want uint8, int8 with a single reader becomes that."""
        kind = _stored_type(quantize) or "uint8"
        if kind != "int8" or self._signed:
            return kind
        readers = self._readers[quantize.writes[0]]
        uses = [reader for d in readers for reader in self._readers[d.writes[0]]]
        paired = bool(readers) and all(d.type == "DequantizeLinear" for d in readers)
        return "uint8" if paired and len(uses) == 1 else kind


def _stored_type(conversion: Operator) -> str | None:
    """Return the element type on the integer side of a conversion, which its zero point has too."""
    zero_point = conversion.inputs[2] if len(conversion.inputs) > 2 else None
    side = (
        conversion.inputs[:1] if conversion.type == "DequantizeLinear" else conversion.outputs[:1]
    )
    return next((spec.dtype for spec in (zero_point, *side) if spec and spec.dtype), None)


def _pads_with_zeros(pad: Operator) -> bool:
    """Tell whether an operator is a Pad of stored numbers of zeros, at the ends of rows and columns alone."""
    if pad.type != "Pad" or pad.domain or pad.attributes.get("mode", "constant") != "constant":
        return False
    value: Attribute | None
    if (pad.version or 0) < _PADS_ARE_INPUTS:
        value, pads = pad.attributes.get("value", 0.0), pad.attributes.get("pads")
    elif not 2 <= len(pad.inputs) <= 3:
        return False
    else:
        value = _scalar(pad, 2) if len(pad.inputs) > 2 else 0.0
        pads = pad.inputs[1].values if pad.inputs[1] is not None else None
    if not isinstance(value, float) or value != 0 or math.copysign(1, value) < 0:
        return False  # the runtime looks at the bits
    if not isinstance(pads, tuple):
        return False
    sizes = [int(size) for size in pads]
    ends = sizes[: len(sizes) // 2], sizes[len(sizes) // 2 :]
    return min(sizes, default=-1) >= 0 and not any(any(end[:2]) for end in ends)


def _is_constant(specs: tuple[TensorSpec | None, ...]) -> bool:
    return bool(specs and specs[0] and specs[0].constant)


def _makes_needless(quantize: Operator, activation: Operator) -> bool:
    """Tell whether a quantize cuts off all that a Relu or Clip before it does."""
    kind = _stored_type(quantize) or "uint8"
    scale, zero_point = (_scalar(quantize, place) for place in (1, 2))
    if kind not in _RANGES or not scale:
        return False
    smallest, largest = _RANGES[kind]
    offset = zero_point or 0
    if activation.type == "Relu":
        return offset == smallest
    low, high = _bounds(activation)
    if low is None or high is None:
        return False
    return round(low / scale) + offset <= smallest and round(high / scale) + offset >= largest


def _bounds(clip: Operator) -> tuple[float | None, float | None]:
    low, high = (_scalar(clip, place) for place in (1, 2))
    settings = (clip.attributes.get(name) for name in ("min", "max"))
    given = (float(v) if isinstance(v, (int, float)) else None for v in settings)
    old_low, old_high = given
    return low if low is not None else old_low, high if high is not None else old_high


def _scalar(operator: Operator, place: int) -> float | None:
    spec = operator.inputs[place] if place < len(operator.inputs) else None
    return float(spec.values[0]) if spec and spec.values and len(spec.values) == 1 else None
