"""TFLite files of other tools: unsigned tensors, shared scales, and what is refused in one sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ai_edge_litert.schema_py_generated as schema
import flatbuffers
import numpy as np
import numpy.typing as npt
import pytest

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.stored.read import compare_stored, read_stored

Edit = Callable[[Any], None]
WEIGHT = np.arange(4, dtype=np.uint8).reshape(2, 1, 1, 2)


def tensor(name: str, kind: str, shape: tuple[int, ...], scale: float, zero_point: int) -> Any:
    made = schema.TensorT()
    made.name, made.shape = name.encode(), np.array(shape, np.int32)
    made.type = getattr(schema.TensorType, kind)
    made.quantization = schema.QuantizationParametersT()
    made.quantization.scale = np.array([scale], np.float32)
    made.quantization.zeroPoint = np.array([zero_point], np.int64)
    return made


def buffer(numbers: npt.NDArray[Any] | None = None) -> Any:
    made = schema.BufferT()
    made.data = None if numbers is None else numbers.reshape(-1).view(np.uint8)
    return made


def convolution() -> Any:
    """Return a uint8 model as TensorFlow 1's converter writes them: x -> PAD -> CONV_2D -> y."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs = 3, [graph]
    model.buffers = [buffer(), buffer(WEIGHT), buffer(np.array([5, -6], np.int32))]
    graph.tensors = [
        tensor("x", "UINT8", (1, 2, 2, 2), 0.5, 127),
        tensor("padded", "UINT8", (1, 4, 4, 2), 0.5, 127),
        tensor("w", "UINT8", WEIGHT.shape, 0.25, 130),
        tensor("b", "INT32", (2,), 0.125, 0),
        tensor("y", "UINT8", (1, 4, 4, 2), 2.0, 0),
    ]
    graph.tensors[2].buffer, graph.tensors[3].buffer = 1, 2
    model.operatorCodes = [schema.OperatorCodeT(), schema.OperatorCodeT()]
    kinds = (schema.BuiltinOperator.PAD, schema.BuiltinOperator.CONV_2D)
    graph.operators = [schema.OperatorT(), schema.OperatorT()]
    for index, (inputs, output) in enumerate([([0], 1), ([1, 2, 3], 4)]):
        model.operatorCodes[index].builtinCode = kinds[index]
        model.operatorCodes[index].deprecatedBuiltinCode = kinds[index]
        graph.operators[index].opcodeIndex = index
        graph.operators[index].inputs = np.array(inputs, np.int32)
        graph.operators[index].outputs = np.array([output], np.int32)
    graph.inputs, graph.outputs = np.array([0], np.int32), np.array([4], np.int32)
    return model


def write(path: Path, edit: Edit = lambda model: None) -> Path:
    model, builder = convolution(), flatbuffers.Builder(1024)
    edit(model)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def tensors(model: Any) -> Any:
    return model.subgraphs[0].tensors


def test_unsigned_file_is_quantized(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tflite")
    stored = read_stored(path)
    assert list(stored.tensors) == ["x", "padded", "w", "y", "b"]
    assert stored.tensors["x"].parameters.zero_point == -1
    weight = stored.tensors["w"]
    assert weight.parameters.zero_point == 2
    assert weight.values is not None
    assert weight.values.tolist() == (WEIGHT.astype(int) - 128).transpose(0, 3, 1, 2).tolist()
    assert compare_stored([path, path]).differences == ()


def _scale(index: int, value: float) -> Edit:
    def edit(model: Any) -> None:
        tensors(model)[index].quantization.scale = np.array([value], np.float32)

    return edit


def _zero_point(index: int, value: int) -> Edit:
    def edit(model: Any) -> None:
        tensors(model)[index].quantization.zeroPoint = np.array([value], np.int64)

    return edit


def _data(index: int, numbers: npt.NDArray[Any]) -> Edit:
    def edit(model: Any) -> None:
        model.buffers[index] = buffer(numbers)

    return edit


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (_scale(0, 0.75), "x: scale is 0.5 in a.tflite, 0.75 in b.tflite"),
        (_zero_point(1, 128), "padded: zero point is -1 in a.tflite, 0 in b.tflite"),
        (_scale(3, 0.25), "scale is 0.125 in input scale x weight scale, 0.25 in tensor b"),
        (_zero_point(3, 1), "zero point is 0 in input scale x weight scale, 1 in tensor b"),
        (_zero_point(2, 131), "w: zero point is 2 in a.tflite, 3 in b.tflite"),
        (_scale(4, 1.0), "y: scale is 2 in a.tflite, 1 in b.tflite"),
        (
            _data(1, WEIGHT[::-1].copy()),
            "w: integer at (0, 0, 0, 0) (4 of 4 differ) is -128 in a.tflite, -126",
        ),
        (
            _data(2, np.array([5, -7], np.int32)),
            "b: bias at 1 (1 of 2 differ) is -6 in a.tflite, -7",
        ),
    ],
)
def test_changed_number_is_named(tmp_path: Path, edit: Edit, what: str) -> None:
    paths = [write(tmp_path / "a.tflite"), write(tmp_path / "b.tflite", edit)]
    assert any(what in difference for difference in compare_stored(paths).differences)


