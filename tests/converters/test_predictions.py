"""Predictions on files that this project's converters wrote and on other people's, against the runtimes installed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edge_deeplab.checker.judging import judge
from edge_deeplab.checker.rules import load_profile
from edge_deeplab.description import Head
from edge_deeplab.formats.read import read_graph
from tests.tiny_files import check_observed


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("head", ["classes", "logits"])
def test_tflite_partitions_are_those_predicted(
    exported: Callable[[str, str, Head], Path], precision: str, head: Head
) -> None:
    report = check_observed(exported("tflite", precision, head))
    seen = report.seen_by("xnnpack")
    assert seen is not None
    assert seen.predicted is not None
    assert seen.observation.left is not None
    assert seen.predicted.left_out == tuple(seen.observation.left)
    assert sorted(seen.predicted.partitions) == sorted(seen.observation.subgraphs)
    assert report.warnings == ()


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_onnx_float_convolutions_are_those_predicted(
    exported: Callable[[str, str, Head], Path], precision: str
) -> None:
    report = check_observed(exported("onnx", precision, "classes"))
    seen = report.seen_by("onnxruntime")
    assert seen is not None
    assert seen.fusion is not None
    assert seen.fusion.count()["Conv"] > 5
    assert report.warnings == ()


@pytest.mark.parametrize(
    "name", ["deeplabv3_mnv2_pascal_quant", "deeplab_mobilenet_edgetpu_slim_cityscapes_quant"]
)
def test_peer_partitions_are_those_predicted(peers: Path, name: str) -> None:
    report = check_observed(peers / f"{name}.tflite")
    seen = report.seen_by("xnnpack")
    assert seen is not None
    assert seen.predicted is not None
    assert seen.observation.left is not None
    assert sorted(seen.predicted.partitions) == sorted(seen.observation.subgraphs)
    assert report.warnings == ()


HALF_SAID = {
    "onnx-coreml": (47, 0, 1, 0, 2),
    "onnx-cpu": (29, 19, 0, 0, None),
    "onnx-nnapi": (7, 0, 41, 0, 5),
    "onnx-qnn-v75": (48, 0, 0, 0, 1),
    "onnx-webgpu": (47, 0, 1, 0, 1),
    "onnx-xnnpack": (3, 0, 45, 0, 3),
}
"""By profile: operators that are ok, slow, fallback and rejected, and the partitions that they make."""


def test_profiles_say_of_a_half_precision_onnx_file_what_they_always_said(
    exported: Callable[[str, str, Head], Path],
) -> None:
    graph = read_graph(exported("onnx", "fp16", "classes"))
    reports = [judge(graph, load_profile(name)) for name in HALF_SAID]
    assert {r.profile: (*r.count().values(), r.partitions) for r in reports} == HALF_SAID
