"""Files of other projects: no self-description, their own layouts, types and sizes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_deeplab import api
from edge_deeplab.description import Normalisation
from edge_deeplab.errors import ArtifactError
from edge_deeplab.runtimes import open_artifact
from edge_deeplab.runtimes.inputs import AffineQuantization, ImageTensor
from edge_deeplab.runtimes.outputs import class_map

NORMALISATION = Normalisation((10.0, 20.0, 30.0), (2.0, 4.0, 8.0))


@pytest.fixture
def write_onnx(tmp_path: Path) -> Any:
    """Return a function that writes an ONNX model of the given nodes, with no metadata."""
    import onnx
    from onnx import helper

    def write(
        nodes: Sequence[Any],
        shape: Sequence[int | str],
        dtype: int = onnx.TensorProto.FLOAT,
        inputs: Sequence[str] = ("x",),
        output_dtype: int = onnx.TensorProto.FLOAT,
    ) -> Path:
        graph = helper.make_graph(
            list(nodes),
            "stranger",
            [helper.make_tensor_value_info(name, dtype, list(shape)) for name in inputs],
            [helper.make_tensor_value_info("y", output_dtype, None)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path = tmp_path / "stranger.onnx"
        onnx.save(model, path)
        return path

    return write


def node(operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(operator, list(inputs), [output], **attributes)


def pictures(size_hw: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (1, *size_hw, 3), np.uint8)


def test_float_input_without_normalisation_runs_in_bench_and_not_in_predict(
    write_onnx: Any,
) -> None:
    runtime = open_artifact(write_onnx([node("Identity", ["x"], "y")], (1, 3, 4, 6)))
    assert runtime.description is None
    assert runtime.size_hw == (4, 6)
    assert runtime.time_once() > 0
    with pytest.raises(ArtifactError, match=r"float32 input.*pass normalisation"):
        runtime.predict(pictures((4, 6)))


@pytest.mark.parametrize("shape", [(1, 3, 4, 6), (1, 4, 6, 3)])
def test_float_input_with_normalisation_gets_normalised_pixels_in_its_layout(
    write_onnx: Any, shape: tuple[int, ...]
) -> None:
    path = write_onnx([node("Identity", ["x"], "y")], shape)
    runtime = open_artifact(path, normalisation=NORMALISATION)
    images = pictures((4, 6))
    expected = (images - np.array([10, 20, 30])) / np.array([2, 4, 8])
    np.testing.assert_allclose(runtime.logits(images), expected.transpose(0, 3, 1, 2), rtol=1e-6)
    np.testing.assert_array_equal(runtime.predict(images), expected.argmax(axis=-1))


def test_free_sizes_become_512(write_onnx: Any) -> None:
    path = write_onnx([node("Identity", ["x"], "y")], ("batch", 3, "height", "width"))
    assert open_artifact(path).size_hw == (512, 512)


@pytest.mark.parametrize(
    "to_ids",
    [
        [("ArgMax", ["x"], "y", {"axis": 3, "keepdims": 1})],
        [("ArgMax", ["x"], "y", {"axis": 3, "keepdims": 0})],
        [("ArgMax", ["x"], "i", {"axis": 3, "keepdims": 1}), ("Squeeze", ["i"], "y", {})],
        [
            ("ArgMax", ["x"], "i", {"axis": 3, "keepdims": 0}),
            ("Cast", ["i"], "y", {"to": 3}),  # int8
        ],
    ],
    ids=["(1, H, W, 1)", "(1, H, W)", "(H, W)", "int8"],
)
def test_class_ids_of_any_shape_and_type_are_read(write_onnx: Any, to_ids: list[Any]) -> None:
    import onnx

    nodes = [node(o, i, y, **attributes) for o, i, y, attributes in to_ids]
    last = onnx.TensorProto.INT8 if nodes[-1].op_type == "Cast" else onnx.TensorProto.INT64
    path = write_onnx(nodes, (1, 4, 6, 3), onnx.TensorProto.UINT8, output_dtype=last)
    runtime = open_artifact(path)
    images = pictures((4, 6))
    np.testing.assert_array_equal(runtime.predict(images), images.argmax(axis=-1))
    np.testing.assert_array_equal(runtime.logits(images), images.transpose(0, 3, 1, 2))


def test_smaller_scores_are_enlarged_bilinearly(write_onnx: Any) -> None:
    path = write_onnx(
        [node("AveragePool", ["x"], "y", kernel_shape=[2, 2], strides=[2, 2])], (1, 3, 4, 8)
    )
    unit = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    images = np.zeros((1, 4, 8, 3), np.uint8)
    images[0, :, :4, 0] = 8
    logits = open_artifact(path, normalisation=unit).logits(images)
    # Averages along a row are 8 8 0 0; half-pixel samples between them lie at quarters.
    np.testing.assert_allclose(logits[0, 0, 1], [8, 8, 8, 6, 2, 0, 0, 0])


def test_smaller_class_map_is_enlarged_to_the_nearest_pixel(write_onnx: Any) -> None:
    import onnx

    path = write_onnx(
        [
            node("MaxPool", ["x"], "p", kernel_shape=[2, 2], strides=[2, 2]),
            node("ArgMax", ["p"], "y", axis=1, keepdims=0),
        ],
        (1, 3, 4, 4),
        onnx.TensorProto.UINT8,
        output_dtype=onnx.TensorProto.INT64,
    )
    images = np.zeros((1, 4, 4, 3), np.uint8)
    images[0, 0, 0, 2] = 9
    expected = np.zeros((4, 4), np.uint8)
    expected[:2, :2] = 2
    np.testing.assert_array_equal(open_artifact(path).predict(images)[0], expected)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 1, 8, 8), (2, 3, 8, 8), (1, 4, 8, 8)])
def test_input_that_is_no_picture_is_refused_with_its_shape(
    write_onnx: Any, shape: tuple[int, ...]
) -> None:
    path = write_onnx([node("Identity", ["x"], "y")], shape)
    with pytest.raises(ArtifactError, match=rf"\({', '.join(map(str, shape))}\).*RGB picture"):
        open_artifact(path)


def test_two_inputs_are_refused_by_name(write_onnx: Any) -> None:
    path = write_onnx([node("Add", ["x", "z"], "y")], (1, 3, 4, 4), inputs=("x", "z"))
    with pytest.raises(ArtifactError, match=r"2 inputs \(x, z\)"):
        open_artifact(path)


def test_output_without_class_axis_is_refused_with_its_shape(write_onnx: Any) -> None:
    path = write_onnx([node("ReduceMean", ["x"], "y", keepdims=1)], (1, 3, 4, 4))
    runtime = open_artifact(path, normalisation=NORMALISATION)
    with pytest.raises(ArtifactError, match=r"float32 of shape \(1, 1, 1, 1\)"):
        runtime.predict(pictures((4, 4)))


def test_class_ids_beyond_a_byte_are_refused(write_onnx: Any) -> None:
    import onnx

    path = write_onnx(
        [
            node("Cast", ["x"], "f", to=onnx.TensorProto.FLOAT),
            node("ReduceMax", ["f"], "m", keepdims=0, axes=[3]),
            node("Cast", ["m"], "i", to=onnx.TensorProto.INT32),
            node("Add", ["i", "i"], "y"),
        ],
        (1, 4, 4, 3),
        onnx.TensorProto.UINT8,
        output_dtype=onnx.TensorProto.INT32,
    )
    with pytest.raises(ArtifactError, match=r"class ids from 510 to 510; 0 to 255"):
        open_artifact(path).predict(np.full((1, 4, 4, 3), 255, np.uint8))


def test_logits_of_ids_that_no_argmax_makes_are_refused(write_onnx: Any) -> None:
    import onnx

    path = write_onnx(
        [
            node("Cast", ["x"], "f", to=onnx.TensorProto.FLOAT),
            node("ReduceMax", ["f"], "m", keepdims=0, axes=[3]),
            node("Cast", ["m"], "y", to=onnx.TensorProto.INT32),
        ],
        (1, 4, 4, 3),
        onnx.TensorProto.UINT8,
        output_dtype=onnx.TensorProto.INT32,
    )
    with pytest.raises(ArtifactError, match=r"no ArgMax makes.*head logits"):
        open_artifact(path).logits(pictures((4, 4)))


def test_failure_while_running_becomes_one_sentence(write_onnx: Any) -> None:
    # The reshape cannot succeed, which ONNX Runtime finds out only when it runs.
    from onnx import helper, numpy_helper

    shape = numpy_helper.from_array(np.array([7, 7], np.int64), "shape")
    constant = helper.make_node("Constant", [], ["s"], value=shape)
    path = write_onnx([constant, node("Reshape", ["x", "s"], "y")], (1, 3, "h", "w"))
    with pytest.raises(ArtifactError, match="loaded but not run by onnxruntime") as raised:
        open_artifact(path).time_once()
    assert "\n" not in str(raised.value)


class TestPeers:
    """Google's own quantized DeepLab files."""

    FILES = (
        ("deeplabv3_mnv2_pascal_quant.tflite", 21),
        ("deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite", 19),
    )

    @pytest.mark.parametrize(("name", "classes"), FILES)
    def test_peer_runs_in_bench_and_predict(self, peers: Path, name: str, classes: int) -> None:
        runtime = open_artifact(peers / name, threads=1)
        assert runtime.description is None
        assert runtime.size_hw == (513, 513)
        assert runtime.time_once() > 0
        images = pictures((513, 513))
        ids = runtime.predict(images)
        assert ids.shape == (1, 513, 513)
        assert ids.max() < classes
        logits = runtime.logits(images)
        assert logits.shape == (1, classes, 513, 513)
        assert (logits.argmax(axis=1) == ids).mean() > 0.99


