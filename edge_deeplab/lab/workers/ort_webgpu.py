"""ONNX Runtime's WebGPU provider inside its own environment: what has a kernel there, and what it computes.

A file is not compiled in pieces, so there are no partitions to count: what the processor needs is copied to it, and
back. Software drivers count as well, because what has a kernel does not depend on the GPU.
"""

import os
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

_PROVIDER = "WebGpuExecutionProvider"
_ERRORS = 3


def version() -> dict[str, Any]:
    """Return the provider's version."""
    return {"version": version_of("onnxruntime-ep-webgpu")}


def compile(path: str, device: str, folder: str) -> dict[str, Any]:
    """Return which operators of a file as it is written the provider leaves to the processor."""
    named = str(Path(folder) / "named.onnx")
    model = onnx.load(path)
    for node in model.graph.node:  # the runtime tells of nodes by name; a file may leave it out
        node.name = node.output[0]
    onnx.save(model, named)
    session = _open(named, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
    kinds = {node.name: node.op_type for node in model.graph.node}
    left = find_left(session.get_provider_graph_assignment_info(), kinds)
    return {
        "left": {name: f"WebGPU has no {kinds[name]} of these element types" for name in left},
    }


def find_left(parts: Any, kinds: Mapping[str, str]) -> list[str]:
    """Return the names of the nodes that are left.

    As it changes the layout the runtime moves some nodes, under names of its own: of a kind that is left, those
    that are gone are left as well.

    Args:
        parts: what the runtime gave to each provider.
        kinds: type of each node of the file, by name.
    """
    placed = {node.name: part.ep_name for part in parts for node in part.get_nodes()}
    moved = {
        node.op_type
        for part in parts
        for node in part.get_nodes()
        if part.ep_name != _PROVIDER and node.name not in kinds
    }
    return [
        name
        for name, kind in kinds.items()
        if placed.get(name, _PROVIDER) != _PROVIDER or (name not in placed and kind in moved)
    ]


def run(path: str, device: str, inputs: str, outputs: str, folder: str) -> dict[str, Any]:
    """Write the first output of one input tensor."""
    session = _open(path, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL)
    given = {session.get_inputs()[0].name: np.load(inputs, allow_pickle=False)}
    first = session.get_outputs()[0].name
    np.save(outputs, session.run([first], given)[0], allow_pickle=False)
    return {}


@cache
def _open(path: str, level: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = _ERRORS
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    options.add_provider_for_devices(_devices(), {})
    return onnxruntime.InferenceSession(path, options)


@cache
def _devices() -> Any:
    import onnxruntime_ep_webgpu

    os.environ["ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER"] = "1"
    onnxruntime.register_execution_provider_library(
        _PROVIDER, onnxruntime_ep_webgpu.get_library_path()
    )
    return [d for d in onnxruntime.get_ep_devices() if d.ep_name == _PROVIDER][:1]
