"""Writes networks of one operator between two convolutions as ONNX files: operators in many settings, float and int8.

    python benchmarks/single_operators.py FOLDER [OPERATOR...]
    python benchmarks/lab_cells.py FOLDER/*

Rules are held against tools with them before a user's network does. A file that ONNX Runtime itself refuses is not
written, and said.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from operator_files import write_cases

CHANNELS, HEIGHT, WIDTH = 16, 24, 32
OPSET, IR_VERSION = 19, 9
ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow")
ACTIVATIONS = (
    *("Relu", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "Softplus", "Softsign", "Elu", "Selu"),
    *("Celu", "LeakyRelu", "Mish", "ThresholdedRelu", "Exp", "Log", "Sqrt", "Abs", "Neg", "Floor"),
    *("Ceil", "Round", "Reciprocal", "Erf", "Sign", "Sin", "Identity", "Dropout"),
)
COORDINATES = (
    *("asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel"),
    *("half_pixel_symmetric", "tf_crop_and_resize"),
)
ROUNDINGS = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")


@dataclass(frozen=True)
class Case:
    """One operator in one setting.

    Args:
        operator: ONNX's name.
        settings: its attributes.
        stored: its further inputs, which stand in the file; None for an absent one.
        pair: whether it reads a second map, of the same shape.
    """

    operator: str
    settings: dict[str, Any] = field(default_factory=dict)
    stored: Sequence[np.ndarray | None] = ()
    pair: bool = False


def cases() -> Iterator[Case]:
    """Yield every case."""
    yield from resizes()
    yield from windows()
    yield from arithmetic()
    yield from shapes()
    yield from reductions()
    for operator in ACTIVATIONS:
        yield Case(operator)
    for low, high in ((0.0, 6.0), (-1.0, 1.0), (0.0, None)):
        yield Case("Clip", {}, [None if v is None else np.float32(v) for v in (low, high)])


def resizes() -> Iterator[Case]:
    """Yield enlargements to twice the size in every mode, by sizes, then by factors."""
    sizes = np.array([1, CHANNELS, 2 * HEIGHT, 2 * WIDTH])
    region = np.array([0, 0, 0, 0, 1, 1, 1, 1], np.float32)
    for mode, sampled in itertools.product(("nearest", "linear", "cubic"), COORDINATES):
        for rounded in ROUNDINGS if mode == "nearest" else ROUNDINGS[:1]:
            settings = {"mode": mode, "coordinate_transformation_mode": sampled}
            settings |= {"nearest_mode": rounded} if mode == "nearest" else {}
            yield Case(
                "Resize",
                settings,
                [region if sampled == "tf_crop_and_resize" else None, None, sizes],
            )
    yield Case("Resize", {"mode": "linear", "antialias": 1}, [None, None, sizes])
    for factors in ((2, 2), (1.5, 1.5), (0.5, 0.5), (2, 1)):
        yield Case("Resize", {"mode": "linear"}, [None, np.array([1, 1, *factors], np.float32)])


def windows() -> Iterator[Case]:
    """Yield convolutions, transposed ones, pools and borders."""
    for settings, shape in (
        ({"group": 16, "dilations": [3, 3], "pads": [3] * 4}, (16, 1, 3, 3)),
        ({"group": 16, "dilations": [12, 12], "pads": [12] * 4}, (16, 1, 3, 3)),
        ({"group": 4}, (16, 4, 3, 3)),
        ({"group": 16}, (32, 1, 3, 3)),
        ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (8, 16, 3, 3)),
        ({"auto_pad": "SAME_LOWER", "strides": [2, 2]}, (8, 16, 3, 3)),
        ({"dilations": [2, 3], "pads": [2, 3, 2, 3]}, (8, 16, 3, 3)),
        ({"pads": [0, 1, 2, 3]}, (8, 16, 3, 3)),
        ({"strides": [3, 3]}, (8, 16, 7, 7)),
        ({}, (8, 16, 1, 1)),
    ):
        yield Case("Conv", settings, [numbers(*shape)])
        yield Case("Conv", settings, [numbers(*shape), numbers(shape[0])])
    for settings, shape in (
        ({"strides": [2, 2]}, (16, 8, 2, 2)),
        ({"strides": [2, 2], "pads": [1] * 4}, (16, 8, 4, 4)),
        ({"strides": [2, 2], "pads": [1] * 4, "output_padding": [1, 1]}, (16, 8, 3, 3)),
        ({"strides": [2, 2], "group": 16}, (16, 1, 2, 2)),
        ({"dilations": [2, 2]}, (16, 8, 3, 3)),
    ):
        yield Case("ConvTranspose", settings, [numbers(*shape)])
    three, two = [3, 3], [2, 2]
    for operator in ("MaxPool", "AveragePool"):
        yield Case(operator, {"kernel_shape": two, "strides": two})
        yield Case(operator, {"kernel_shape": three, "strides": two, "pads": [1] * 4})
        yield Case(operator, {"kernel_shape": three, "strides": two, "ceil_mode": 1})
        yield Case(operator, {"kernel_shape": three, "strides": two, "auto_pad": "SAME_UPPER"})
        yield Case(operator, {"kernel_shape": three, "dilations": two})
        yield Case(operator, {"kernel_shape": [13, 13], "pads": [6] * 4})
        yield Case(operator, {"kernel_shape": [HEIGHT, WIDTH]})
    yield Case("AveragePool", {"kernel_shape": three, "pads": [1] * 4, "count_include_pad": 1})
    for operator in ("GlobalAveragePool", "GlobalMaxPool", "LpPool"):
        yield Case(operator, {"kernel_shape": two} if operator == "LpPool" else {})
    for mode in ("constant", "reflect", "edge", "wrap"):
        yield Case("Pad", {"mode": mode}, [np.array([0, 0, 1, 2, 0, 0, 3, 1])])
    yield Case("Pad", {}, [np.array([0, 4, 0, 0, 0, 4, 0, 0])])


def arithmetic() -> Iterator[Case]:
    """Yield sums and their like: of two maps, of a map and a number a channel, of a map and one number."""
    for operator in ARITHMETIC:
        yield Case(operator, pair=True)
        yield Case(operator, {}, [np.abs(numbers(CHANNELS, 1, 1)) + 0.5])
        yield Case(operator, {}, [np.float32(2)])
    for operator in ("Sum", "Mean", "Greater", "Equal"):
        yield Case(operator, pair=True)
    yield Case("PRelu", {}, [np.abs(numbers(CHANNELS, 1, 1))])
    yield Case("MatMul", {}, [numbers(WIDTH, 8)])
    ones = np.ones(CHANNELS, np.float32)
    yield Case("InstanceNormalization", {}, [ones, ones])
    yield Case("BatchNormalization", {}, [ones, ones, ones, ones])
    yield Case("LayerNormalization", {}, [np.ones(WIDTH, np.float32)])
    yield Case("LRN", {"size": 5})
    yield Case("LpNormalization", {"axis": 1})


def shapes() -> Iterator[Case]:
    """Yield what moves numbers and computes none."""
    for axis in (1, 2, 3):
        yield Case("Concat", {"axis": axis}, pair=True)
    for axes in ([0, 2, 3, 1], [0, 3, 1, 2], [0, 1, 3, 2]):
        yield Case("Transpose", {"perm": axes})
    for shape in ([1, CHANNELS // 4, 4 * HEIGHT, WIDTH], [1, -1], [1, CHANNELS, HEIGHT * WIDTH]):
        yield Case("Reshape", {}, [np.array(shape)])
    for begin, end, axes, step in (
        ([1, 1], [9, 9], [2, 3], [1, 1]),
        ([0, 0], [99, 99], [2, 3], [2, 2]),
        ([4], [12], [1], [1]),
        ([-1], [-99], [3], [-1]),
    ):
        yield Case("Slice", {}, [np.array(part) for part in (begin, end, axes, step)])
    for mode in ("DCR", "CRD"):
        yield Case("DepthToSpace", {"blocksize": 2, "mode": mode})
    yield Case("SpaceToDepth", {"blocksize": 2})
    yield Case("Split", {"axis": 1, "num_outputs": 2})
    yield Case("Gather", {"axis": 1}, [np.array([0, 2, 4])])
    yield Case("Gather", {"axis": 1}, [np.array(3)])
    yield Case("Expand", {}, [np.array([1, CHANNELS, HEIGHT, WIDTH])])
    yield Case("Tile", {}, [np.array([1, 1, 2, 2])])
    yield Case("Flatten")
    for kind in (TensorProto.INT32, TensorProto.FLOAT16):
        yield Case("Cast", {"to": kind})


def reductions() -> Iterator[Case]:
    """Yield what leaves an axis out, or normalises along it."""
    for operator, (axes, kept) in itertools.product(
        ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceProd"),
        (([2, 3], 1), ([2, 3], 0), ([1], 1)),
    ):
        yield Case(operator, {"keepdims": kept}, [np.array(axes)])
    for axis, kept, last in ((1, 0, 0), (1, 1, 0), (3, 0, 0), (1, 0, 1)):
        yield Case("ArgMax", {"axis": axis, "keepdims": kept, "select_last_index": last})
    for operator, axis in itertools.product(("Softmax", "LogSoftmax"), (1, 2, 3)):
        yield Case(operator, {"axis": axis})


def numbers(*shape: int) -> np.ndarray:
    """Return weights, the same ones for a shape each time."""
    return np.random.default_rng(0).normal(0, 0.2, shape).astype(np.float32)


class Network:
    """A file under construction: an operator between two convolutions.

    Args:
        quantized: whether every map goes through a quantize and a dequantize, and weights stand as integers.
    """

    def __init__(self, quantized: bool) -> None:
        self._quantized = quantized
        self._nodes: list[Any] = []
        self._stored: list[Any] = []

    def build(self, case: Case) -> Any:
        """Return the ModelProto of a case."""
        image = self._through_integers("image")
        maps = [self._convolved(image, 3, CHANNELS) for _ in range(2 if case.pair else 1)]
        outputs = ["result", "rest"] if case.operator == "Split" else ["result"]
        inputs = [*maps, *(self._stored_input(case, place) for place in range(len(case.stored)))]
        self._nodes.append(
            helper.make_node(case.operator, inputs, outputs, name="operator", **case.settings)
        )
        kind, shape = self._kind_of("result")
        last = "result"
        if kind == TensorProto.FLOAT:
            last = self._through_integers(last)
            if len(shape) == 4:
                last = self._convolved(last, shape[1], 8)
                kind, shape = self._kind_of(last)
        model = self._model(helper.make_tensor_value_info(last, kind, shape))
        onnx.checker.check_model(model, full_check=True)
        return model

    def _model(self, output: Any) -> Any:
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])
        graph = helper.make_graph(self._nodes, "one operator", [image], [output], self._stored)
        opset = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)

    def _kind_of(self, value: str) -> tuple[int, list[int]]:
        """Return element type and shape of a value so far."""
        model = self._model(helper.make_empty_tensor_value_info(value))
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
        known = {v.name: v.type.tensor_type for v in (*inferred.value_info, *inferred.output)}
        return known[value].elem_type, [size.dim_value for size in known[value].shape.dim]

    def _store(self, name: str, array: Any) -> str:
        self._stored.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def _convolved(self, value: str, channels: int, filters: int) -> str:
        name = f"convolution{len(self._nodes)}"
        weight = self._weight(f"{name}_weight", numbers(filters, channels, 3, 3))
        self._nodes.append(
            helper.make_node("Conv", [value, weight], [name], pads=[1] * 4, name=name)
        )
        return self._through_integers(name)

    def _through_integers(self, value: str) -> str:
        if not self._quantized:
            return value
        scale, zero = self._store(f"{value}_scale", np.float32(0.05)), f"{value}_zero"
        self._store(zero, np.uint8(128))
        for operator, source, result in (
            ("QuantizeLinear", value, f"{value}_integers"),
            ("DequantizeLinear", f"{value}_integers", f"{value}_again"),
        ):
            self._nodes.append(
                helper.make_node(operator, [source, scale, zero], [result], name=result)
            )
        return f"{value}_again"

    def _stored_input(self, case: Case, place: int) -> str:
        array, name = case.stored[place], f"stored{place}"
        if array is None:
            return ""
        if case.operator in ("Conv", "ConvTranspose", "MatMul") and array.ndim > 1:
            return self._weight(name, array)
        if self._quantized and case.operator in (*ARITHMETIC, "PRelu"):
            return self._integers(name, array, np.uint8, float(array.max()) / 255)
        return self._store(name, array)

    def _weight(self, name: str, array: np.ndarray) -> str:
        if not self._quantized:
            return self._store(name, array)
        return self._integers(name, array, np.int8, float(np.abs(array).max()) / 127)

    def _integers(self, name: str, array: np.ndarray, kind: Any, scale: float) -> str:
        parts = (np.round(array / scale).astype(kind), np.float32(scale), kind(0))
        names = ("integers", "scale", "zero")
        inputs = [self._store(f"{name}_{n}", p) for n, p in zip(names, parts, strict=True)]
        self._nodes.append(helper.make_node("DequantizeLinear", inputs, [name], name=name))
        return name


def main() -> None:
    """Write the files that are asked for."""
    onnxruntime.set_default_logger_severity(4)
    write_cases(__doc__.splitlines()[0], cases(), ".onnx", build_content, open_file)


def build_content(case: Case, quantized: bool) -> bytes:
    """Return the file of a case."""
    content: bytes = Network(quantized).build(case).SerializeToString()
    return content


def open_file(content: bytes) -> None:
    """Open a file in ONNX Runtime."""
    onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
