"""Arm Vela itself, on tiny files."""

import pytest

from edge_deeplab.checker.report import check_artifact
from edge_deeplab.lab.observers import available_observers
from edge_deeplab.lab.trial import TRIAL_FILES
from tests.lab.real_tools import link_tool


@pytest.fixture
def compiled(monkeypatch, lab_folder):
    """Return a function that holds a file against a device as Vela compiles for it."""
    link_tool("vela", monkeypatch, lab_folder)

    def compiled(path, device):
        (report,) = check_artifact(path, [device], available_observers()).profiles
        return report

    return compiled


@pytest.mark.parametrize("device", ["ethos-u55-128", "ethos-u65-512", "ethos-u85-256"])
def test_vela_places_the_trial_file_whole_as_predicted(compiled, device):
    report = compiled(TRIAL_FILES["tflite"], device)
    seen = report.comparison.observation
    assert (report.comparison.equal, seen.left, seen.partitions) == (True, {}, 1)
    assert seen.cost.cycles > 0
    assert seen.cost.memory_bytes > 0
    assert "MHz" in seen.cost.note


def test_vela_refuses_an_argmax_of_float_as_predicted(compiled, tflite_path):
    report = compiled(tflite_path, "ethos-u55-256")
    assert report.comparison.equal is True
