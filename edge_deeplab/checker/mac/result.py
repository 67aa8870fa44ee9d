"""Reads the JSON that the Mac's script wrote, as documented in `mac_script`. It comes from a stranger's machine."""

import base64
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_deeplab.checker.mac.script import COMPUTE_UNITS, FORMAT
from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.graph import Operator
from edge_deeplab.formats.source import ReadingBudget, read_bytes, unreadable
from edge_deeplab.text import printable

_MOST_VALUES_BYTES = 1 << 29
"""Bytes that all predictions together are unpacked to at most."""
_LONGEST_TEXT = 400


@dataclass(frozen=True)
class PlannedOperation:
    """What a compute plan says of one operation; devices are "cpu", "gpu" or "neural_engine"."""

    operator: str
    preferred: str | None
    supported: tuple[str, ...]


@dataclass(frozen=True)
class ObservedPlan:
    """The compute plan under one choice of compute units.

    Args:
        operations: by the name of their first output.
        error: why Core ML did not load the package; None where it did.
    """

    operations: Mapping[str, PlannedOperation]
    error: str | None = None

    def find(self, operator: Operator) -> PlannedOperation | None:
        """Return what the plan says of an operator of the file; None where it does not name it."""
        return self.operations.get(operator.outputs[0].name) if operator.outputs else None


@dataclass(frozen=True)
class Prediction:
    """One picture's outputs under one choice of compute units."""

    image: str
    sha256: str
    compute_units: str
    latency_ms: float
    outputs: Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Agreement:
    """How many of a picture's class ids are those of the CPU alone."""

    image: str
    compute_units: str
    share: float
    latency_ms: float


@dataclass(frozen=True)
class MacResult:
    """What one Mac said of one package.

    Args:
        package: its name there.
        sha256: hash of its content.
        date: day of the run.
        machine: chip, model and system, for people.
        chip: as the system names it.
        coremltools: its version.
        plans: by compute units.
        predictions: of the pictures that were given.
    """

    package: str
    sha256: str
    date: str
    machine: str
    chip: str
    coremltools: str
    plans: Mapping[str, ObservedPlan]
    predictions: tuple[Prediction, ...]

    def agreements(self) -> Iterator[Agreement]:
        """Yield how far each class map agrees with the same picture's on the CPU alone; scores are not compared."""
        on_cpu = {p.sha256: p for p in self.predictions if p.compute_units == "CPU_ONLY"}
        for prediction in self.predictions:
            other = on_cpu.get(prediction.sha256)
            if other is None or prediction is other:
                continue
            share = _share_of_equal_ids(prediction.outputs, other.outputs)
            if share is not None:
                yield Agreement(
                    prediction.image, prediction.compute_units, share, prediction.latency_ms
                )


def read_result(path: Path) -> MacResult:
    """Return the result in a JSON file.

    Raises:
        ArtifactError: when it is not a result of the script.
    """
    try:
        document = json.loads(read_bytes(path, wanted="the result JSON of the Mac's script"))
        if document["format"] != FORMAT:
            raise ValueError(f"its format is {document['format']!r}")
        return _parse(document)
    except (KeyError, TypeError, AttributeError) as error:
        raise _no_result(path, f"{error!s} is missing or of another kind") from error
    except (ValueError, RecursionError, zlib.error, MemoryError) as error:
        raise _no_result(path, str(error)) from error


def _no_result(path: Path, what: str) -> ArtifactError:
    return unreadable(path, f"a JSON document of the format {FORMAT}", what)


def _parse(document: Mapping[str, Any]) -> MacResult:
    budget = ReadingBudget(_MOST_VALUES_BYTES)
    machine = {key: _text(value) for key, value in document["machine"].items()}
    plans = {name: _plan(plan) for name, plan in document["plans"].items() if name in COMPUTE_UNITS}
    if not plans:
        raise ValueError("it holds no plan")
    return MacResult(
        package=_text(document["package"]["name"]),
        sha256=_text(document["package"]["sha256"]),
        date=_text(document["date"]),
        machine=f"{machine['chip']} ({machine['model']}, macOS {machine['macos']})",
        chip=machine["chip"],
        coremltools=machine["coremltools"],
        plans=plans,
        predictions=tuple(
            _prediction(p, budget) for p in document["predictions"] if "error" not in p
        ),
    )


def _plan(plan: Mapping[str, Any]) -> ObservedPlan:
    if "error" in plan:
        return ObservedPlan({}, _text(plan["error"]))
    return ObservedPlan(
        {
            _text(operation["outputs"][0]): PlannedOperation(
                operator=_text(operation["operator"]),
                preferred=None if operation["preferred"] is None else _text(operation["preferred"]),
                supported=tuple(_text(device) for device in operation["supported"]),
            )
            for operation in plan["operations"]
            if operation["outputs"]
        }
    )


def _prediction(entry: Mapping[str, Any], budget: ReadingBudget) -> Prediction:
    return Prediction(
        image=_text(entry["image"]),
        sha256=_text(entry["sha256"]),
        compute_units=_text(entry["compute_units"]),
        latency_ms=float(entry["latency_ms"]),
        outputs={_text(name): _array(value, budget) for name, value in entry["outputs"].items()},
    )


def _array(packed: Mapping[str, Any], budget: ReadingBudget) -> npt.NDArray[Any]:
    """Return an output's values; what is unpacked is bounded by its declared size, and that by the budget."""
    dtype, shape = np.dtype(packed["dtype"]), tuple(int(size) for size in packed["shape"])
    if dtype.kind not in "fiub" or min(shape, default=0) < 0:
        raise ValueError(f"an output of {dtype} and shape {shape} is no prediction")
    size = budget.spend(prod(shape) * dtype.itemsize)
    content = zlib.decompressobj().decompress(base64.b64decode(packed["data"]), size + 1)
    return np.frombuffer(content, dtype.newbyteorder("<")).reshape(shape)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(repr(value)[:_LONGEST_TEXT])
    return printable(" ".join(value.split()))[:_LONGEST_TEXT]


def _share_of_equal_ids(
    some: Mapping[str, npt.NDArray[Any]], others: Mapping[str, npt.NDArray[Any]]
) -> float | None:
    """Return the share of equal integers over all integer outputs; None where there are none to compare."""
    pairs = [
        (values, others[name])
        for name, values in some.items()
        if values.dtype.kind in "iu" and name in others and others[name].shape == values.shape
    ]
    total = sum(values.size for values, _ in pairs)
    if not total:
        return None
    return sum(int(np.sum(values == other)) for values, other in pairs) / total
