"""ONNX files of other tools: what is read of them, and what is refused in one sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.stored.read import compare_stored, read_stored

Array = npt.NDArray[Any]
WEIGHT = np.arange(-8, 8, dtype=np.int8).reshape(4, 4, 1, 1)
SCALES = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
CONSTANTS: dict[str, Array] = {
    "x_scale": np.array(0.5, np.float32),
    "x_zero": np.array(3, np.uint8),
    "w": WEIGHT,
    "w_scale": SCALES,
    "w_zero": np.zeros(4, np.int8),
    "b": np.array([1, 2, 3, 4], np.int32),
    "b_scale": np.float32(0.5) * SCALES,
    "b_zero": np.zeros(4, np.int32),
}


def node(kind: str, inputs: str, output: str, **settings: Any) -> Any:
    return helper.make_node(kind, inputs.split(), [output], name=f"node of {output}", **settings)


def convolution(activation: str = "x_scale x_zero") -> list[Any]:
    """Return a convolution in QDQ form with an int32 bias, as ONNX Runtime's quantizer writes it."""
    return [
        node("QuantizeLinear", f"x {activation}", "x_q"),
        node("DequantizeLinear", f"x_q {activation}", "x_dq"),
        node("DequantizeLinear", "w w_scale w_zero", "w_dq", axis=0),
        node("DequantizeLinear", "b b_scale b_zero", "b_dq", axis=0),
        node("Conv", "x_dq w_dq b_dq", "y"),
    ]


def write(path: Path, nodes: list[Any], **constants: Array) -> Path:
    tensors = [numpy_helper.from_array(v, k) for k, v in (CONSTANTS | constants).items()]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4, 2, 2]) for name in ("x", "y")
    ]
    graph = helper.make_graph(nodes, "foreign", ends[:1], ends[1:], tensors)
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "a.onnx", convolution())


def test_tensors_of_another_tools_file_have_its_own_names(path: Path) -> None:
    stored = read_stored(path).tensors
    assert list(stored) == ["x", "y_weight", "y_bias"]
    assert (stored["y_weight"].values == WEIGHT).all()
    assert stored["x"].parameters.zero_point == 3 - 128
    assert len(stored["x"].readings) == 2
    assert stored["y_bias"].values is not None
    assert stored["y_bias"].values.tolist() == [1, 2, 3, 4]
    assert compare_stored([path, path]).differences == ()


@pytest.mark.parametrize(
    ("name", "changed", "what"),
    [
        ("w", WEIGHT + np.eye(4, dtype=np.int8)[..., None, None], "integer at (0, 0, 0, 0)"),
        ("w_zero", np.array([0, 9, 0, 0], np.int8), "zero point at 1"),
        ("b", np.array([1, 2, 3, 5], np.int32), "bias at 3"),
        ("b_scale", np.float32(0.5) * SCALES * 2, "input scale x weight scale"),
        ("b_zero", np.array([0, 0, 1, 0], np.int32), "zero point at 2"),
    ],
)
def test_changed_number_is_named(
    path: Path, tmp_path: Path, name: str, changed: Array, what: str
) -> None:
    other = write(tmp_path / "b.onnx", convolution(), **{name: changed})
    assert what in compare_stored([path, other]).differences[0]


def test_dequantize_of_another_scale_than_its_quantize_is_a_difference_in_one_file(
    path: Path, tmp_path: Path
) -> None:
    nodes = convolution()
    nodes[1].input[1] = "doubled"
    other = write(tmp_path / "b.onnx", nodes, doubled=np.array(1, np.float32))
    (first, *_) = compare_stored([path, other]).differences
    assert first == (
        "x contradicts itself in b.onnx: scale is 0.5 in quantize x_q, 1 in dequantize x_dq"
    )


def test_weight_that_the_file_quantizes_itself_is_read_as_the_integers_it_becomes(
    tmp_path: Path,
) -> None:
    nodes = convolution()
    nodes[2].input[0] = "w_q"
    nodes.insert(0, node("QuantizeLinear", "w_float w_scale w_zero", "w_q", axis=0))
    values = WEIGHT * SCALES.reshape(4, 1, 1, 1)
    one = write(tmp_path / "a.onnx", nodes, w_float=values)
    assert (read_stored(one).tensors["y_weight"].values == WEIGHT).all()
    assert compare_stored([one, write(tmp_path / "b.onnx", convolution())]).differences == ()
    other = write(tmp_path / "c.onnx", nodes, w_float=values + np.float32(0.2))
    assert "integer" in compare_stored([one, other]).differences[0]


