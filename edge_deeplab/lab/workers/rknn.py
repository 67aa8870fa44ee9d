"""Rockchip's RKNN-Toolkit2 inside its own environment: builds a file for an NPU and runs it in Rockchip's simulator.

Its return codes are not to be believed: what it does, and what it fails at, stands in its log alone.
"""

import re
import subprocess
import sys
from functools import cache
from importlib.metadata import version as version_of
from itertools import groupby
from typing import Any

import numpy as np

_LAYER = re.compile(
    r"^D RKNN: \[[\d:.]+\] \d+ +(?P<kind>\w+) +\S+ +(?P<processor>CPU|NPU|GPU) .*? "
    r"(?:\d+/\d+/(?P<cycles>\d+)) .* \w+:(?P<name>\S+)\s*$",
    re.M,
)
"""A row of the table of layers: index, type, element type, processor, shapes, cycles, traffic, type and name."""
_ERROR = re.compile(r"^E (?:RKNN: \[[\d:.]+\] )?(.*)$", re.M)
_RAISED = re.compile(r"^[\w.]+(?:Error|Exception|Interrupt)\b.*$", re.M)
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_HARMLESS = "Unkown op target: 0"
"""Said of files that are built whole."""
_NPU, _BORDERS = "NPU", ("InputOperator", "OutputOperator")


def version() -> dict[str, Any]:
    """Return the toolkit's version."""
    return {"version": version_of("rknn-toolkit2")}


def compile(path: str, device: str, folder: str) -> dict[str, Any]:
    """Return what the toolkit left of a file and what it estimates, or why it refuses it."""
    command = [sys.executable, "-I", __file__, path, device]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return read_log(done.stdout + done.stderr)


def read_log(said: str) -> dict[str, Any]:
    """Return what a log tells of a file.

    Raises:
        RuntimeError: when it tells nothing.
    """
    said = _COLOUR.sub("", said)
    errors = [line for line in _ERROR.findall(said) if _HARMLESS not in line]
    if errors:
        return {"refused": _ended_by(errors[0], said)}
    layers = [found for found in _LAYER.finditer(said) if found["kind"] not in _BORDERS]
    if not layers:
        raise RuntimeError((said.strip().splitlines() or ["it said nothing"])[-1])
    turns = len(list(groupby(layer["processor"] for layer in layers)))
    return {
        "left": {
            layer["name"]: f"RKNN puts the {layer['kind']} on the {layer['processor']}"
            for layer in layers
            if layer["processor"] != _NPU
        },
        "cost": {
            "cycles": sum(int(layer["cycles"]) for layer in layers),
            "note": "RKNN's estimate of convolutions and matrix products; it counts no cycles for other layers",
        },
        "notes": [f"RKNN's layers change between NPU and processor {turns - 1} times"],
    }


def _ended_by(error: str, said: str) -> str:
    """Return an error of the log, in place of "Traceback" the exception that the lines below it end in."""
    before, traceback, _ = error.partition("Traceback (")
    below = said.partition(error)[2].partition("\nE ")[0]
    raised = _RAISED.findall(below) if traceback else []
    return f"{before}{raised[-1]}" if raised else error


def run(path: str, device: str, inputs: str, outputs: str, folder: str) -> dict[str, Any]:
    """Write the first output of one input tensor."""
    given = [np.load(inputs, allow_pickle=False)]
    found = _simulator(path, device).inference(inputs=given, data_format=["nchw"])  # as it is
    if not found:
        raise RuntimeError("the simulator gave nothing")
    np.save(outputs, found[0], allow_pickle=False)
    return {"machine": "simulator"}


@cache
def _simulator(path: str, device: str) -> Any:
    built = _build(path, device)
    if built.init_runtime() != 0:
        raise RuntimeError("the simulator does not start")
    return built


def _build(path: str, device: str) -> Any:
    from rknn.api import RKNN

    toolkit = RKNN(verbose=True)
    toolkit.config(target_platform=device)
    toolkit.load_onnx(model=path)
    toolkit.build(do_quantization=False)  # by the scales that the file holds
    return toolkit


if __name__ == "__main__":
    _build(*sys.argv[1:]).release()
