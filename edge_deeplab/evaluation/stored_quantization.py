"""The scales, zero points and weight integers that a file really holds, read back from each of the three formats.

Names are those of the canonical operators (`converters.names`): an activation is named after the operator whose result
is stored, a weight after its convolution with `_weight` behind it. So the same tensor has the same name in all formats,
and files can be compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_deeplab.errors import ArtifactError, EdgeDeepLabError, require

_CONVOLUTIONS = {"CONV_2D": (0, 3, 1, 2), "DEPTHWISE_CONV_2D": (3, 0, 1, 2)}
"""TFLite's convolutions, and what turns their weights into (output, input, height, width)."""
_IMAGE = "image"
_WEIGHT = "_weight"
_NORMALISED = ("mul", "image_int8", "image_to_fp16", "permute_default", "quantize_per_tensor")
"""What computes the picture's integers in the formats: all are the tensor "image"."""
_ENDINGS = ("_cast_fp16", _WEIGHT)
_UNSIGNED = 128


@dataclass(frozen=True)
class StoredTensor:
    """How one tensor is stored.

    Args:
        scale: () of an activation, (K,) of a weight, float32.
        zero_point: for int8; that of an unsigned tensor is given less 128.
        integers: (K, C, h, w) int8 of a weight; None of an activation.
    """

    scale: npt.NDArray[np.float32]
    zero_point: int
    integers: npt.NDArray[np.int8] | None = None

    def difference(self, other: "StoredTensor") -> str | None:
        """Return what differs, in words; None when nothing does."""
        if self.scale.shape != other.scale.shape or (self.scale != other.scale).any():
            return f"scale {_short(self.scale)} against {_short(other.scale)}"
        if self.zero_point != other.zero_point:
            return f"zero point {self.zero_point} against {other.zero_point}"
        if self.integers is None or other.integers is None:
            return None if self.integers is other.integers else "one is a weight"
        if self.integers.shape != other.integers.shape:
            return f"shape {self.integers.shape} against {other.integers.shape}"
        unequal = np.argwhere(self.integers != other.integers)
        if not len(unequal):
            return None
        place = tuple(int(i) for i in unequal[0])
        return (
            f"{len(unequal)} integers, the first at {place}: "
            f"{self.integers[place]} against {other.integers[place]}"
        )


Stored = Mapping[str, StoredTensor]


def read_stored(path: Path) -> Stored:
    """Return every quantized tensor of an exported file, by name.

    Raises:
        ArtifactError: when the file is damaged, of an unknown format, or holds no quantized tensor.
        MissingDependencyError: without the package that knows the format.
    """
    readers = {".onnx": _read_onnx, ".tflite": _read_tflite, ".mlpackage": _read_coreml}
    if path.suffix not in readers:
        raise ArtifactError(
            f"{path} is none of {', '.join(readers)}; an exported int8 file was expected"
        )
    try:
        stored = readers[path.suffix](path)
    except EdgeDeepLabError:
        raise
    except Exception as error:  # protobuf, flatbuffers and coremltools raise their own
        raise ArtifactError(
            f"{path} cannot be read as int8 file of this project ({type(error).__name__}: {error}); "
            "export it again with --precision int8"
        ) from error
    if not stored:
        raise ArtifactError(
            f"{path} holds no quantized tensor; a file exported with --precision int8 was expected"
        )
    return stored


@dataclass(frozen=True)
class Comparison:
    """Several files held against the first.

    Args:
        paths: the files.
        activations: how many activations the first stores.
        weights: how many weights it stores.
        differences: one sentence for each tensor and file that differs, in the first file's order.
    """

    paths: tuple[Path, ...]
    activations: int
    weights: int
    differences: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "files": [str(path) for path in self.paths],
            "identical": not self.differences,
            "activations": self.activations,
            "weights": self.weights,
            "differences": list(self.differences),
        }


def compare_stored(paths: Sequence[Path]) -> Comparison:
    """Compare every scale, zero point and weight integer of several files, bit for bit; errors as for `read_stored`."""
    first, *others = [read_stored(path) for path in paths]
    differences = [
        sentence
        for other, path in zip(others, paths[1:], strict=True)
        for sentence in _differences(first, other, paths[0], path)
    ]
    weights = sum(tensor.integers is not None for tensor in first.values())
    return Comparison(tuple(paths), len(first) - weights, weights, tuple(differences))


