"""ONNX Runtime's QNN provider inside its own environment: compiles a file for a Qualcomm NPU (HTP), or simulates it.

What it left stands in the model that it writes, beside an `EPContext` node for each part that the NPU takes; why, in
its log. Nothing is told of time: what the provider calls cycles is the time of the machine that simulates.
"""

import re
import subprocess
import sys
from functools import cache
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

_PROVIDER = "QNNExecutionProvider"
_CHIPS = {"v68": 30, "v69": 36, "v73": 43, "v75": 57, "v79": 69, "v81": 87}
"""Qualcomm's number of a chip (SM8350 to SM8850), by its NPU; without it floats are refused."""
_REASON = re.compile(
    r"Validation FAILED for .*\n(?P<nodes>(?:\tOperator type: .*\n)+)\tREASON : (?P<reason>.*)"
)
_NODE = re.compile(r"Node name: (.*) Node index: \d+$", re.M)
_REFUSAL = re.compile(
    r"(?:Fail|InvalidGraph): \[ONNXRuntimeError\] .*? : "
    r"(Failed to (?:finalize|compose) .*|Node .* is now invalid .*|Encountered an invalid node .*)"
)
_VERBOSE, _ERRORS = 0, 3


def version() -> dict[str, Any]:
    """Return the provider's version."""
    return {"version": version_of("onnxruntime-qnn")}


def compile(path: str, device: str, folder: str) -> dict[str, Any]:
    """Return what the provider left of a file, and in how many parts it takes the rest, or why it refuses it."""
    named, written = Path(folder) / "named.onnx", Path(folder) / "compiled.onnx"
    model = onnx.load(path)
    for node in model.graph.node:  # the provider tells of nodes by name; a file may leave it out
        node.name = node.output[0]
    onnx.save(model, named)
    command = [sys.executable, "-I", __file__, str(named), device, str(written)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    said = done.stdout + done.stderr
    if refusal := _REFUSAL.search(said):
        return {"refused": refusal[1]}
    if done.returncode:
        raise RuntimeError((said.strip().splitlines() or ["it said nothing"])[-1])
    nodes = onnx.load(written if written.exists() else named, load_external_data=False).graph.node
    given = {node.name for node in model.graph.node}
    reasons, silent = read_reasons(said), "the provider leaves it and does not say why"
    return {
        "left": {
            node.name if node.name in given else node.output[0]: reasons.get(node.name, silent)
            for node in nodes
            if node.op_type != "EPContext"
        },
        "partitions": sum(node.op_type == "EPContext" for node in nodes),
    }


def run(path: str, device: str, inputs: str, outputs: str, folder: str) -> dict[str, Any]:
    """Write the first output of one input tensor."""
    session = _opened(path, device)
    given = {session.get_inputs()[0].name: np.load(inputs, allow_pickle=False)}
    first = session.get_outputs()[0].name
    np.save(outputs, session.run([first], given)[0], allow_pickle=False)
    return {"machine": "simulator"}


@cache
def _opened(path: str, device: str, written: str | None = None) -> Any:
    """Return a session of a file, which is compiled as it opens.

    Args:
        path: the file.
        device: version of the NPU.
        written: where the compiled model is to stand; the provider then says much on stderr.
    """
    import onnxruntime_qnn

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _VERBOSE if written else _ERRORS
    options.intra_op_num_threads = 1
    if written:
        options.add_session_config_entry("ep.context_enable", "1")
        options.add_session_config_entry("ep.context_file_path", written)
    options.add_provider_for_devices(
        _devices(),
        {
            "backend_path": onnxruntime_qnn.get_qnn_htp_path(),
            "htp_arch": device.removeprefix("v"),
            "soc_model": str(_CHIPS[device]),
        },
    )
    return onnxruntime.InferenceSession(path, options)


@cache
def _devices() -> Any:
    import onnxruntime_qnn

    onnxruntime.register_execution_provider_library(_PROVIDER, onnxruntime_qnn.get_library_path())
    return [d for d in onnxruntime.get_ep_devices() if d.ep_name == _PROVIDER][:1]


def read_reasons(log: str) -> dict[str, str]:
    """Return why the provider refuses nodes, by name."""
    return {
        name: found["reason"].strip()
        for found in _REASON.finditer(log)
        for name in _NODE.findall(found["nodes"])
    }


if __name__ == "__main__":
    _opened(*sys.argv[1:])
