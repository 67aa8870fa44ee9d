"""What every profile says of the int8 files, in counts, so that a rule that begins to mean more than it did is seen."""

from pathlib import Path

import pytest

from edge_deeplab.checker.judging import judge
from edge_deeplab.checker.rules import load_profile, profile_names
from edge_deeplab.converters.capture import CanonicalGraph
from edge_deeplab.converters.devices.expected import expect_operators
from edge_deeplab.formats.read import read_graph
from tests.by_target import ByTarget
from tests.converters.devices.test_expected import compare
from tests.quantization.conftest import describe_int8

Counts = tuple[int, int, int, int, int | None]

SAID: dict[str, dict[str, Counts]] = {
    "onnx": {
        "onnx-coreml": (47, 0, 76, 0, 22),
        "onnx-cpu": (122, 1, 0, 0, None),
        "onnx-nnapi": (122, 0, 1, 0, 2),
        **{
            f"onnx-qnn-{npu}": (123, 0, 0, 0, 1)
            for npu in ("v68", "v69", "v73", "v75", "v79", "v81")
        },
        "onnx-webgpu": (94, 0, 29, 0, 21),
        "onnx-xnnpack": (15, 0, 108, 0, 5),
        "openvino-cpu": (123, 0, 0, 0, None),
        **{f"rknn-{chip}": (120, 0, 3, 0, 1) for chip in ("rk3566", "rk3568")},
        **{f"rknn-{chip}": (121, 0, 2, 0, 1) for chip in ("rk3576", "rk3588")},
    },
    "tflite": {
        **{
            f"ethos-{npu}": (26, 3, 2, 0, 3) for npu in ("u55-128", "u55-256", "u65-256", "u65-512")
        },
        **{f"ethos-{npu}": (29, 2, 0, 0, 1) for npu in ("u85-256", "u85-512")},
        "litert-gpu": (31, 0, 0, 0, 1),
        "openvino-cpu-tflite": (31, 0, 0, 0, None),
        "tflite-coreml": (0, 0, 31, 0, 0),
        "tflite-edgetpu": (18, 0, 13, 0, 1),
        "tflite-gpu": (27, 3, 1, 0, 1),
        "tflite-hexagon": (31, 0, 0, 0, 1),
        "tflite-nnapi-27": (5, 0, 26, 0, 5),
        "tflite-nnapi-28": (5, 0, 26, 0, 5),
        "tflite-nnapi-29": (27, 0, 4, 0, 4),
        **{f"tflite-nnapi-{level}": (31, 0, 0, 0, 1) for level in range(30, 36)},
        "tflite-qnn": (31, 0, 0, 0, 1),
        "tflite-xnnpack": (29, 0, 2, 0, 1),
        "tflite-xnnpack-sparse": (0, 31, 0, 0, None),
    },
    "coreml": {
        "coreml-ane-a12": (60, 58, 7, 0, 5),
        **dict.fromkeys(("coreml-ane-a13", "coreml-ane-m1"), (63, 58, 4, 0, 5)),
        **{f"coreml-ane-{chip}": (66, 58, 1, 0, 2) for chip in ("a14", "a15", "a16", "m2", "m3")},
        **{f"coreml-ane-{chip}": (124, 0, 1, 0, 2) for chip in ("a17", "a18", "m4")},
        "coreml-cpu": (67, 58, 0, 0, None),
        "coreml-gpu": (67, 58, 0, 0, 1),
    },
}
"""By format and profile: operators that are ok, slow, fallback and rejected, and the partitions that they make."""


@pytest.mark.parametrize("target", SAID)
def test_profiles_say_of_the_int8_file_what_they_always_said(
    int8_files: ByTarget[Path], target: str
) -> None:
    graph = read_graph(int8_files[target])
    profiles = [load_profile(name) for name in profile_names()]
    reports = [judge(graph, profile) for profile in profiles if profile.format == target]
    assert {r.profile: (*r.count().values(), r.partitions) for r in reports} == SAID[target]


@pytest.mark.parametrize("target", SAID)
def test_int8_operators_are_those_expected(
    canonical: CanonicalGraph, int8_files: ByTarget[Path], target: str
) -> None:
    expected = expect_operators(canonical.program, describe_int8(target))
    maps = 6 if target == "tflite" else 0  # resizes, concatenations and the class map
    assert compare(expected, read_graph(int8_files[target])) == 3 + maps