def test_convolution_without_bias_equals_one_with_zeros(tmp_path: Path) -> None:
    def leave_bias_out(model: Any) -> None:
        model.subgraphs[0].operators[1].inputs = np.array([1, 2, -1], np.int32)
        tensors(model)[3].quantization = None

    path = write(tmp_path / "a.tflite", leave_bias_out)
    assert read_stored(path).tensors["w bias"].values is None
    assert compare_stored([path, path]).differences == ()


def test_result_of_padding_in_a_file_of_ours_is_its_input_wherever_it_stands(
    tmp_path: Path,
) -> None:
    def swap_and_sign(model: Any) -> None:
        both = tensors(model)
        both[0], both[1] = both[1], both[0]
        pad, convolution = model.subgraphs[0].operators
        pad.inputs, pad.outputs = np.array([1], np.int32), np.array([0], np.int32)
        convolution.inputs = np.array([0, 2, 3], np.int32)
        model.metadata = [schema.MetadataT()]
        model.metadata[0].name = METADATA_KEY.encode()

    def rescale(model: Any) -> None:
        swap_and_sign(model)
        _scale(0, 0.75)(model)

    path = write(tmp_path / "a.tflite", swap_and_sign)
    assert set(read_stored(path).tensors) == {"x", "w_weight", "w_bias", "y"}
    (difference, *_) = compare_stored([path, write(tmp_path / "b.tflite", rescale)]).differences
    assert difference == (
        "x contradicts itself in b.tflite: scale is 0.5 in tensor x, 0.75 in tensor padded"
    )


def test_tensor_that_a_quantize_gives_another_scale_is_one_of_its_own(tmp_path: Path) -> None:
    def requantize(model: Any) -> None:
        for code in (model.operatorCodes[0],):
            code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
        tensors(model)[1].quantization.scale = np.array([0.75], np.float32)
        tensors(model)[3].quantization.scale = np.array([0.1875], np.float32)

    path = write(tmp_path / "a.tflite", requantize)
    assert {"x", "padded"} < set(read_stored(path).tensors)
    assert compare_stored([path, path]).differences == ()


def test_dequantize_of_scale_1_and_zero_point_0_is_a_cast(tmp_path: Path) -> None:
    def cast(model: Any, scale: float = 1.0) -> None:
        code = model.operatorCodes[0]
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
        _scale(0, scale)(model)
        _zero_point(0, 0)(model)
        tensors(model)[1].type, tensors(model)[1].quantization = schema.TensorType.FLOAT32, None

    assert "x" not in read_stored(write(tmp_path / "a.tflite", cast)).tensors
    scaled = write(tmp_path / "b.tflite", lambda model: cast(model, 2.0))
    assert "x" in read_stored(scaled).tensors


def _cut_shape(model: Any) -> None:
    tensors(model)[2].shape = np.array([2, 1, 1, 3], np.int32)


def _negative_shape(model: Any) -> None:
    tensors(model)[2].shape = np.array([-1, 1, 1, -4], np.int32)


def _four_bits(model: Any) -> None:
    tensors(model)[2].type = schema.TensorType.INT4


def _sparse(model: Any) -> None:
    tensors(model)[2].sparsity = schema.SparsityParametersT()


def _blockwise(model: Any) -> None:
    quantization = tensors(model)[2].quantization
    quantization.detailsType = schema.QuantizationDetails.CustomQuantization
    quantization.details = schema.CustomQuantizationT()


def _out_of_range(model: Any) -> None:
    model.subgraphs[0].operators[1].inputs = np.array([1, 2, 99], np.int32)


def _bias_without_scale(model: Any) -> None:
    tensors(model)[3].quantization = None


def _floats(model: Any) -> None:
    for each in tensors(model):
        each.quantization = None


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (_cut_shape, "holds 4 numbers"),
        (_negative_shape, "holds 4 numbers"),
        (_four_bits, "int4 integers"),
        (_sparse, "sparse"),
        (_blockwise, "does not read"),
        (_out_of_range, "does not exist"),
        (_bias_without_scale, "without a scale"),
        (_floats, "holds no quantized tensor"),
    ],
)
def test_file_that_cannot_be_read_is_refused_in_a_sentence(
    tmp_path: Path, edit: Edit, what: str
) -> None:
    with pytest.raises(ArtifactError, match=what):
        read_stored(write(tmp_path / "a.tflite", edit))


def test_bytes_that_thousands_of_tensors_share_are_refused_before_time_is_spent(
    tmp_path: Path,
) -> None:
    def share(model: Any) -> None:
        model.buffers[1] = buffer(np.zeros(1 << 20, np.uint8))
        for index in range(200):
            added = tensor(f"copy {index}", "UINT8", (1 << 20,), 1.0, 0)
            added.buffer = 1
            tensors(model).append(added)
        tensors(model)[2].shape = np.array([2, 1, 1, 1 << 19], np.int32)

    with pytest.raises(ArtifactError, match="more memory"):
        read_stored(write(tmp_path / "a.tflite", share))


@pytest.mark.parametrize("size", [0, 3, 8, 40, 200])
def test_file_that_is_cut_short_is_refused_in_a_sentence(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "a.tflite")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_stored(path)