def write_tflite(
    path: Path, kind: str, quantization: AffineQuantization | None = None, options: Any = None
) -> Path:
    """Write a .tflite of one operator on a picture of any size, with no metadata: float32, or quantized uint8."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str) -> Any:
        made = schema.TensorT()
        made.name, made.type, made.buffer = name.encode(), schema.TensorType.FLOAT32, 0
        made.shape, made.shapeSignature = [1, 1, 1, 3], [-1, -1, -1, 3]
        if quantization is not None:
            made.type, made.quantization = schema.TensorType.UINT8, schema.QuantizationParametersT()
            made.quantization.scale = [quantization.scale]
            made.quantization.zeroPoint = [quantization.zero_point]
        return made

    model, graph = schema.ModelT(), schema.SubGraphT()
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, kind)
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [1]
    if options is not None:
        kind_of_options = type(options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind_of_options)
        operator.builtinOptions = options
    graph.tensors, graph.operators = [tensor("x"), tensor("y")], [operator]
    graph.inputs, graph.outputs = [0], [1]
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def test_tflite_of_quantized_scores_gives_the_values_they_stand_for(tmp_path: Path) -> None:
    runtime = open_artifact(
        write_tflite(tmp_path / "stranger.tflite", "RELU", AffineQuantization(0.5, 0))
    )
    images = pictures((512, 512))
    np.testing.assert_array_equal(runtime.logits(images), 0.5 * images.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(runtime.predict(images), images.argmax(axis=-1))


def write_tflite_pooling(path: Path) -> Path:
    """Write a .tflite that XNNPACK refuses for its zero point, which LiteRT's own pooling never reads."""
    from ai_edge_litert import schema_py_generated as schema

    options = schema.Pool2DOptionsT()
    options.strideH = options.strideW = options.filterHeight = options.filterWidth = 1
    return write_tflite(path, "MAX_POOL_2D", AffineQuantization(0.5, 300), options)


