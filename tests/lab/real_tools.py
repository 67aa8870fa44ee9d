"""Vendors' real tools, where whoever runs the tests has installed them."""

import numpy as np
import pytest

from edge_deeplab.lab.asking import ToolProcess, bounds
from edge_deeplab.lab.environments import environment_of, inspect_tool
from edge_deeplab.lab.tools import TOOLS
from edge_deeplab.lab.trial import TRIAL_FILES


def link_tool(name, monkeypatch, lab_folder):
    """Put an installed tool into the lab of a test, or skip: what it said before is not there."""
    tool = TOOLS[name]
    with monkeypatch.context() as outside:
        outside.delenv("EDGE_DEEPLAB_LAB")
        status, place = inspect_tool(tool), environment_of(tool)
    if status.lack is not None:
        pytest.skip(f"a vendor's tool is absent: {status.lack}")
    if tool.pins:
        environment_of(tool).parent.mkdir(parents=True, exist_ok=True)
        environment_of(tool).symlink_to(place)


def run_trial(name, device, folder):
    """Return what ONNX Runtime's processor and a tool compute of the trial file."""
    picture = np.random.default_rng(0).integers(-128, 128, (1, 3, 16, 16), np.int8)
    expected, found = run_file(name, device, TRIAL_FILES["onnx"], picture, folder)
    return expected.astype(int), found.astype(int)


def run_file(name, device, path, picture, folder):
    """Return what ONNX Runtime's processor and a tool compute of a file with one input and one output."""
    onnxruntime = pytest.importorskip("onnxruntime")
    inputs, outputs = folder / "inputs.npy", folder / "outputs.npy"
    np.save(inputs, picture)
    with ToolProcess(inspect_tool(TOOLS[name]), bounds()) as process:
        process.ask("run", path=str(path), device=device, inputs=str(inputs), outputs=str(outputs))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {session.get_inputs()[0].name: picture})
    return expected, np.load(outputs)
