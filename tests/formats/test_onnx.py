import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge_deeplab.checker.judging import judge
from edge_deeplab.checker.rules import load_profile
from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.onnx import read_onnx

WEIGHT = "model.aspp.branches.1.0.weight"

CHANNELS = 8


def read_one(tiny, path, nodes, initializers, **options):
    """Return the last operator of a file with these nodes."""
    return read_onnx(tiny.save_onnx(path / "one.onnx", nodes, initializers, **options)).operators[
        -1
    ]


def test_read_onnx_tiny_file_lists_operators_with_the_opset_that_changed_them(onnx_path):
    graph = read_onnx(onnx_path)
    assert graph.versions == {"ir": 10, "opset": 18}
    assert graph.count_types() == [("ArgMax", 13, 1), ("Conv", 11, 1), ("Resize", 18, 1)]


def test_read_onnx_dilated_depthwise_tells_geometry_and_module(onnx_path):
    operator = read_onnx(onnx_path).operators[0]
    convolution = operator.dilated_depthwise
    assert convolution.rate_hw == (6, 6)
    assert convolution.kernel_hw == (3, 3)
    assert convolution.padding == (6, 6, 6, 6)
    assert (convolution.channels, convolution.groups, convolution.multiplier) == (8, 8, 1)
    assert operator.module == "aspp.branches.1.0"


def test_read_onnx_values_have_declared_types_and_shapes(onnx_path):
    resize = read_onnx(onnx_path).operators[1]
    assert resize.inputs[0].shape == (1, CHANNELS, 16, 16)
    assert resize.inputs[1] is None
    assert resize.inputs[3].constant
    assert resize.outputs[0].shape == (1, CHANNELS, 64, 64)
    assert resize.outputs[0].dtype == "float32"


def test_read_onnx_open_size_is_none(tmp_path, tiny):
    shape = ("batch", CHANNELS, None, None)
    operator = read_one(
        tiny,
        tmp_path,
        [tiny.conv_node()],
        {WEIGHT: tiny.weights(CHANNELS, 1, 3, 3)},
        image_shape=shape,
    )
    assert operator.inputs[0].shape == (None, CHANNELS, None, None)


def test_read_onnx_int8_weight_behind_dequantize_counts_as_constant(tmp_path, tiny):
    nodes = [
        helper.make_node("DequantizeLinear", ["stored", "scale"], ["weight"]),
        tiny.conv_node(weight="weight"),
    ]
    stored = tiny.weights(CHANNELS, 1, 3, 3).astype(np.int8)
    operator = read_one(tiny, tmp_path, nodes, {"stored": stored, "scale": np.float32(0.1)})
    assert operator.inputs[1].constant
    assert operator.inputs[1].dtype == "int8"
    assert operator.dilated_depthwise.rate_hw == (6, 6)


def test_read_onnx_weight_of_a_constant_node_is_constant_and_no_operator(tmp_path, tiny):
    tensor = onnx.numpy_helper.from_array(tiny.weights(CHANNELS, 1, 3, 3))
    nodes = [
        helper.make_node("Constant", [], ["weight"], value=tensor),
        tiny.conv_node(weight="weight"),
    ]
    path = tiny.save_onnx(tmp_path / "constant.onnx", nodes, {})
    (operator,) = read_onnx(path).operators
    assert operator.convolution.channels == CHANNELS


def test_read_onnx_weight_of_unknown_shape_has_no_geometry(tmp_path, tiny):
    node = tiny.conv_node(weight="image")
    operator = read_one(tiny, tmp_path, [node], {}, image_shape=(None, None, 3, 3))
    assert operator.convolution is None


def test_read_onnx_foreign_file_keeps_its_whole_parameter_path(tmp_path, tiny):
    operator = read_one(
        tiny, tmp_path, [tiny.conv_node()], {WEIGHT: tiny.weights(8, 1, 3, 3)}, ours=False
    )
    assert operator.module == "model.aspp.branches.1.0"