def test_tflite_that_xnnpack_alone_refuses_says_so_and_runs_without_it(tmp_path: Path) -> None:
    path = write_tflite_pooling(tmp_path / "stranger.tflite")
    sentence = r"refused by XNNPACK, .* own kernels take the file.*the runtime interpreter-builtin"
    with pytest.raises(ArtifactError, match=sentence) as raised:
        open_artifact(path)
    assert "\n" not in str(raised.value)
    runtime = open_artifact(path, runtime="interpreter-builtin")
    assert runtime.name.endswith("without XNNPACK")
    images = pictures((512, 512))
    np.testing.assert_array_equal(runtime.predict(images), images.argmax(axis=-1))


def test_tflite_of_any_size_and_float_input_runs(tmp_path: Path) -> None:
    path = write_tflite(tmp_path / "stranger.tflite", "RELU")
    runtime = open_artifact(path, normalisation=NORMALISATION)
    assert runtime.description is None
    assert runtime.size_hw == (512, 512)
    images = pictures((512, 512))
    expected = np.maximum((images - np.array([10, 20, 30])) / np.array([2, 4, 8]), 0)
    np.testing.assert_allclose(runtime.logits(images), expected.transpose(0, 3, 1, 2), rtol=1e-6)
    with pytest.raises(ArtifactError, match="pass normalisation"):
        open_artifact(path).predict(images)
    assert open_artifact(path).time_once() > 0


