"""OpenVINO inside its own environment: loads a file for the processor, tells what computes in integers, and runs it.

Floats are computed as 32-bit ones, so that two processors give the same; by itself OpenVINO takes bfloat16 where a
processor has it.
"""

import platform
from collections import Counter
from functools import cache
from importlib.metadata import version as version_of
from typing import Any

import numpy as np
import openvino

_SETTINGS = {"INFERENCE_PRECISION_HINT": "f32"}
_INTEGERS = ("u8", "i8")
_NOISE = ("Exception from ", "Check '", "While validating")


def version() -> dict[str, Any]:
    """Return OpenVINO's version."""
    return {"version": version_of("openvino")}


def compile(path: str, device: str, folder: str) -> dict[str, Any]:
    """Return that OpenVINO takes all of a file, with what computes in integers, or why it refuses it."""
    try:
        model = _load(path, device)
    except RuntimeError as error:
        return {"refused": _reason(str(error))}
    operators = [o.get_rt_info() for o in model.get_runtime_model().get_ordered_ops()]
    kinds = Counter(
        (str(info["layerType"].value), str(info["runtimePrecision"].value))
        for info in operators
        if "layerType" in info and "runtimePrecision" in info
    )
    total = sum(count for (kind, _), count in kinds.items() if kind == "Convolution")
    whole = sum(kinds["Convolution", precision] for precision in _INTEGERS)
    return {
        "left": {},
        "machine": platform.machine(),
        "notes": [f"OpenVINO computes {whole} of {total} convolutions with integers"],
    }


def run(path: str, device: str, inputs: str, outputs: str, folder: str) -> dict[str, Any]:
    """Write the first output of one input tensor."""
    request = _load(path, device).create_infer_request()
    request.infer([np.load(inputs, allow_pickle=False)])
    np.save(outputs, np.asarray(request.get_output_tensor(0).data), allow_pickle=False)
    return {"machine": platform.machine()}


@cache
def _load(path: str, device: str) -> Any:
    core = openvino.Core()
    return core.compile_model(core.read_model(path), device, _SETTINGS)


def _reason(message: str) -> str:
    """Return the lines of a message that say something; without any, all of it."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(_NOISE)]
    return "; ".join(told or lines)[:400]