def test_read_onnx_exporters_note_tells_the_module_where_names_do_not(tmp_path, tiny):
    node = tiny.conv_node(weight="w")
    note = node.metadata_props.add()
    note.key, note.value = "pkg.torch.onnx.name_scopes", "['', 'net', 'net.head', 'conv2d_1']"
    operator = read_one(tiny, tmp_path, [node], {"w": tiny.weights(CHANNELS, 1, 3, 3)}, ours=False)
    assert operator.module == "net.head"


def test_read_onnx_exporters_note_that_is_not_text_is_passed_over(tmp_path, tiny):
    node = tiny.conv_node(weight="w")
    note = node.metadata_props.add()
    note.key, note.value = "pkg.torch.onnx.name_scopes", "['', 'NOTE', 'conv2d']"
    path = tiny.save_onnx(tmp_path / "n.onnx", [node], {"w": tiny.weights(8, 1, 3, 3)}, ours=False)
    path.write_bytes(path.read_bytes().replace(b"NOTE", b"\xff" * 4))
    assert read_onnx(path).operators[0].module is None


def test_read_onnx_nested_graph_is_listed(tmp_path, tiny):
    branch = helper.make_graph(
        [helper.make_node("Relu", ["image"], ["branch"])],
        "branch",
        [],
        [helper.make_tensor_value_info("branch", 1, None)],
    )
    node = helper.make_node("If", ["flag"], ["out"], then_branch=branch, else_branch=branch)
    graph = read_onnx(tiny.save_onnx(tmp_path / "if.onnx", [node], {"flag": np.array(True)}))
    assert [operator.type for operator in graph.operators] == ["If", "Relu", "Relu"]


def test_read_onnx_operators_that_need_each_other_are_refused(tmp_path, tiny):
    nodes = [
        helper.make_node("Transpose", ["back"], ["there"]),
        helper.make_node("Transpose", ["there"], ["back"]),
        tiny.conv_node(source="there", weight="w"),
    ]
    path = tiny.save_onnx(tmp_path / "circle.onnx", nodes, {"w": tiny.weights(8, 1, 3, 3)})
    with pytest.raises(ArtifactError, match="need each other's results"):
        read_onnx(path)


@pytest.mark.parametrize("taken", ["twice", "image", "stored"])
def test_read_onnx_value_that_is_computed_twice_is_refused(tmp_path, tiny, taken):
    nodes = [helper.make_node("Relu", ["image"], [name]) for name in ("twice", taken)]
    path = tiny.save_onnx(tmp_path / "twice.onnx", nodes, {"stored": tiny.weights(8)})
    with pytest.raises(ArtifactError, match="compute a value of one name"):
        read_onnx(path)


def test_read_onnx_operators_may_stand_before_what_they_read(tmp_path, tiny):
    """ONNX Runtime sorts them, and older converters append their casts."""
    nodes = [
        helper.make_node("Relu", ["first"], ["out"]),
        helper.make_node("Relu", ["image"], ["first"]),
    ]
    path = tiny.save_onnx(tmp_path / "late.onnx", nodes, {})
    assert [operator.writes for operator in read_onnx(path).operators] == [("out",), ("first",)]


def test_read_onnx_branches_with_values_of_one_name_are_no_circle(tmp_path, tiny):
    """Each is in order by itself: its second operator reads its first."""
    branches = {
        f"{branch}_branch": helper.make_graph(
            [
                helper.make_node("Transpose", ["image"], [first]),
                helper.make_node("Transpose", [first], [second]),
            ],
            branch,
            [],
            [helper.make_tensor_value_info(second, 1, None)],
        )
        for branch, first, second in (("then", "a", "b"), ("else", "b", "a"))
    }
    node = helper.make_node("If", ["flag"], ["out"], **branches)
    path = tiny.save_onnx(tmp_path / "if.onnx", [node], {"flag": np.array(True)})
    _, first, second, third, fourth = read_onnx(path).operators
    assert (first.reads, third.reads) == (("image",), ("image",))
    assert (second.reads, fourth.reads) == (first.writes, third.writes)
    assert len({first.writes, second.writes, third.writes, fourth.writes}) == 4