BYTES_THAT_ARE_NO_TEXT = b"\xff\xfe\xfd\xfc"


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_metadata_that_is_no_text_is_one_sentence(
    export_tiny: Callable[..., Path], target: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a.{target}"
    content = export_tiny(target).read_bytes()
    assert content.count(b"CC0") == 1
    path.write_bytes(content.replace(b'"CC0"', BYTES_THAT_ARE_NO_TEXT + b'"'))
    with pytest.raises(ArtifactError, match=r"carries metadata that .*UTF-8 *was expected"):
        open_artifact(path)


@pytest.mark.parametrize("location", ["../secret.bin", "SECRET", "link.bin"])
def test_weights_that_lie_outside_the_files_folder_are_not_read(
    location: str, tmp_path: Path
) -> None:
    import onnx
    from onnx import helper

    secret, folder = tmp_path / "secret.bin", tmp_path / "in"
    secret.write_bytes(np.full(3, 7, np.float32).tobytes())
    folder.mkdir()
    (folder / "link.bin").symlink_to("../secret.bin")
    weight = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[1, 3, 1, 1])
    weight.data_location = onnx.TensorProto.EXTERNAL
    where = str(secret) if location == "SECRET" else location
    weight.external_data.add(key="location", value=where)
    tensors = [helper.make_tensor_value_info(n, 1, (1, 3, 4, 4)) for n in ("x", "y")]
    add = helper.make_node("Add", ["x", "w"], ["y"])
    graph = helper.make_graph([add], "g", tensors[:1], tensors[1:], [weight])
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    (folder / "a.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match="cannot be read by ONNX Runtime"):
        open_artifact(folder / "a.onnx")


def test_uint8_input_takes_pixels_as_they_are_whatever_the_normalisation(write_onnx: Any) -> None:
    import onnx

    to_float = node("Cast", ["x"], "y", to=onnx.TensorProto.FLOAT)
    path = write_onnx([to_float], (1, 4, 6, 3), onnx.TensorProto.UINT8)
    images = pictures((4, 6))
    logits = open_artifact(path, normalisation=NORMALISATION).logits(images)
    np.testing.assert_array_equal(logits, images.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((1, 1001), "uint8"),
        ((1, 1001), "int64"),
        ((1, 1001), "float32"),
        ((1, 1), "int64"),
        ((1,), "int64"),
        ((1, 1, 1, 1001), "uint8"),
        ((1, 1001, 1, 1), "uint8"),
        ((1, 100, 4), "uint8"),
        ((1, 4, 40, 90), "float32"),
    ],
)
def test_output_that_is_no_map_of_the_picture_is_refused(
    shape: tuple[int, ...], dtype: str
) -> None:
    image = ImageTensor("x", (1, 32, 48, 3), np.dtype(np.uint8))
    output = np.zeros(shape, dtype)
    with pytest.raises(ArtifactError, match=rf"c\.onnx gives {dtype} of shape .*proportions"):
        class_map(output, image, path="c.onnx")


@pytest.mark.parametrize(
    "size_hw", [(8, 12), (9, 13), (16, 24), (32, 48), (33, 49), (4, 6), (2, 3)]
)
def test_smaller_map_of_the_picture_is_taken(size_hw: tuple[int, int]) -> None:
    image = ImageTensor("x", (1, 32, 48, 3), np.dtype(np.uint8))
    ids = np.full((1, *size_hw), 7, np.int64)
    assert (class_map(ids, image, path="c.onnx") == np.full((32, 48), 7)).all()
    scores = np.zeros((1, *size_hw, 5), np.float32)
    scores[..., 3] = 1
    assert (class_map(scores, image, path="c.onnx", classes=5) == np.full((32, 48), 3)).all()


def test_more_classes_than_ids_can_name_are_refused() -> None:
    image = ImageTensor("x", (1, 32, 48, 3), np.dtype(np.uint8))
    with pytest.raises(ArtifactError, match=r"scores of 300 classes .* at most 256 classes"):
        class_map(np.zeros((1, 300, 16, 24), np.float32), image, path="c.onnx")


