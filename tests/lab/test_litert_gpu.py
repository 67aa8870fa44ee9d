"""LiteRT's GPU accelerator itself, on tiny files and a real or software Vulkan driver."""

import os

import numpy as np
import pytest

from edge_deeplab.checker.report import check_artifact
from edge_deeplab.lab.asking import ToolProcess, bounds
from edge_deeplab.lab.environments import inspect_tool
from edge_deeplab.lab.observers import available_observers
from edge_deeplab.lab.tools import TOOLS
from edge_deeplab.lab.trial import TRIAL_FILES
from edge_deeplab.lab.workers import litert_gpu as worker
from tests.lab.real_tools import link_tool


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ("INFO: Create WebGPU environment\nERROR: Restored original execution plan", False),
        ("ERROR: Failed to initialize WebGPU environment: No adapters found", True),
    ],
)
def test_file_that_the_gpu_refuses_is_told_from_a_gpu_that_is_missing(
    tmp_path, monkeypatch, said, missing
):
    """Every log says that an environment is created, that of a refusal too."""

    def refuse(path):
        os.write(2, f"{said}\n".encode())
        raise RuntimeError("no model")

    monkeypatch.setattr(worker, "_load", refuse)
    reason = said.rpartition("ERROR: ")[2]
    if missing:
        with pytest.raises(RuntimeError, match=reason):
            worker.compile("a.tflite", "", str(tmp_path))
    else:
        assert worker.compile("a.tflite", "", str(tmp_path)) == {"refused": reason}


@pytest.fixture
def litert_gpu(monkeypatch, lab_folder):
    """What is there of the tool."""
    link_tool("litert-gpu", monkeypatch, lab_folder)
    return inspect_tool(TOOLS["litert-gpu"])


def test_litert_gpu_takes_the_trial_file_whole(litert_gpu):
    (report,) = check_artifact(
        TRIAL_FILES["tflite"], ["litert-gpu"], available_observers()
    ).profiles
    seen = report.comparison.observation
    assert (report.comparison.equal, seen.left, seen.partitions) == (True, {}, 1)
    assert seen.machine != "compiler"


def test_litert_gpu_leaves_an_argmax_of_64_bits_as_predicted(litert_gpu, argmax_path):
    path = argmax_path(11, "INT64")
    (report,) = check_artifact(path, ["litert-gpu"], available_observers()).profiles
    seen = report.comparison.observation
    assert report.comparison.equal
    assert list(seen.left.values()) == ["Tensor type(INT64) is not supported. classes"]


@pytest.mark.parametrize(("classes", "wrong"), [(11, True), (12, False)])
def test_litert_gpu_gives_a_class_that_there_is_not_where_padding_wins(
    litert_gpu, argmax_path, tmp_path, classes, wrong
):
    scores = np.full((1, 4, 4, classes), -1, np.float32)
    scores[..., 3] = -0.5
    inputs, outputs = tmp_path / "inputs.npy", tmp_path / "outputs.npy"
    np.save(inputs, scores)
    with ToolProcess(litert_gpu, bounds()) as process:
        process.ask(
            "run",
            path=str(argmax_path(classes, "INT32")),
            device="gpu",
            inputs=str(inputs),
            outputs=str(outputs),
        )
    found = np.load(outputs)
    assert np.all(found == classes) if wrong else np.all(found == 3)


@pytest.fixture
def argmax_path(tiny, tmp_path):
    """Return a function that writes a file which takes the class of scores, doubled first."""

    def write(classes, dtype):
        builder = tiny.TFLiteBuilder()
        scores = builder.tensor("scores", (1, 4, 4, classes))
        doubled = builder.tensor("doubled", (1, 4, 4, classes))
        axis = builder.tensor("axis", (1,), "INT32", data=np.array([3], np.int32))
        result = builder.tensor("classes", (1, 4, 4), dtype)
        builder.add("ADD", [scores, scores], [doubled], options="AddOptions")
        builder.add(
            "ARG_MAX", [doubled, axis], [result], options="ArgMaxOptions",
            outputType={"INT32": 2, "INT64": 4}[dtype],
        )  # fmt: skip
        builder.sign([("scores", scores)], [("classes", result)])
        return builder.save(tmp_path / "argmax.tflite", [scores], [result])

    return write