def test_tensor_quantized_twice_is_two_tensors(tmp_path: Path) -> None:
    nodes = [
        *convolution(),
        node("QuantizeLinear", "x second x_zero", "x_q2"),
        node("DequantizeLinear", "x_q2 second x_zero", "z"),
    ]
    path = write(tmp_path / "a.onnx", nodes, second=np.array(2, np.float32))
    assert [n for n in read_stored(path).tensors if n.startswith("x")] == ["x", "x (2)"]
    assert compare_stored([path, path]).differences == ()


def test_weight_behind_a_transpose_is_its_convolutions(tmp_path: Path) -> None:
    nodes = convolution()
    nodes[2].output[0] = "moved"
    nodes.insert(3, node("Transpose", "moved", "w_dq", perm=[0, 1, 3, 2]))
    assert list(read_stored(write(tmp_path / "a.onnx", nodes)).tensors) == [
        "x",
        "y_weight",
        "y_bias",
    ]


def test_input_with_several_scales_leaves_the_scale_of_the_bias_to_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.onnx", convolution("w_scale w_zero"))
    assert read_stored(path).tensors["y_bias"].expected is None
    assert compare_stored([path, path]).differences == ()


def test_zero_point_that_is_left_out_is_that_of_the_quantized_type(tmp_path: Path) -> None:
    stored = read_stored(write(tmp_path / "a.onnx", convolution("x_scale")))
    assert stored.tensors["x"].parameters.zero_point == -128
    assert "2 zero points, for which the format's default holds" in stored.stated()["not_stored"]


@pytest.mark.parametrize(
    ("nodes", "what"),
    [
        (
            [node("QLinearConv", "x x_scale x_zero w w_scale w_zero x_scale x_zero b", "y")],
            "QLinearConv",
        ),
        ([node("ConvInteger", "x w x_zero w_zero", "y")], "ConvInteger"),
        ([node("QuantizeLinear", "x x", "y")], "are computed"),
        ([node("QuantizeLinear", "x", "y")], "lacks an input"),
        ([node("DequantizeLinear", "w w_scale w_zero", "y", block_size=2)], "in blocks"),
        ([node("QuantizeLinear", "x w_scale x_scale", "y")], "float32 integers"),
        ([*convolution(), node("Relu", "x", "y")], "of one name"),
        ([*convolution()[:3], node("Conv", "x_dq w_dq b", "y")], "without a scale"),
        ([node("Relu", "x", "y")], "holds no quantized tensor"),
    ],
)
def test_file_that_is_quantized_in_another_way_is_refused_in_a_sentence(
    tmp_path: Path, nodes: list[Any], what: str
) -> None:
    with pytest.raises(ArtifactError, match=what):
        read_stored(write(tmp_path / "a.onnx", nodes))


def test_numbers_in_another_file_are_not_opened(path: Path, tmp_path: Path) -> None:
    model = onnx.load(str(path))
    tensor = next(t for t in model.graph.initializer if t.name == "w")
    (tmp_path / "secret").write_bytes(tensor.raw_data)
    onnx.external_data_helper.set_external_data(tensor, "secret", 0, len(tensor.raw_data))
    tensor.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match="stands in another file, which is not opened"):
        read_stored(path)


def test_constant_that_thousands_of_operators_read_is_refused_before_memory_is_spent(
    tmp_path: Path,
) -> None:
    large = np.zeros((1 << 20, 1, 1, 1), np.int8)
    reads = [node("DequantizeLinear", "large scale", f"copy{i}") for i in range(200)]
    nodes = [*reads, *(node("Conv", f"x copy{i}", f"y{i}") for i in range(200))]
    path = write(tmp_path / "a.onnx", nodes, large=large, scale=np.array(1, np.float32))
    with pytest.raises(ArtifactError, match="more memory"):
        read_stored(path)
