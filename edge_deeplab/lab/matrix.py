"""Files on devices: each pair is held against the device's rules, its tool is asked, and where asked for it is run.

The idea to hold: a cell fails alone. What a tool said is kept (`kept.py`), so that a lab that was stopped goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from edge_deeplab.checker.judging import ProfileReport, judge
from edge_deeplab.checker.observing import Observation, Observer
from edge_deeplab.checker.partitions import share_of
from edge_deeplab.checker.rules import Profile, load_profile
from edge_deeplab.checker.verdicts import Verdict
from edge_deeplab.errors import ArtifactError, ConfigError, EdgeDeepLabError, checking
from edge_deeplab.evaluation.request import ScoringRequest
from edge_deeplab.formats.artifacts import expand_artifacts
from edge_deeplab.formats.graph import FileGraph
from edge_deeplab.formats.read import read_graph, sizes_of
from edge_deeplab.formats.sizes import Size
from edge_deeplab.lab.devices import DEVICES, find_device
from edge_deeplab.lab.environments import ToolState, inspect_tool
from edge_deeplab.lab.executing import execute
from edge_deeplab.lab.observer import ToolObserver
from edge_deeplab.lab.observers import all_observers
from edge_deeplab.lab.references import References
from edge_deeplab.lab.report import Cell, LabReport, LeftOperator
from edge_deeplab.lab.tools import TOOLS
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.targets import TARGETS, target_of
from edge_deeplab.text import size_text

_ABSENT = (ToolState.MISSING, ToolState.UNSUPPORTED)
"""States in which nobody has asked for the tool: the rules alone speak, unless its device is named."""


@dataclass(frozen=True, kw_only=True)
class LabRequest(ScoringRequest):
    """Which files are looked at on which devices; with `data` they are also run there, where a device can.

    Args:
        artifacts: exported files, or folders that export wrote.
        devices: their profiles' names; none takes all that read one of the files, and leaves those whose tool is not
            there to the rules. Where they are named, such a cell fails.
        size_hw: of the sizes that a file lists, the one that is looked at; None: each.
        reference: a checkpoint's path or shipped name, which scores are also held against; None for the one that each
            file says it was exported from.

    Raises:
        ConfigError: when no file is named, for a device that no tool knows, or a reference without data.
    """

    artifacts: tuple[Path, ...]
    devices: tuple[str, ...] = ()
    size_hw: Size | None = None
    reference: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.artifacts:
            raise ConfigError("no file came; at least one was expected; name a file or a folder")
        if self.reference is not None and self.data is None:
            raise ConfigError(
                f"reference {self.reference} came without data; labelled images, on which it is scored, were expected; "
                "name them or leave it out"
            )
        with checking("devices"):
            for name in self.devices:
                find_device(name)


def run_lab(request: LabRequest, progress: Progress = SILENT) -> LabReport:
    """Return a cell for each device and each file that it reads, at each size that the file lists.

    Args:
        request: what is asked for.
        progress: told of each cell.

    Raises:
        ConfigError: when a folder lists no artifacts, or a named device reads none of the files.
        CheckpointError: when the named reference is not found.
        DataError: for a data set that cannot be read.
        MissingDependencyError: for a named reference without torch.
    """
    references = None if request.data is None else References(request, request.reference, progress)
    paths = expand_artifacts(request.artifacts)
    asked = [load_profile(name) for name in request.devices or DEVICES]
    looks = {
        path: [_Look.at(path, size) for size in _sizes(path, request.size_hw)] for path in paths
    }
    pairs = [(p, path) for p in asked for path in paths if p.format == target_of(path)]
    _refuse_unread(request.devices, [profile.name for profile, _ in pairs])
    _tell_unread(paths, [path for _, path in pairs], progress)
    cells = []
    progress.begin("asking the lab's tools", sum(len(looks[path]) for _, path in pairs), "cells")
    try:
        for profile, path in pairs:
            for look in looks[path]:
                cell = _ask(profile, look, named=bool(request.devices))
                cells.append(_at(cell, look, request.size_hw))
                progress.advance()
        if references is not None:
            cells = [_run(cell, request, references, progress) for cell in cells]
    except KeyboardInterrupt:
        progress.note("stopped; finished cells are kept, and the same command goes on from there")
        raise
    return LabReport(tuple(cells))


@dataclass(frozen=True)
class _Look:
    """A file at one of its sizes: its operators, or why it cannot be read."""

    path: Path
    size_hw: Size | None
    graph: FileGraph | str

    @classmethod
    def at(cls, path: Path, size_hw: Size | None) -> Self:
        try:
            return cls(path, size_hw, read_graph(path, size_hw))
        except ArtifactError as error:
            return cls(path, size_hw, str(error))


def _sizes(path: Path, asked: Size | None) -> Sequence[Size | None]:
    """Return the sizes that a file is looked at; None alone where it takes one."""
    listed = sizes_of(path)
    return listed if asked is None or listed == (None,) else (asked,)


def _at(cell: Cell, look: _Look, asked: Size | None) -> Cell:
    """Return a cell with its size, or with a note that the file takes one and not the one that was asked for."""
    if look.size_hw is not None or asked is None:
        return replace(cell, size_hw=look.size_hw)
    note = f"it takes one size, which was looked at in place of {size_text(asked)}"
    return replace(cell, notes=(*cell.notes, note))


def _refuse_unread(named: Sequence[str], reading: Sequence[str]) -> None:
    """Check that each device that was named reads one of the files.

    Raises:
        ConfigError: naming the first that does not.
    """
    for name in named:
        if name not in reading:
            raise ConfigError(
                f"device {name} reads {load_profile(name).format} files and none came; "
                "a file of that format was expected; name one, or another device"
            )


def _tell_unread(paths: Sequence[Path], read: Sequence[Path], progress: Progress) -> None:
    """Say of which files no device says anything.

    Raises:
        ConfigError: when it is all of them.
    """
    if not read:
        endings = sorted({TARGETS[load_profile(name).format].ending for name in DEVICES})
        raise ConfigError(
            f"{paths[0]} came, which no device of the lab reads; one of {', '.join(endings)} was expected"
        )
    for path in paths:
        if path not in read:
            progress.note(f"{path}: none of these devices reads it")


def _ask(profile: Profile, look: _Look, *, named: bool) -> Cell:
    """Return what rules say of a file on a device, and its tool where it is there."""
    path, graph = look.path, look.graph
    if isinstance(graph, str):
        return Cell(profile.name, path, "predicted", error=graph)
    observer, lack = _observer_of(find_device(profile.name).tool)
    if lack is not None and not named:
        predicted = _cell(judge(graph, profile), path, graph, None)
        return replace(predicted, notes=(f"not asked: {lack}",))
    if lack is not None and not isinstance(observer, ToolObserver):  # a tool's says so itself
        return Cell(profile.name, path, "predicted", error=lack)
    observation = observer.observe(graph, profile)
    return _cell(judge(graph, profile, observation), path, graph, observation)


def _observer_of(name: str) -> tuple[Observer, str | None]:
    """Return who is asked about a device, and what is missing where nobody has asked for it to be there."""
    if name not in TOOLS:
        observer = all_observers()[name]
        return observer, observer.available()
    status = inspect_tool(TOOLS[name])
    return ToolObserver(TOOLS[name]), status.lack if status.state in _ABSENT else None


def _cell(report: ProfileReport, path: Path, graph: FileGraph, seen: Observation | None) -> Cell:
    """Return the cell of a report: what was observed, where it tells, else what is predicted."""
    cell, compared = _predicted(report, path), report.comparison
    if seen is None or compared is None:
        return cell
    cell = replace(cell, tool=seen.tool, version=seen.version, error=seen.failure, notes=seen.notes)
    if compared.equal is None:
        return cell
    if not seen.tells:  # how many it leaves is the tool's word, which they are the rules'
        return replace(
            cell,
            evidence="compiled" if compared.equal else cell.evidence,
            partitions=seen.partitions,
            differences=compared.differences,
            predicted_equal=compared.equal,
        )
    told = replace(
        cell,
        evidence="compiled",
        cost=seen.cost,
        refusal=seen.refusal,
        differences=compared.differences,
        predicted_equal=compared.equal,
        partitions=seen.partitions,
        taken=None if seen.taken is None else len(seen.taken),
        left=tuple(
            LeftOperator(
                left.operator,
                left.name,
                (seen.left or {})[place],
                report.verdicts[place].rewrite,
            )
            for place, left in compared.left
        ),
    )
    if seen.taken is None:
        return replace(told, accelerated_macs=None)
    taken = [graph.operators[place] for place in seen.taken]
    return replace(told, accelerated_macs=share_of(taken, graph.operators))


def _predicted(report: ProfileReport, path: Path) -> Cell:
    """Return the cell that rules alone give."""
    said = report.verdicts
    rejected = next((v.reason for v in said if v.verdict is Verdict.REJECTED), None)
    left = [v for v in said if v.verdict is Verdict.FALLBACK]
    return Cell(
        report.profile,
        path,
        "predicted",
        taken=None if rejected else len(said) - len(left),
        left=tuple(LeftOperator(v.operator, v.name, v.reason, v.rewrite) for v in left),
        accelerated_macs=report.accelerator_share,
        partitions=report.partitions,
        refusal=rejected,
    )


def _run(cell: Cell, request: LabRequest, references: References, progress: Progress) -> Cell:
    """Return a cell with what its device computes of the images, where it executes files."""
    device = find_device(cell.device)
    if not device.executes or cell.evidence == "predicted" or cell.refusal is not None:
        return cell
    try:
        ran = execute(cell.path, cell.size_hw, device, request, references, progress)
    except EdgeDeepLabError as error:
        return replace(cell, error=str(error))
    return replace(cell, evidence="executed", execution=ran)
