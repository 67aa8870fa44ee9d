"""Edits of a finished TFLite flatbuffer: names, the uint8 input, float16 weights, metadata.

What litert-torch cannot be asked for is done here on the file, through the object form of TFLite's
own schema. An edit need not know what else names a tensor or counts on an operator: signatures and
opcode versions follow the graph when the file is written.
"""

import copy
from typing import Any

import numpy as np

from edge_deeplab.checker.tflite.opcodes import give_lowest_versions
from edge_deeplab.converters.float16 import round_to_float16
from edge_deeplab.errors import ConversionError, UnsupportedOperatorError, require

_IDENTIFIER = b"TFL3"
_CONSTANT_INPUTS = {
    name: {1: b"_weight", 2: b"_bias"}
    for name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
}
"""Operators with a weight and bias, and which of their inputs these are."""

_RELUS = {"RELU": (0.0, np.inf), "RELU6": (0.0, 6.0)}
"""Ends at which they cut."""
_INT8 = np.iinfo(np.int8)


class TFLiteFile:
    """A TFLite model with one subgraph, open for editing.

    Args:
        content: the flatbuffer.
    """

    def __init__(self, content: bytes) -> None:
        self._schema: Any = require(
            "ai_edge_litert.schema_py_generated", package="ai-edge-litert", extra="tflite"
        )
        self._model = self._schema.ModelT.InitFromPackedBuf(content, 0)
        self._graph = self._model.subgraphs[0]
        if len(self._model.subgraphs) != 1:
            raise UnsupportedOperatorError(self._strangers(), "TFLite")
        self._ends = [*self._signature_ends("inputs"), *self._signature_ends("outputs")]

    def _strangers(self) -> list[str]:
        """Return the operators that litert-torch left to a compiler, each with a subgraph of its own."""
        found = []
        for operator in self._graph.operators:
            kind = self._name_of(operator)
            if kind.startswith("STABLEHLO_"):
                told = getattr(operator.builtinOptions2, "name", None) or kind.encode()
                result = self._graph.tensors[operator.outputs[0]]
                found.append(f"{told.decode()} ({_labels(result.name)[0].decode()})")
        return found

    def name_tensors(self, *, input_name: str, output_name: str, last_operator: str) -> None:
        """Name every tensor by one canonical operator (`formats.operator_names`), input and output as given.

        litert-torch names a result after all operators fused into it, the last computed first
        ("relu;;conv2d;"). The result gets the first of them, whose value it holds; a weight and
        bias the last, the convolution itself. Constants of equal values are one tensor there; here each convolution has
        its own, on the same bytes.

        Args:
            input_name: of the picture.
            output_name: of what the file gives.
            last_operator: canonical name of the operator that computes it: litert-torch puts the output's in its place.
        """
        self._graph.tensors[self._graph.outputs[0]].name = last_operator.encode()
        for tensor in self._graph.tensors:
            if self._is_constant(tensor):
                tensor.name = _labels(tensor.name)[-1] + b"_constant"
        named: set[int] = set()
        for operator in self._graph.operators:
            name = self._name_of(operator)
            (result, *_) = [self._graph.tensors[i] for i in operator.outputs]
            first, last = _labels(result.name)[0], _labels(result.name)[-1]
            result.name = first + b"_pad" if name == "PAD" else first
            for position, role in _CONSTANT_INPUTS.get(name, {}).items():
                if operator.inputs[position] < 0:  # no bias
                    continue
                self._tensor_of_its_own(operator, position, named).name = last + role
        self._graph.tensors[self._graph.inputs[0]].name = input_name.encode()
        self._graph.tensors[self._graph.outputs[0]].name = output_name.encode()

    def _tensor_of_its_own(self, operator: Any, position: int, taken: set[int]) -> Any:
        """Return the tensor that an operator reads at a position: of one that another has taken, a copy."""
        index = int(operator.inputs[position])
        if index in taken:
            self._graph.tensors.append(copy.copy(self._graph.tensors[index]))
            index = len(self._graph.tensors) - 1
            operator.inputs = np.array(operator.inputs)
            operator.inputs[position] = index
        taken.add(index)
        return self._graph.tensors[index]

    def dequantize_input(self) -> None:
        """Turn the CAST of the uint8 input into a DEQUANTIZE of scale 1 and zero point 0.

        It computes the same, and XNNPACK takes it into its partition, which it does not with CAST.
        """
        (input_index,) = self._graph.inputs
        (cast,) = [o for o in self._graph.operators if input_index in o.inputs]
        if self._name_of(cast) != "CAST":
            raise ConversionError(
                f"the image input feeds {self._name_of(cast)}, a CAST was expected; "
                "install the tested version of litert-torch"
            )
        self._graph.tensors[input_index].quantization = self._unit_quantization()
        cast.opcodeIndex = self._operator_code("DEQUANTIZE")
        cast.builtinOptionsType = self._schema.BuiltinOptions.DequantizeOptions
        cast.builtinOptions = self._schema.DequantizeOptionsT()

    def take_uint8_input(self) -> None:
        """Take pixels as uint8 instead of as int8, 128 less, through a QUANTIZE that changes nothing but the type."""
        (stored_index,) = self._graph.inputs
        stored = self._graph.tensors[stored_index]
        pixels = copy.deepcopy(stored)
        pixels.type = self._schema.TensorType.UINT8
        pixels.quantization.zeroPoint = np.asarray(stored.quantization.zeroPoint) + 128
        stored.name += b"_int8"
        self._graph.tensors.append(pixels)
        self._graph.inputs = np.array([len(self._graph.tensors) - 1], np.int32)
        quantize = self._operator(self._operator_code("QUANTIZE"), "Quantize")
        quantize.inputs = self._graph.inputs
        quantize.outputs = np.array([stored_index], np.int32)
        self._graph.operators.insert(0, quantize)

    def requantize_relus(self) -> None:
        """Turn int8 ReLUs that saturation does as well into QUANTIZE, which XNNPACK takes as it does not take RELU.

        A ReLU of its own follows a sum that others read too. Where its result's integers begin at 0, rescaling to them
        saturates there, and of a ReLU6 at the upper end.
        """
        alone = [o for o in self._graph.operators if self._saturates(o)]
        code = self._operator_code("QUANTIZE") if alone else 0
        for operator in alone:
            operator.opcodeIndex = code
            operator.builtinOptionsType = self._schema.BuiltinOptions.QuantizeOptions
            operator.builtinOptions = self._schema.QuantizeOptionsT()

    def sample_nearest_as_torch(self) -> None:
        """Let resizes to the nearest pixel take the one at the floor of the place times the ratio, as torch does.

        litert-torch has them measure from half-pixel centres, which at ratios that are not whole gives others.
        """
        for operator in self._graph.operators:
            if self._name_of(operator) == "RESIZE_NEAREST_NEIGHBOR":
                operator.builtinOptions.halfPixelCenters = False

    def _saturates(self, operator: Any) -> bool:
        """Whether an operator is a ReLU in int8 that cuts nothing off which its result's range does not."""
        ends = _RELUS.get(self._name_of(operator))
        result = self._graph.tensors[operator.outputs[0]]
        if ends is None or result.type != self._schema.TensorType.INT8:
            return False
        (scale,), (zero_point,) = result.quantization.scale, result.quantization.zeroPoint
        low, high = (np.round(end / scale) + zero_point for end in ends)
        return bool(low <= _INT8.min and high >= _INT8.max)

    def store_weights_as_float16(self) -> None:
        """Store convolution weights as float16, each followed by a DEQUANTIZE to float32; biases stay float32.

        This is TFLite's float16 form: half the size; XNNPACK dequantizes while it loads (or
        computes in float16 where the processor does), GPU delegates compute in float16.
        """
        weights = {
            int(operator.inputs[1])
            for operator in self._graph.operators
            if self._name_of(operator) in _CONSTANT_INPUTS
        }
        for buffer in {self._graph.tensors[index].buffer for index in weights}:
            self._round_buffer_to_float16(buffer)
        code = self._operator_code("DEQUANTIZE")
        dequantized = {index: self._add_dequantized(index) for index in sorted(weights)}
        for operator in self._graph.operators:
            operator.inputs = np.array(
                [dequantized.get(int(i), i) for i in operator.inputs], np.int32
            )
        self._graph.operators = [
            self._dequantize(code, index, result) for index, result in dequantized.items()
        ] + self._graph.operators

    def add_metadata(self, name: str, content: str) -> None:
        """Add a named metadata buffer."""
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(content.encode(), np.uint8)
        self._model.buffers.append(buffer)
        entry = self._schema.MetadataT()
        entry.name = name.encode()
        entry.buffer = len(self._model.buffers) - 1
        self._model.metadata = [*(self._model.metadata or []), entry]

    def to_bytes(self) -> bytes:
        """Return the edited flatbuffer, with signatures and opcode versions that follow from the graph."""
        self._bind_signatures()
        flatbuffers: Any = require("flatbuffers", package="flatbuffers", extra="tflite")
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self._model.Pack(builder), _IDENTIFIER)
        return give_lowest_versions(bytes(builder.Output()))

    def _signature_ends(self, side: str) -> list[tuple[Any, str, int]]:
        """Return each entry of the signatures, with the side of the graph and the place there that it names."""
        places = {int(tensor): place for place, tensor in enumerate(getattr(self._graph, side))}
        entries = [e for s in self._model.signatureDefs or () for e in getattr(s, side) or ()]
        strangers = [e.name.decode() for e in entries if e.tensorIndex not in places]
        if strangers:
            raise ConversionError(
                f"the TFLite converter's signature names {strangers[0]!r}, which is none of the graph's {side}; "
                "one of them was expected; install the tested version of litert-torch"
            )
        return [(entry, side, places[entry.tensorIndex]) for entry in entries]

    def _bind_signatures(self) -> None:
        """Let every signature name the tensors that now stand at the graph's ends, in place."""
        for entry, side, place in self._ends:
            entry.tensorIndex = int(getattr(self._graph, side)[place])

    def _name_of(self, operator: Any) -> str:
        code = self._model.operatorCodes[operator.opcodeIndex]
        names: dict[int, str] = {
            v: k for k, v in vars(self._schema.BuiltinOperator).items() if isinstance(v, int)
        }
        return names[max(code.builtinCode, code.deprecatedBuiltinCode)]

    def _operator_code(self, name: str) -> int:
        """Append an operator code, of the first version until the file is written, and return its index."""
        code = self._schema.OperatorCodeT()
        code.builtinCode = getattr(self._schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        self._model.operatorCodes.append(code)
        return len(self._model.operatorCodes) - 1

    def _is_constant(self, tensor: Any) -> bool:
        return self._model.buffers[tensor.buffer].data is not None

    def _unit_quantization(self) -> Any:
        quantization = self._schema.QuantizationParametersT()
        quantization.scale = np.ones(1, np.float32)
        quantization.zeroPoint = np.zeros(1, np.int64)
        return quantization

    def _round_buffer_to_float16(self, index: int) -> None:
        readers = [tensor for tensor in self._graph.tensors if tensor.buffer == index]
        buffer = self._model.buffers[index]
        weights = round_to_float16(buffer.data.view(np.float32), readers[0].name.decode())
        buffer.data = weights.view(np.uint8)
        for tensor in readers:
            tensor.type = self._schema.TensorType.FLOAT16

    def _add_dequantized(self, index: int) -> int:
        """Add the float32 tensor that a float16 one is dequantized into, and return its index."""
        stored = self._graph.tensors[index]
        result = self._schema.TensorT()
        result.name = stored.name + b"_dequantized"
        result.shape, result.type = stored.shape, self._schema.TensorType.FLOAT32
        result.hasRank, result.buffer = True, 0  # buffer 0 is the empty one
        self._graph.tensors.append(result)
        return len(self._graph.tensors) - 1

    def _dequantize(self, code: int, source: int, result: int) -> Any:
        operator = self._operator(code, "Dequantize")
        operator.inputs, operator.outputs = (
            np.array([source], np.int32),
            np.array([result], np.int32),
        )
        return operator

    def _operator(self, code: int, kind: str) -> Any:
        """Return an operator without inputs and outputs, its options as TFLite's schema names them."""
        operator = self._schema.OperatorT()
        operator.opcodeIndex = code
        operator.builtinOptionsType = getattr(self._schema.BuiltinOptions, f"{kind}Options")
        operator.builtinOptions = getattr(self._schema, f"{kind}OptionsT")()
        return operator


def _labels(name: bytes) -> list[bytes]:
    """Return the labels of "relu;;conv2d;1": separated by semicolons, with a number at the end."""
    return [label for label in name.split(b";") if label and not label.isdigit()] or [name]
