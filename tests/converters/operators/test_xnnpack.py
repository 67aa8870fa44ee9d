import subprocess

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edge_deeplab.converters.operators import isolation, xnnpack
from edge_deeplab.converters.operators.xnnpack import Node, find_partitions, measure_xnnpack

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
    assert measured.total == 2
    assert measured.partitions == ((0,),)
    assert measured.left_out == (1,)
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
    assert measured.partitions == ((0,), (2,))
    assert measured.left_out == (1,)


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
    assert len(measured.delegated) == delegated
    assert len(measured.partitions) == partitions
    assert [nodes[i]["op_name"] for i in measured.left_out] == left_out
    assert kept == set(measured.left_out)


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
    assert measured.partitions == ()


def test_measure_xnnpack_content_that_is_no_model_is_a_refusal(tmp_path):
    path = tmp_path / "bad.tflite"
    path.write_bytes(b"nothing like a model")
    assert measure_xnnpack(path).refusal


def test_measure_xnnpack_crash_of_the_runtime_is_a_refusal(tflite_path, monkeypatch):
    finish_with(monkeypatch, returncode=-11)
    assert measure_xnnpack(tflite_path).refusal == "it crashed or was stopped (Segmentation fault)"


def test_measure_xnnpack_failure_of_the_process_tells_its_last_line(tflite_path, monkeypatch):
    finish_with(monkeypatch, returncode=1, stderr="Traceback\nMemoryError: no more")
    assert measure_xnnpack(tflite_path).refusal == "it ended with code 1 (MemoryError: no more)"


def finish_with(monkeypatch, *, returncode, stderr=""):
    """Let every process end this way."""

    def run(command, **options):
        return subprocess.CompletedProcess(command, returncode, "", stderr)

    monkeypatch.setattr(isolation.subprocess, "run", run)


@pytest.mark.parametrize(("size", "seconds"), [(1000, 10), (8_000_000, 10), (1 << 28, 42)])
def test_cpu_limit_grows_with_the_file(size, seconds):
    assert isolation.cpu_limit_s(size) == seconds


def test_measure_xnnpack_is_bounded_by_processor_time(tflite_path, monkeypatch):
    asked = {}

    def run_isolated(module, arguments, **limits):
        asked.update(limits)
        return {isolation.REFUSAL: "stopped"}

    monkeypatch.setattr(xnnpack, "run_isolated", run_isolated)
    assert measure_xnnpack(tflite_path).refusal == "stopped"
    assert asked == {"time_limit_s": 120.0, "cpu_s": 10}


def test_measure_xnnpack_that_takes_too_long_is_a_refusal(tflite_path):
    measured = measure_xnnpack(tflite_path, time_limit_s=0.001)
    assert measured.refusal == "it took more than 0.001 s"


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
