"""The lint of TFLite opcode versions: what each operator needs, against what the file gives it.

A version is a promise about what a runtime must know. Exporters keep one opcode entry for each builtin, so one dilated
depthwise convolution lifts them all, and delegates that go by the version leave out what they could have run.
Quantizers change types under old versions, so that a runtime accepts what it was not written for. The table of needs is
data: tflite_versions.toml.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from edge_deeplab.checker.tflite.operator_signatures import (
    Fact,
    Signature,
    read_signatures,
)
from edge_deeplab.formats.sizes import Size

VersionRow = Mapping[str, Any]
_UNKNOWN = 0
_TYPE = "in0"
_OTHERS = "others"


@dataclass(frozen=True)
class VersionFinding:
    """An operator whose version is not the lowest that it needs.

    Args:
        operator: its type.
        name: of its first output.
        subgraph: index of its subgraph.
        index: its place in that subgraph's order.
        version: what the file gives it.
        lowest: what its types and settings need.
        problem: "too high" or "too low".
        consequence: what follows, one sentence.
    """

    operator: str
    name: str
    subgraph: int
    index: int
    version: int
    lowest: int
    problem: str
    consequence: str

    def to_json(self) -> dict[str, Any]:
        """Return the finding as plain JSON values."""
        return asdict(self)


def lint_versions(path: Path, size_hw: Size | None = None) -> tuple[VersionFinding, ...]:
    """Return the operators of a TFLite file whose version is too high or too low, in the file's order.

    Args:
        path: a `.tflite` file.
        size_hw: of a file that lists several sizes, the one whose operators are looked at; None: those of every one.

    Raises:
        ArtifactError: when it is not a TFLite flatbuffer, or does not list that size.
        MissingDependencyError: without ai-edge-litert.
    """
    return tuple(_findings(read_signatures(path, size_hw)))


def lowest_version(signature: Signature) -> int | None:
    """Return the lowest version with which an operator's types and settings are allowed; None where not known."""
    rows = _needs().get(signature.type) if not signature.domain else None
    if rows is None:
        return None
    version = next((row["version"] for row in rows if _holds(row, signature.facts)), 1)
    return None if version == _UNKNOWN else int(version)


def _findings(signatures: Iterable[Signature]) -> Iterator[VersionFinding]:
    for signature in signatures:
        lowest = lowest_version(signature)
        if lowest is None or lowest == signature.version:
            continue
        high = signature.version > lowest
        yield VersionFinding(
            operator=signature.type,
            name=signature.name,
            subgraph=signature.subgraph,
            index=signature.index,
            version=signature.version,
            lowest=lowest,
            problem="too high" if high else "too low",
            consequence=_cost_of_height(signature, lowest) if high else _cost_of_depth(signature),
        )


def _cost_of_height(signature: Signature, lowest: int) -> str:
    takers = [
        f"{delegate} takes it up to version {limit} and leaves it to the CPU"
        for delegate, limits in _delegate_limits().items()
        if (limit := _limit(limits, signature)) and lowest <= limit < signature.version
    ]
    older = f"runtimes from before version {signature.version} refuse the file without need"
    return "; ".join([*takers, older])


def _cost_of_depth(signature: Signature) -> str:
    return (
        f"runtimes that know {signature.type} only up to version {signature.version} accept the file "
        "and then fail or compute something else"
    )


def _limit(limits: Mapping[str, Any], signature: Signature) -> int | None:
    """Return the highest version of an operator that a delegate takes; None where no limit counts."""
    if signature.facts.get(_TYPE) != limits.get(_TYPE, signature.facts.get(_TYPE)):
        return None
    limit = limits.get(signature.type, limits.get(_OTHERS))
    return None if limit is None else int(limit)


def _holds(row: VersionRow, facts: Mapping[str, Fact]) -> bool:
    """Tell whether all conditions of a row hold; one about an absent fact does not."""
    conditions = {name: wanted for name, wanted in row.items() if name != "version"}
    return all(
        name in facts
        and (facts[name] in wanted if isinstance(wanted, list) else facts[name] == wanted)
        for name, wanted in conditions.items()
    )


@cache
def _needs() -> dict[str, list[VersionRow]]:
    """Return the rows of each builtin; in the file several builtins may share theirs."""
    return {
        name.strip(): rows
        for names, rows in _table()["lowest"].items()
        for name in names.split(",")
    }


def _delegate_limits() -> Mapping[str, Mapping[str, Any]]:
    limits: Mapping[str, Mapping[str, Any]] = _table()["highest"]
    return limits


@cache
def _table() -> dict[str, Any]:
    text = (files(__package__) / "versions.toml").read_text("utf-8")
    return tomllib.loads(text)
