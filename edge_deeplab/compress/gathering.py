"""Finished files under stable names: what a chain was run for, beside the steps that it was run in."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from edge_deeplab.compress.measures import Exported
from edge_deeplab.compress.pareto import draw_pareto
from edge_deeplab.compress.report import CHECKPOINTS_FOLDER, EXPORTS_FOLDER, ChainReport
from edge_deeplab.compress.stages import Stage
from edge_deeplab.compress.tables import report_markdown
from edge_deeplab.documents import read_json
from edge_deeplab.errors import OutputError
from edge_deeplab.files import (
    path_inside,
    remove_leftovers,
    replace_when_complete,
    write_atomically,
)
from edge_deeplab.formats.manifest import MANIFEST, content_sha256, read_manifest, write_manifest
from edge_deeplab.outputs import Output

REPORT, TABLE, PLOT = "report.json", "report.md", "pareto.png"


def outputs_of(
    output: Path, stages: Sequence[Stage], exports: Sequence[Exported], report: ChainReport
) -> tuple[Output, ...]:
    """Return what copies checkpoints and artifacts out of their steps and writes the report, each of them atomically.

    What an earlier report lists and this one does not is removed; it stays in its step.

    Args:
        output: folder of the run.
        stages: of which those that a step made are kept.
        exports: their artifacts.
        report: from `summarise`.
    """
    document = report.to_json()
    gathered = _listed(document)
    outputs = [
        Output(output, lambda: _copy_all(output, stages, exports, gathered)),
        Output(output / REPORT, lambda: _write(output / REPORT, _json(document))),
        Output(output / TABLE, lambda: _write(output / TABLE, report_markdown(report))),
    ]
    if PLOT in gathered:
        outputs.append(Output(output / PLOT, lambda: _draw(report, output / PLOT)))
    return tuple(outputs)


def _copy_all(
    output: Path, stages: Sequence[Stage], exports: Sequence[Exported], gathered: set[str]
) -> None:
    for stage in stages:
        if stage.made_by is not None:
            _copy(stage.checkpoint.path, output / CHECKPOINTS_FOLDER)
    for exported in exports:
        for path in exported.files.values():
            _copy(path, output / EXPORTS_FOLDER)
    for name in sorted(_listed_before(output) - gathered):
        _remove(output, name)
    if exports:
        _write_manifest_anew(output / EXPORTS_FOLDER, exports)


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _write(path: Path, text: str) -> None:
    remove_leftovers(path)
    write_atomically(path, text)


def _draw(report: ChainReport, path: Path) -> None:
    remove_leftovers(path)
    with replace_when_complete(path) as temporary:
        draw_pareto(report, temporary)


def _copy(path: Path, folder: Path) -> None:
    """Copy a file or folder unless the same content stands there; whatever else the folder holds stays."""
    goal = folder / path.name
    remove_leftovers(goal)
    if goal.exists() and content_sha256(goal) == content_sha256(path):
        return
    with replace_when_complete(goal) as temporary:
        if path.is_dir():
            shutil.copytree(path, temporary)
        else:
            shutil.copyfile(path, temporary)


def _listed_before(output: Path) -> set[str]:
    """Return what the report of an earlier run lists; nothing where none can be read."""
    try:
        return _listed(read_json(output / REPORT))
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _listed(document: Any) -> set[str]:
    """Return what `gather` makes beside a report and its table, by name in the run's folder."""
    files = document["files"]
    names = [entry["path"] for entry in files]
    names += [stage["checkpoint"] for stage in document["stages"] if stage["training"]]
    listed = {name for name in names if _is_gathered(PurePosixPath(name))}
    if files:
        listed.add(f"{EXPORTS_FOLDER}/{MANIFEST}")
    if any(entry["miou"] is not None for entry in files):
        listed.add(PLOT)
    return listed


def _is_gathered(name: PurePosixPath) -> bool:
    """Whether a name is of something in one of the two folders; a report may have been edited."""
    parents = (PurePosixPath(EXPORTS_FOLDER), PurePosixPath(CHECKPOINTS_FOLDER))
    return name.parent in parents and name.name != ".."


def _remove(output: Path, name: str) -> None:
    """Remove a file or folder of a run's folder, if it is there; what lies behind a link stays.

    Raises:
        OutputError: when it cannot be.
    """
    path = output / name
    try:
        path_inside(output, Path(name).parent.as_posix())
    except ValueError:
        return
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path} is of an earlier run and cannot be removed ({error.strerror}); a writable folder was expected; "
            "remove it, or choose another output"
        ) from error


def _write_manifest_anew(folder: Path, exports: Sequence[Exported]) -> None:
    """Write the manifest of these files alone; `write_manifest` keeps what one beside it lists."""
    with replace_when_complete(folder / MANIFEST) as temporary:
        entries = [entry for e in exports for entry in read_manifest(e.done.folder)]
        write_manifest(temporary.parent, entries)