def test_classifier_gets_no_class_map(write_onnx: Any) -> None:
    import onnx

    nodes = [
        node("Cast", ["x"], "f", to=onnx.TensorProto.FLOAT),
        node("GlobalAveragePool", ["f"], "g"),
        node("Flatten", ["g"], "h"),
        node("Cast", ["h"], "y", to=onnx.TensorProto.UINT8),
    ]
    path = write_onnx(
        nodes, (1, 3, 4, 6), onnx.TensorProto.UINT8, output_dtype=onnx.TensorProto.UINT8
    )
    with pytest.raises(ArtifactError, match=r"gives uint8 of shape \(1, 3\); a map in the picture"):
        open_artifact(path).predict(pictures((4, 6)))


def mask_nodes(kind: str) -> list[Any]:
    """Return what makes one channel of a float picture: the mean of its channels, channels first or last."""
    axis = {"(1, 1, H, W)": 1, "(1, H, W, 1)": 3}.get(kind, 3)
    return [node("ReduceMean", ["x"], "y", axes=[axis], keepdims=int("1" in kind[3:]))]


UNIT = Normalisation((0.0, 0.0, 0.0), (255.0, 255.0, 255.0))


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("(1, 1, H, W)", (1, 3, 4, 6)),
        ("(1, H, W, 1)", (1, 4, 6, 3)),
        ("(1, H, W)", (1, 4, 6, 3)),
    ],
)
def test_one_channel_of_floats_is_a_mask_from_the_threshold_on(
    write_onnx: Any, kind: str, shape: tuple[int, ...]
) -> None:
    path = write_onnx(mask_nodes(kind), shape)
    images = pictures((4, 6))
    refused = pytest.raises(ArtifactError, match=r"one channel of float32.*pass a threshold: 0.5")
    with api.open_artifact(path, normalisation=UNIT) as opened, refused:
        opened.predict(images)
    for threshold in (0.2, 0.5):
        with api.open_artifact(path, normalisation=UNIT, threshold=threshold) as opened:
            expected = images.mean(axis=-1) / 255 >= threshold
            np.testing.assert_array_equal(opened.predict(images), expected)


def test_uint8_mask_is_read_by_a_threshold_and_enlarged_before_it(write_onnx: Any) -> None:
    import onnx

    byte = onnx.TensorProto.UINT8
    path = write_onnx(
        [
            node("MaxPool", ["x"], "p", kernel_shape=[2, 2], strides=[2, 2]),
            node("Slice", ["p", "zero", "one", "one"], "y"),
        ],
        (1, 3, 4, 8),
        byte,
        output_dtype=byte,
    )
    model = onnx.load(path)
    for name, value in (("zero", 0), ("one", 1)):
        model.graph.initializer.append(
            onnx.numpy_helper.from_array(np.array([value], np.int64), name)
        )
    onnx.save(model, path)
    images = np.zeros((1, 4, 8, 3), np.uint8)
    images[0, :, :4, 0] = 200  # a row of the mask is 200 200 0 0; between them 150 and 50
    with api.open_artifact(path, threshold=128) as opened:
        (row, *_) = opened.predict(images)[0]
    np.testing.assert_array_equal(row, [1, 1, 1, 1, 0, 0, 0, 0])


def test_threshold_of_a_file_that_gives_scores_is_refused(write_onnx: Any) -> None:
    path = write_onnx([node("Identity", ["x"], "y")], (1, 3, 4, 6))
    refused = pytest.raises(ArtifactError, match=r"\(1, 3, 4, 6\) and a threshold came.*leave the")
    with api.open_artifact(path, normalisation=UNIT, threshold=0.5) as opened, refused:
        opened.predict(pictures((4, 6)))


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((1, 1, 32, 48), "a grey picture, of one channel"),
        ((1, 32, 48, 1), "a grey picture, of one channel"),
        ((1, 4, 32, 48), "a picture of four channels"),
        ((1, 32, 48, 4), "a picture of four channels"),
        (("batch", 4, "height", "width"), "a picture of four channels"),
    ],
)
def test_input_of_one_or_four_channels_is_named(
    write_onnx: Any, shape: tuple[int, ...], told: str
) -> None:
    path = write_onnx([node("Identity", ["x"], "y")], shape)
    with pytest.raises(ArtifactError, match=f"{told}; an RGB picture of three was expected"):
        open_artifact(path)


def test_file_of_several_inputs_is_refused_with_their_names(write_onnx: Any) -> None:
    path = write_onnx([node("Add", ["x", "previous"], "y")], (1, 3, 4, 6), inputs=["x", "previous"])
    with pytest.raises(ArtifactError, match=r"takes 2 inputs \(x, previous\); one RGB picture"):
        open_artifact(path)
