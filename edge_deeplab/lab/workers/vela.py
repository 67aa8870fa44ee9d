"""Arm Vela inside its own environment: compiles for an Ethos-U and tells what it left to the processor.

What it left stands in the file that it writes, beside `ethos-u` operators; why, in its warnings. Its own count of
operators is none of the file's: an ARG_MAX becomes 44,160 pools.
"""

import csv
import re
import subprocess
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from ethosu.vela.tflite.BuiltinOperator import BuiltinOperator
from ethosu.vela.tflite.Model import Model

_SYSTEMS = {
    "ethos-u55": ("Ethos_U55_High_End_Embedded", "Shared_Sram"),
    "ethos-u65": ("Ethos_U65_High_End", "Dedicated_Sram"),
    "ethos-u85": ("Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram"),
}
"""System and memory of Vela's own vela.ini for which it estimates, by family."""
_WARNING = re.compile(
    r"^Warning \(.*?\) operator: \S+, ofm: '(?P<name>.*?)'\n(?:Reason: )?(?P<reason>.*)$", re.M
)
_ERROR = re.compile(
    r"^(?:RuntimeError: (?:Compilation failed: )?)?(?:Error: |(?=Non-passthrough))(.*(?:\n - .*)*)",
    re.M,
)


def version() -> dict[str, Any]:
    """Return Vela's version."""
    return {"version": version_of("ethos-u-vela")}


def compile(path: str, device: str, folder: str) -> dict[str, Any]:
    """Return what Vela left of a file, in how many parts it took the rest, and what it estimates."""
    system, memory = _SYSTEMS[device.rpartition("-")[0]]
    command = [sys.executable, "-I", "-m", "ethosu.vela", path, "--accelerator-config", device]
    command += ["--config", "Arm/vela.ini", "--system-config", system, "--memory-mode", memory]
    done = subprocess.run(
        [*command, "--output-dir", folder], capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    written = next(Path(folder).glob("*_vela.tflite"), None)
    if done.returncode or written is None:
        reason = _ERROR.search(said)
        if reason is None:
            raise RuntimeError((said.strip().splitlines() or ["it said nothing"])[-1])
        return {"refused": " ".join(reason[1].split())}
    reasons = {found["name"]: found["reason"].strip() for found in _WARNING.finditer(said)}
    left, partitions = _read_left(written.read_bytes())
    silent = "Vela leaves it to the processor and does not say why"
    answer = {"left": {name: reasons.get(name, silent) for name in left}, "partitions": partitions}
    if partitions:
        summary = next(Path(folder).glob("*_summary_*.csv"))
        answer["cost"] = _read_cost(summary, system, memory)
    return answer


def _read_left(content: bytes) -> tuple[list[str], int]:
    """Return the first output's name of each operator that is no ethos-u, and the number of those that are."""
    model = Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    left, partitions = [], 0
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = model.OperatorCodes(operator.OpcodeIndex())
        if code.BuiltinCode() == BuiltinOperator.CUSTOM and code.CustomCode() == b"ethos-u":
            partitions += 1
        else:
            left.append(graph.Tensors(operator.Outputs(0)).Name().decode())
    return left, partitions


def _read_cost(summary: Path, system: str, memory: str) -> dict[str, Any]:
    with summary.open(newline="") as file:
        row = next(csv.DictReader(file))
    megahertz = float(row["core_clock"]) / 1e6
    return {
        "milliseconds": float(row["inference_time"]) * 1e3,
        "cycles": int(float(row["cycles_total"])),
        "memory_bytes": int(float(row["sram_memory_used"]) * 1024),
        "note": f"Vela's estimate at {megahertz:g} MHz for {system}, {memory}; what the processor runs is not in it",
    }