def test_read_onnx_own_function_is_local_and_noted(tmp_path, tiny):
    path = tiny.save_onnx(
        tmp_path / "f.onnx",
        [helper.make_node("Twice", ["image"], ["out"], domain="mine")],
        {},
        domains=("mine",),
    )
    model = onnx.load(path)
    body = [helper.make_node("Add", ["x", "x"], ["y"])]
    opsets = [helper.make_opsetid("", 18)]
    model.functions.append(helper.make_function("mine", "Twice", ["x"], ["y"], body, opsets))
    path.write_bytes(model.SerializeToString())
    graph = read_onnx(path)
    assert graph.operators[0].domain == "local"
    assert graph.notes == ("1 functions of the file's own are not opened",)


def test_read_onnx_operator_beyond_its_opset_has_no_version(tmp_path, tiny):
    operator = read_one(tiny, tmp_path, [helper.make_node("NoSuchThing", ["image"], ["out"])], {})
    assert operator.version is None


@pytest.mark.parametrize("content", [b"\xff\xff\xff\xff", b"\x00"])
def test_read_onnx_other_content_is_one_sentence(tmp_path, content):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="an ONNX model was expected"):
        read_onnx(path)


def test_read_onnx_name_that_is_not_text_is_refused_where_shapes_are_inferred_too(tmp_path, tiny):
    nodes = [
        helper.make_node("Mul", ["image", "weights"], ["between"]),
        helper.make_node("Neg", ["between"], ["classes"]),
    ]
    path = tiny.save_onnx(
        tmp_path / "one.onnx", nodes, dict.fromkeys(("weights", "unread"), np.ones(1, np.float32))
    )
    model = onnx.load(path)
    del model.graph.value_info[:]
    path.write_bytes(model.SerializeToString().replace(b"unread", b"\xff" * 6))
    with pytest.raises(ArtifactError, match="an ONNX model was expected"):
        read_onnx(path)


def test_read_onnx_name_that_is_not_text_is_refused(onnx_path):
    content = onnx_path.read_bytes()
    onnx_path.write_bytes(content.replace(b"resized", b"\xff" * 7))
    with pytest.raises(ArtifactError, match="a name in it is not text"):
        read_onnx(onnx_path)


def test_read_onnx_model_without_nodes_says_so(tmp_path):
    path = tmp_path / "empty.onnx"
    path.write_bytes(onnx.ModelProto(ir_version=10).SerializeToString())
    with pytest.raises(ArtifactError, match="its graph has no nodes"):
        read_onnx(path)


def test_read_onnx_dequantized_value_tells_what_it_was_stored_as(tmp_path, tiny):
    stored = {
        "scale": np.array(0.1, np.float32),
        "zero": np.array(128, np.uint8),
        "weight": np.ones((8, 1, 3, 3), np.float32),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["dq"]),
        helper.make_node("Conv", ["dq", "weight"], ["out"], group=8),
    ]
    graph = read_onnx(tiny.save_onnx(tmp_path / "qdq.onnx", nodes, stored))
    assert graph.operators[2].inputs[0].dequantized_from == "uint8"
    assert graph.operators[0].inputs[0].dequantized_from is None


@pytest.mark.parametrize(("others", "expected"), [(0, "int32"), (1, None)])
def test_read_onnx_value_that_a_cast_alone_reads_tells_its_type(tmp_path, tiny, others, expected):
    nodes = [
        helper.make_node("ArgMax", ["image"], ["classes"], axis=1),
        *(helper.make_node("Identity", ["classes"], [f"more_{i}"]) for i in range(others)),
        helper.make_node("Cast", ["classes"], ["out"], to=onnx.TensorProto.INT32),
    ]
    graph = read_onnx(tiny.save_onnx(tmp_path / "cast.onnx", nodes, {}))
    assert graph.operators[0].outputs[0].cast_to == expected


