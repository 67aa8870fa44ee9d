"""Finished files under stable names: what a chain was run for, beside the steps that it was run in."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from edge_deeplab.compress.measures import Document, Exported
from edge_deeplab.compress.pareto import draw_pareto
from edge_deeplab.compress.stages import Stage
from edge_deeplab.compress.summary import CHECKPOINTS_FOLDER, EXPORTS_FOLDER
from edge_deeplab.compress.tables import report_markdown
from edge_deeplab.converters.manifest import MANIFEST, content_sha256, write_manifest
from edge_deeplab.files import remove_leftovers, replace_when_complete, write_atomically

REPORT, TABLE, PLOT = "report.json", "report.md", "pareto.png"


def gather(
    output: Path, stages: Sequence[Stage], exports: Sequence[Exported], report: Document
) -> None:
    """Copy checkpoints and artifacts out of their steps and write the report, each of them atomically.

    Args:
        output: folder of the run.
        stages: of which those that a step made are kept.
        exports: their artifacts.
        report: from `summarise`.

    Raises:
        OutputError: when something cannot be written.
    """
    for stage in stages:
        if stage.made_by is not None:
            _copy(stage.checkpoint.path, output / CHECKPOINTS_FOLDER)
    for exported in exports:
        for path in exported.files.values():
            _copy(path, output / EXPORTS_FOLDER)
    if exports:
        write_manifest(output / EXPORTS_FOLDER, [entry for e in exports for entry in _manifest(e)])
    for name in (REPORT, TABLE, PLOT):
        remove_leftovers(output / name)
    write_atomically(output / REPORT, json.dumps(report, indent=2, allow_nan=False) + "\n")
    write_atomically(output / TABLE, report_markdown(report))
    if any(entry["miou"] is not None for entry in report["files"]):
        with replace_when_complete(output / PLOT) as temporary:
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


def _manifest(exported: Exported) -> list[Document]:
    entries: list[Document] = json.loads((exported.done.folder / MANIFEST).read_text())["artifacts"]
    return entries
