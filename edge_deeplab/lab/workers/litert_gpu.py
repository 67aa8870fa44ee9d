"""LiteRT's GPU accelerator (ML Drift on WebGPU) in this package's own environment: compiles a file for it and runs it.

What it leaves to the processor it tells on stderr, by type; which operators these are is read from the file.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.hardware_accelerator import HardwareAccelerator

_SIGNATURE = 0
_ADAPTER = re.compile(r"Selected adapter: (.*?), arch=")
_LEFT = re.compile(
    r"^ERROR: Following operations are not supported by GPU delegate:\n(?P<types>(?:.+: .*\n)+?)"
    r"(?:.*?remaining (?P<some>\d+)|.*? all (?P<all>\d+)) operations will run on the CPU",
    re.M,
)
_PARTITION = "Initializing WebGPU-based API from graph"
_NO_DEVICE = ("Failed to initialize WebGPU environment", "No adapters")


def version() -> dict[str, Any]:
    """Return LiteRT's version."""
    return {"version": version_of("ai-edge-litert")}


def compile(path: str, device: str, folder: str) -> dict[str, Any]:
    """Return what the accelerator leaves of a file, and in how many parts it takes the rest."""
    log = Path(folder) / "log.txt"
    try:
        with _printing_to(log):
            _load(path)
    except RuntimeError as error:
        said = log.read_text(errors="replace")
        errors = re.findall(r"^(?:ERROR: |E\d+.*?\] )(.+)$", said, re.M)
        reason = errors[-1] if errors else str(error).strip().splitlines()[-1]
        if any(words in said for words in _NO_DEVICE):
            raise RuntimeError(reason) from error
        return {"refused": reason}
    said = log.read_text(errors="replace")
    adapter = _ADAPTER.search(said)
    answer = {"partitions": said.count(_PARTITION), "machine": adapter[1] if adapter else "GPU"}
    found = _LEFT.search(said)
    if found is None:
        return {**answer, "left": {}}
    reasons = dict(line.split(": ", 1) for line in found["types"].splitlines())
    left = {name: reasons[kind] for name, kind in _operators(path) if kind in reasons}
    told = int(found["some"] or found["all"])
    if len(left) != told:  # some of a type are taken, and it does not say which
        kinds = ", ".join(f"{kind} ({reason})" for kind, reason in reasons.items())
        return {
            **answer,
            "left": None,
            "left_count": told,
            "notes": [f"{told} operators are left, among all of {kinds}"],
        }
    return {**answer, "left": left}


def run(path: str, device: str, inputs: str, outputs: str, folder: str) -> dict[str, Any]:
    """Write the first output of one input tensor."""
    model = _load(path)
    taken, given = model.create_input_buffers(_SIGNATURE), model.create_output_buffers(_SIGNATURE)
    taken[0].write(np.load(inputs, allow_pickle=False))
    model.run_by_index(_SIGNATURE, taken, given)
    key = model.get_signature_by_index(_SIGNATURE)["key"]
    details = next(iter(model.get_output_tensor_details(key).values()))
    shape, dtype = details["shape"], np.dtype(details["dtype"])
    count = int(np.prod(shape))
    if dtype == np.int64:  # it reads none, but the bytes
        output = given[0].read(count * dtype.itemsize, np.uint8).view(dtype)
    else:
        output = given[0].read(count, dtype)
    np.save(outputs, output.reshape(shape), allow_pickle=False)
    return {}


@cache
def _load(path: str) -> Any:
    return CompiledModel.from_file(path, HardwareAccelerator.GPU | HardwareAccelerator.CPU)


def _operators(path: str) -> Iterator[tuple[str, str]]:
    """Yield the first output's name and the type of each operator."""
    kinds = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}
    model = schema.Model.GetRootAs(Path(path).read_bytes(), 0)
    graph = model.Subgraphs(0)
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = model.OperatorCodes(operator.OpcodeIndex())
        kind = kinds[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        yield graph.Tensors(operator.Outputs(0)).Name().decode(), kind


@contextmanager
def _printing_to(log: Path) -> Iterator[None]:
    """Let native code's stderr go to a file while the block lasts, and to stderr afterwards."""
    kept = os.dup(2)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    os.write(2, log.read_bytes())