def _differences(first: Stored, other: Stored, path: Path, other_path: Path) -> list[str]:
    found = []
    for name, tensor in first.items():
        if name not in other:
            found.append(f"{name}: {other_path.name} does not store it, {path.name} does")
        elif (what := tensor.difference(other[name])) is not None:
            found.append(f"{name}: {what} ({path.name} against {other_path.name})")
    missing = [name for name in other if name not in first]
    return found + [
        f"{name}: {path.name} does not store it, {other_path.name} does" for name in missing
    ]


def _read_onnx(path: Path) -> Stored:
    onnx: Any = require("onnx", package="onnx", extra="onnx")
    graph = onnx.load(str(path)).graph
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    constants |= {
        node.output[0]: onnx.numpy_helper.to_array(node.attribute[0].t)
        for node in graph.node
        if node.op_type == "Constant"
    }
    readers = {name: node for node in graph.node for name in node.input}
    quantized = {node.output[0] for node in graph.node if node.op_type == "QuantizeLinear"}
    stored: dict[str, StoredTensor] = {}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            integers = constants[node.input[0]]
            if integers.ndim == 4:
                name = readers[node.output[0]].name
                scale = constants[node.input[1]]
                stored[_weight(name)] = StoredTensor(scale.astype(np.float32), 0, integers)
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            scale, zero_point = (constants[name] for name in node.input[1:3])
            is_picture = node.input[0] in _NORMALISED and node.input[0] not in quantized
            if node.op_type == "QuantizeLinear" or is_picture:
                shift = _UNSIGNED if zero_point.dtype == np.uint8 else 0
                stored[_name(node.input[0])] = _activation(scale, int(zero_point) - shift)
    return stored


def _read_tflite(path: Path) -> Stored:
    schema: Any = require(
        "ai_edge_litert.schema_py_generated", package="ai-edge-litert", extra="tflite"
    )
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph = model.subgraphs[0]
    operators = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    stored: dict[str, StoredTensor] = {}
    weights: dict[int, tuple[int, ...]] = {}
    names = {index: tensor.name.decode() for index, tensor in enumerate(graph.tensors)}
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        kind = operators[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if kind in _CONVOLUTIONS:
            weights[int(operator.inputs[1])] = _CONVOLUTIONS[kind]
        elif kind == "QUANTIZE":
            names[int(operator.outputs[0])] = graph.tensors[operator.inputs[0]].name.decode()
    for index, tensor in enumerate(graph.tensors):
        quantization, name = tensor.quantization, names[index]
        if tensor.type != schema.TensorType.INT8 or quantization is None:
            continue
        if index in weights:
            data = model.buffers[tensor.buffer].data.view(np.int8)
            integers = data.reshape(tensor.shape).transpose(weights[index])
            scale = np.asarray(quantization.scale, np.float32)
            stored[_weight(name)] = StoredTensor(scale, 0, integers)
        elif not name.endswith("_pad"):
            stored[_name(name)] = _activation(quantization.scale[0], int(quantization.zeroPoint[0]))
    return stored


def _read_coreml(path: Path) -> Stored:
    from edge_deeplab.runtimes.mil.program import Reference
    from edge_deeplab.runtimes.mil.reader import read_package

    program = read_package(path).program
    convolutions = {
        step.arguments["weight"].name: step.outputs[0].name
        for step in program.steps
        if step.operator == "conv" and isinstance(step.arguments["weight"], Reference)
    }
    stored: dict[str, StoredTensor] = {}
    for step in program.steps:
        arguments: Mapping[str, Any] = step.arguments
        if step.operator == "constexpr_affine_dequantize":
            name = convolutions[step.outputs[0].name]
            scale = np.asarray(arguments["scale"]).astype(np.float32).reshape(-1)
            integers = np.asarray(arguments["quantized_data"])
            stored[_weight(name)] = StoredTensor(scale, 0, integers)
        elif step.operator == "quantize":
            shift = _UNSIGNED if step.outputs[0].dtype == "uint8" else 0
            zero_point = arguments.get("zero_point")
            stored[_name(arguments["input"].name)] = _activation(
                arguments["scale"], int(0 if zero_point is None else zero_point) - shift
            )
    return stored


def _activation(scale: Any, zero_point: int) -> StoredTensor:
    return StoredTensor(np.asarray(scale).astype(np.float32).reshape(()), zero_point)


def _name(name: str) -> str:
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return _IMAGE if name in _NORMALISED else name


def _weight(name: str) -> str:
    return _name(name) + _WEIGHT


def _short(scale: npt.NDArray[np.float32]) -> str:
    return f"{float(scale):.9g}" if scale.ndim == 0 else f"of {len(scale)} channels"
