import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edge_deeplab.child.limits import Limits
from edge_deeplab.errors import ChildError
from edge_deeplab.runtimes.observers import xnnpack
from edge_deeplab.runtimes.observers.xnnpack import Node, find_partitions, measure_xnnpack
from tests.hostile_files import write_crash_when_opened

CHANNELS = 8


def test_find_partitions_walks_from_outputs_back_to_inputs():
    nodes = [
        Node("CONV_2D", (0, 10), (1,)),
        Node("RELU", (1,), (2,)),
        Node("CUSTOM", (2,), (3,)),
        Node("DEQUANTIZE", (11,), (12,)),
        Node("CONV_2D", (3, 12), (4,)),
        Node("DELEGATE", (0, 10), (2,)),
        Node("DELEGATE", (3, 11), (4,)),
    ]
    assert find_partitions(nodes) == ((0, 1), (3, 4))


def test_find_partitions_absent_optional_input_is_no_operator():
    nodes = [Node("CONV_2D", (0, 1, -1), (2,)), Node("DELEGATE", (0, 1), (2,))]
    assert find_partitions(nodes) == ((0,),)


def test_find_partitions_without_a_delegate_is_empty():
    assert find_partitions([Node("ARG_MAX", (0, 1), (2,))]) == ()


def test_measure_xnnpack_tiny_file_takes_all_but_argmax(tflite_path):
    measured = measure_xnnpack(tflite_path)
    assert measured.refusal is None
    assert list(measured.taken) == [0]
    assert measured.subgraphs == ((0,),)
    assert list(measured.left) == [1]
    assert measured.runtime.startswith("ai-edge-litert ")


def test_measure_xnnpack_operator_in_the_middle_splits_the_graph(tmp_path, tiny):
    builder = tiny.TFLiteBuilder()
    shape = (1, 8, 8, CHANNELS)
    image, first, second, last = (builder.tensor(name, shape) for name in "abcd")
    tiny.add_depthwise(builder, image, first, rate=2, name="one")
    axis = builder.tensor("axis", (1,), "INT32", data=np.array([1], np.int32))
    builder.add("REVERSE_V2", [first, axis], [second], options="ReverseV2Options")
    tiny.add_depthwise(builder, second, last, rate=2, name="two")
    measured = measure_xnnpack(builder.save(tmp_path / "split.tflite", [image], [last]))
    assert measured.subgraphs == ((0,), (2,))
    assert measured.partitions == 2
    assert list(measured.left) == [1]


@pytest.mark.parametrize(
    ("name", "delegated", "partitions", "left_out"),
    [
        ("deeplabv3_mnv2_pascal_quant", 70, 2, ["AVERAGE_POOL_2D", "ARG_MAX"]),
        (
            "deeplab_mobilenet_edgetpu_slim_cityscapes_quant",
            81,
            3,
            ["AVERAGE_POOL_2D", "TILE", "ARG_MAX"],
        ),
    ],
)
def test_measure_xnnpack_peer_agrees_with_what_the_interpreter_computes(
    peers, name, delegated, partitions, left_out
):
    path = peers / f"{name}.tflite"
    measured = measure_xnnpack(path)
    nodes, kept = run_and_list(path)
    assert len(measured.taken) == delegated
    assert measured.partitions == partitions
    assert [nodes[i]["op_name"] for i in measured.left] == left_out
    assert kept == set(measured.left)


def run_and_list(path):
    """Return the nodes, and those that the interpreter computed itself: their results exist outside of any partition.

    What stays inside a partition is never stored, so reading it fails; what a partition gives away is left out here.
    """
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.invoke()
    nodes = interpreter._get_ops_details()
    given = {int(t) for n in nodes if n["op_name"] == "DELEGATE" for t in n["outputs"]}
    kept = set()
    for node in nodes:
        if node["op_name"] != "DELEGATE" and not given & {int(t) for t in node["outputs"]}:
            try:
                interpreter.get_tensor(int(node["outputs"][0]))
                kept.add(node["index"])
            except ValueError:
                continue
    return nodes, kept


def test_measure_xnnpack_unknown_custom_operator_is_a_refusal(custom_path):
    measured = measure_xnnpack(custom_path)
    assert "FancyUpsample" in measured.refusal
    assert measured.subgraphs == ()


def test_measure_xnnpack_content_that_is_no_model_is_a_refusal(tmp_path):
    path = tmp_path / "bad.tflite"
    path.write_bytes(b"nothing like a model")
    assert measure_xnnpack(path).refusal


def test_measure_xnnpack_crash_of_the_runtime_is_a_refusal(tmp_path):
    measured = measure_xnnpack(write_crash_when_opened(tmp_path / "crash.tflite"))
    assert measured.refusal == "it was ended by SIGSEGV (Segmentation fault)"
    assert measured.subgraphs == ()


def test_measure_xnnpack_is_bounded_as_suits_the_file(tflite_path, monkeypatch):
    asked = {}

    def ask_once(module, request, **values):
        asked.update(values)
        raise ChildError(str(tflite_path), "it stopped")

    monkeypatch.setattr(xnnpack, "ask_once", ask_once)
    assert measure_xnnpack(tflite_path).refusal == "it stopped"
    assert asked["limits"] == Limits.for_file(tflite_path.stat().st_size)


def test_measure_xnnpack_that_takes_too_long_is_a_refusal(tflite_path):
    measured = measure_xnnpack(tflite_path, limits=Limits(1 << 30, 1, wall_s=0.001))
    assert measured.refusal == "it gave no answer in 0.001 s"


def test_measure_xnnpack_shapes_that_do_not_fit_are_a_refusal(tmp_path, tiny):
    builder = tiny.TFLiteBuilder()
    image, other = builder.tensor("a", (1, 8, 8, 8)), builder.tensor("b", (1, 5, 5, 5))
    result = builder.tensor("c", (1, 8, 8, 8))
    builder.add("ADD", [image, other], [result], options="AddOptions")
    path = builder.save(tmp_path / "shapes.tflite", [image, other], [result])
    measured = measure_xnnpack(path)
    assert "failed to prepare" in measured.refusal
    assert not measured.loads_without_delegate
    assert "TfLiteXNNPackDelegate" not in measured.refusal, "its own kernels refuse it too"
