"""ONNX Runtime's WebGPU provider itself, on tiny files and a real or software Vulkan driver."""

import runpy
from types import SimpleNamespace

import numpy as np
import pytest

from edge_deeplab.checker.report import check_artifact
from edge_deeplab.lab.observers import available_observers
from edge_deeplab.lab.tools import TOOLS
from edge_deeplab.lab.trial import TRIAL_FILES
from tests.lab.real_tools import link_tool, run_trial


def part(provider, **kinds):
    """Return what the runtime tells of a provider: its nodes' types by name."""
    nodes = [SimpleNamespace(name=name, op_type=kind) for name, kind in kinds.items()]
    return SimpleNamespace(ep_name=provider, get_nodes=lambda: nodes)


def test_ort_webgpu_counts_what_was_moved_to_the_processor_under_another_name():
    pytest.importorskip("onnxruntime")
    find_left = runpy.run_path(str(TOOLS["ort-webgpu"].script))["find_left"]
    parts = [
        part("WebGpuExecutionProvider", a="Conv", token_1="Transpose"),
        part("CPUExecutionProvider", b="QuantizeLinear", token_2="QuantizeLinear"),
    ]
    kinds = {"a": "Conv", "b": "QuantizeLinear", "gone": "QuantizeLinear", "folded": "Transpose"}
    assert find_left(parts, kinds) == ["b", "gone"]


@pytest.fixture
def placed(monkeypatch, lab_folder):
    """Return a function that holds a file against the provider's own placement."""
    link_tool("ort-webgpu", monkeypatch, lab_folder)

    def placed(path):
        (report,) = check_artifact(path, ["onnx-webgpu"], available_observers()).profiles
        return report.comparison

    return placed


def test_ort_webgpu_leaves_what_quantizes_as_predicted(placed):
    comparison = placed(TRIAL_FILES["onnx"])
    seen = comparison.observation
    assert (comparison.equal, seen.partitions) == (True, None)
    assert {operator.operator for _, operator in comparison.left} == {"QuantizeLinear"}
    assert all("QuantizeLinear" in reason for reason in seen.left.values())


def test_ort_webgpu_takes_floats_as_predicted(placed, onnx_path):
    comparison = placed(onnx_path)
    assert (comparison.equal, comparison.left) == (True, ())


def test_ort_webgpu_computes_the_trial_file(placed, tmp_path):
    expected, found = run_trial("ort-webgpu", "webgpu", tmp_path)
    assert np.abs(found - expected).max() <= 1