@pytest.mark.parametrize("readers", [0, 1, 2])
def test_read_onnx_counts_the_operators_that_read_a_value(tmp_path, tiny, readers):
    nodes = [
        helper.make_node("ArgMax", ["image"], ["classes"], axis=1, keepdims=1),
        *(helper.make_node("Abs", ["classes"], [f"read_{i}"]) for i in range(readers)),
        helper.make_node("Relu", ["image"], ["other"]),
    ]
    graph = read_onnx(tiny.save_onnx(tmp_path / "r.onnx", nodes, {}))
    assert graph.operators[0].outputs[0].readers == readers
    assert [operator.inputs[0].readers for operator in graph.operators] == [
        2,
        *[readers] * readers,
        2,
    ]


def test_read_onnx_int8_convolution_stays_with_the_core_ml_provider(tmp_path, tiny):
    """ML Program takes a weight that is dequantized; only the bias must stand in the file as it is read."""
    constants = {
        "stored": np.ones((8, 1, 3, 3), np.int8),
        "bias_stored": np.zeros(8, np.int32),
        "bias": np.zeros(8, np.float32),
        "scale": np.float32(0.1),
    }
    dequantize = [
        helper.make_node("DequantizeLinear", [source, "scale"], [result])
        for source, result in (("stored", "weight"), ("bias_stored", "unpacked"))
    ]
    kept, torn = (tiny.conv_node(f"conv_{b}", weight="weight") for b in ("bias", "unpacked"))
    kept.input.append("bias")
    torn.input.append("unpacked")
    path = tiny.save_onnx(tmp_path / "q.onnx", [*dequantize, kept, torn], constants)
    verdicts = judge(read_onnx(path), load_profile("onnx-coreml")).verdicts
    said = {verdict.name: (verdict.verdict, verdict.rule) for verdict in verdicts[2:]}
    assert said == {
        "conv_bias": ("ok", "onnx-coreml.dilated"),
        "conv_unpacked": ("fallback", "onnx-coreml.convolution-bias"),
    }


def test_read_onnx_keeps_short_constants_and_wiring(tmp_path, tiny):
    nodes = [
        helper.make_node("Cast", ["low"], ["low_cast"], to=TensorProto.FLOAT),
        helper.make_node("Clip", ["image", "low_cast", ""], ["out"]),
    ]
    constants = {"low": np.float16(-1.5), "unread": np.zeros(65, np.float32)}
    graph = read_onnx(tiny.save_onnx(tmp_path / "clip.onnx", nodes, constants))
    clip = graph.operators[1]
    assert clip.inputs[1].values == (-1.5,)
    assert (clip.reads, clip.writes) == (("image", "low_cast", ""), ("out",))


def test_read_onnx_constant_kept_outside_the_file_is_not_opened(tmp_path, tiny):
    path = tiny.save_onnx(
        tmp_path / "out.onnx",
        [helper.make_node("Add", ["image", "offset"], ["sum"])],
        {"offset": np.ones(8, np.float32)},
    )
    model = onnx.load(path)
    (offset,) = model.graph.initializer
    offset.ClearField("raw_data")
    offset.data_location = TensorProto.EXTERNAL
    offset.external_data.add(key="location", value="/etc/passwd")
    path.write_bytes(model.SerializeToString())
    assert read_onnx(path).operators[0].inputs[1].values is None


def test_read_onnx_quantize_and_dequantize_keep_the_shape_that_is_declared(tmp_path, tiny):
    scales = {"s": np.float32(0.1), "z": np.int8(0)}
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["dq"]),
        helper.make_node("Relu", ["dq"], ["result"]),
    ]
    path = tiny.save_onnx(tmp_path / "qdq.onnx", nodes, scales)
    model = onnx.load(path)
    del model.graph.value_info[:]  # as ONNX Runtime's quantizer leaves them out
    onnx.save(model, path)
    quantize, dequantize, relu = read_onnx(path).operators
    image = quantize.inputs[0].shape
    assert image is not None
    assert [dequantize.inputs[0].shape, relu.inputs[0].shape] == [image, image]
    assert relu.inputs[0].dequantized_from == "int8"
