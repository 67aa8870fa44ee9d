"""OpenVINO itself, on tiny files."""

import pytest

from edge_deeplab.checker.report import check_artifact
from edge_deeplab.lab.observers import available_observers
from edge_deeplab.lab.trial import TRIAL_FILES
from tests.lab.real_tools import link_tool


@pytest.mark.parametrize(
    ("target", "device"), [("onnx", "openvino-cpu"), ("tflite", "openvino-cpu-tflite")]
)
def test_openvino_takes_the_trial_file_whole(monkeypatch, lab_folder, target, device):
    link_tool("openvino", monkeypatch, lab_folder)
    (report,) = check_artifact(TRIAL_FILES[target], [device], available_observers()).profiles
    seen = report.comparison.observation
    assert (report.comparison.equal, seen.left) == (True, {})
    assert seen.notes == ("OpenVINO computes 1 of 1 convolutions with integers",)
